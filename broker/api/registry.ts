import type { Clock } from "../../protocol/base/clock.ts";
import type { SupportedFeatures } from "../../protocol/base/features.ts";
import type { BrokerId } from "../../protocol/base/ids.ts";
import { invariant } from "../../protocol/base/invariant.ts";
import type { Logger } from "../../protocol/base/logger.ts";
import type { Random } from "../../protocol/base/random.ts";
import { type ApiName, apis } from "../../protocol/messages/apis.ts";
import type { ImageSource } from "../cluster/cluster-image.ts";
import type { ProducerIdSource } from "../cluster/producer-ids.ts";
import { settingLayers } from "../cluster/resolve-settings.ts";
import type { ControllerService } from "../controller/controller-service.ts";
import type { ClientPartitions, ConsumedPartitions } from "../partition/client-contract.ts";
import { describeTopicConfigs } from "../runtime/config/describe.ts";
import type { SettingTexts } from "../runtime/config/resolve.ts";
import type { PeerRequester } from "../runtime/peer-port.ts";
import { Turns } from "../runtime/turns.ts";
import { alterConfigsApi } from "./alter-configs.ts";
import { alterPartitionReassignmentsApi } from "./alter-partition-reassignments.ts";
import { type Api, type ApisNamed, type ControllerApi, type Endpoint, endpoint } from "./api.ts";
import { apiVersionsApi } from "./api-versions.ts";
import { autoTopicCreation } from "./auto-creation.ts";
import { createPartitionsApi } from "./create-partitions.ts";
import { createTopicsApi } from "./create-topics.ts";
import { deleteRecordsApi } from "./delete-records.ts";
import { deleteTopicsApi } from "./delete-topics.ts";
import { describeClusterApi } from "./describe-cluster.ts";
import { describeConfigsApi } from "./describe-configs.ts";
import { describeProducersApi } from "./describe-producers.ts";
import { describeTopicPartitionsApi } from "./describe-topic-partitions.ts";
import { electLeadersApi } from "./elect-leaders.ts";
import { fetchApi } from "./fetch.ts";
import { FetchSessionCache, sessionsPartitionsMax } from "./fetch-session-cache.ts";
import { type CoordinatorFinder, findCoordinatorApi } from "./find-coordinator.ts";
import { Forwarder, forwarding } from "./forwarding.ts";
import type { groupApis } from "./group-apis.ts";
import type { EnteredGroups } from "./group-context.ts";
import { incrementalAlterConfigsApi } from "./incremental-alter-configs.ts";
import { initProducerIdApi } from "./init-producer-id.ts";
import { listOffsetsApi } from "./list-offsets.ts";
import { listPartitionReassignmentsApi } from "./list-partition-reassignments.ts";
import type { logDirectoryApis } from "./log-directory-apis.ts";
import { metadataApi } from "./metadata.ts";
import { offsetForLeaderEpochApi } from "./offset-for-leader-epoch.ts";
import { produceApi } from "./produce.ts";
import { ForwardedMeter } from "./request-meter.ts";
import { type TopicMaker, topicMaker } from "./topic-maker.ts";
import type { TopicTraffic } from "./topic-traffic.ts";
import { type TransactionParts, transactionApisOf } from "./transaction-apis.ts";
import { updateFeaturesApi } from "./update-features.ts";

export interface ApiParts {
  readonly partitions: ClientPartitions;
  /** Where consumers read, also when nobody leads. */
  readonly consumed: ConsumedPartitions;
  readonly images: ImageSource;
  readonly controller: ControllerService;
  /** `topicMaker`: for the topics that coordinators keep their state in. */
  readonly coordinators: (topicMaker: TopicMaker) => CoordinatorFinder;
  readonly producerIds: ProducerIdSource;
  readonly transactions: TransactionParts;
  /** What of the groups is part of transactions. */
  readonly enteredGroups: EnteredGroups;
  /** Null: nobody wants to know what clients send and are sent. */
  readonly traffic: TopicTraffic | null;
  readonly peers: PeerRequester;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  /** Aborts when the broker shuts down. */
  readonly signal: AbortSignal;
  readonly config: ApiConfig;
}

export interface ApiConfig {
  readonly brokerId: BrokerId;
  /** What the broker was started with. */
  readonly startTexts: SettingTexts;
  readonly supportedFeatures: SupportedFeatures;
  readonly autoCreateTopics: boolean;
  /** `fetch.max.bytes`. */
  readonly fetchMaxBytes: number;
  /** `replica.selector.class`. */
  readonly sendsToRack: boolean;
  /** `max.incremental.fetch.session.cache.slots`. */
  readonly fetchSessionsMax: number;
  /** `request.timeout.ms`: for requests forwarded to the controller. */
  readonly forwardTimeoutMs: number;
}

export interface ServedApis {
  /** What clients may request, one endpoint per API key. */
  readonly endpoints: readonly Endpoint[];
  /** What other brokers may forward to this one while it is the controller. */
  readonly controllerEndpoints: readonly Endpoint[];
}

/** Every API of the protocol's list, as this broker serves it. `more`: what other parts of the broker are asked. */
export function servedApis(parts: ApiParts, more: ReturnType<typeof groupApis> & ReturnType<typeof logDirectoryApis>): ServedApis {
  const { partitions, consumed, images, config, traffic } = parts;
  const controllerApis = controllerApisOf(parts);
  const forwarder = new Forwarder({ ...parts, timeoutMs: config.forwardTimeoutMs });
  const maker = topicMaker({ controller: parts.controller, forwarder, signal: parts.signal });
  const autoCreation = autoTopicCreation({ ...parts, isEnabled: () => config.autoCreateTopics, topicMaker: maker });
  const sessionLimits = { sessionsMax: config.fetchSessionsMax, partitionsMax: sessionsPartitionsMax };
  const sessions = new FetchSessionCache(sessionLimits, parts.clock, parts.random);
  const finder = parts.coordinators(maker);
  const produce = produceApi({ ...parts, gate: parts.transactions.gate });
  const fetch = fetchApi({ ...parts, partitions: consumed }, sessions, { ...config, maxBytes: config.fetchMaxBytes });
  const served: ApisNamed<ApiName> = {
    ...controllerApis,
    apiVersions: apiVersionsApi(() => endpoints, { supported: config.supportedFeatures, finalized: () => images.current.features }),
    metadata: metadataApi(images, autoCreation),
    produce: traffic?.countingProduces(produce) ?? produce,
    initProducerId: initProducerIdApi(parts.producerIds, parts.transactions.coordinator),
    fetch: traffic?.countingFetches(fetch) ?? fetch,
    listOffsets: listOffsetsApi(consumed, images),
    deleteRecords: deleteRecordsApi(partitions, images),
    offsetForLeaderEpoch: offsetForLeaderEpochApi(partitions, images),
    describeProducers: describeProducersApi(partitions, images),
    describeCluster: describeClusterApi(images),
    describeTopicPartitions: describeTopicPartitionsApi(images),
    describeConfigs: describeConfigsApi(images, config),
    findCoordinator: findCoordinatorApi(finder),
    ...transactionApisOf({ ...parts, groups: parts.enteredGroups, finder }),
    ...more,
  };
  for (const name of Object.keys(apis) as ApiName[])
    invariant(served[name].request === apis[name].request, "an API's handler reads its own request", () => ({ name }));
  const endpoints = Object.values<Api<unknown, unknown> | ControllerApi<unknown, unknown>>(served).map((api) =>
    "failed" in api ? forwarding(api, forwarder) : endpoint(api),
  );
  const turns = new Turns(parts.clock);
  const controllerEndpoints = Object.values<Api<unknown, unknown>>(controllerApis).map((api) => forwarded(endpoint(api), turns));
  return { endpoints, controllerEndpoints };
}

/** What only the controller may serve. */
function controllerApisOf(parts: ApiParts) {
  const { controller } = parts;
  return {
    createTopics: createTopicsOf(parts),
    deleteTopics: deleteTopicsApi(controller),
    createPartitions: createPartitionsApi(controller),
    electLeaders: electLeadersApi(controller),
    alterPartitionReassignments: alterPartitionReassignmentsApi(controller),
    listPartitionReassignments: listPartitionReassignmentsApi(controller),
    alterConfigs: alterConfigsApi(controller),
    incrementalAlterConfigs: incrementalAlterConfigsApi(controller),
    updateFeatures: updateFeaturesApi(controller),
  };
}

/** As other brokers reach it. */
function forwarded(served: Endpoint, turns: Turns): Endpoint {
  return { ...served, serve: (body, context) => served.serve(body, { ...context, meter: new ForwardedMeter(turns) }) };
}

function createTopicsOf({ controller, images, config }: ApiParts) {
  return createTopicsApi(controller, (own) =>
    describeTopicConfigs(own, settingLayers(config.brokerId, config.startTexts, images.current.brokerConfigs), null),
  );
}
