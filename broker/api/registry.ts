import type { Clock } from "../../protocol/base/clock.ts";
import type { BrokerId } from "../../protocol/base/ids.ts";
import { invariant } from "../../protocol/base/invariant.ts";
import type { Logger } from "../../protocol/base/logger.ts";
import type { Random } from "../../protocol/base/random.ts";
import type { ImageSource } from "../cluster/contract.ts";
import type { ProducerIdSource } from "../cluster/producer-ids.ts";
import type { ControllerService } from "../controller/contract.ts";
import type { PartitionService } from "../partition/contract.ts";
import { describeTopicConfigs } from "../runtime/config/describe.ts";
import type { ConfigTexts } from "../runtime/config/resolve.ts";
import type { PeerRequester } from "../runtime/peer-port.ts";
import { Turns } from "../runtime/turns.ts";
import { alterConfigsApi } from "./alter-configs.ts";
import { type ControllerApi, type Endpoint, endpoint } from "./api.ts";
import { apiVersionsApi } from "./api-versions.ts";
import { autoTopicCreation } from "./auto-creation.ts";
import { brokerLayers } from "./config-entries.ts";
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
import { forwarding } from "./forwarding.ts";
import { incrementalAlterConfigsApi } from "./incremental-alter-configs.ts";
import { initProducerIdApi } from "./init-producer-id.ts";
import { listOffsetsApi } from "./list-offsets.ts";
import { metadataApi } from "./metadata.ts";
import { offsetForLeaderEpochApi } from "./offset-for-leader-epoch.ts";
import { produceApi } from "./produce.ts";
import { ForwardedMeter } from "./request-meter.ts";

export interface ApiParts {
  readonly partitions: PartitionService;
  readonly images: ImageSource;
  readonly controller: ControllerService;
  /** `createTopics`: CreateTopics as clients reach it. */
  readonly coordinators: (createTopics: Endpoint) => CoordinatorFinder;
  readonly producerIds: ProducerIdSource;
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
  /** The settings that the broker was started with. */
  readonly startTexts: ConfigTexts;
  readonly autoCreateTopics: boolean;
  /** `fetch.max.bytes`. */
  readonly fetchMaxBytes: number;
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

/** Every API that this broker serves. `more`: those of other parts of the broker. */
export function servedApis(parts: ApiParts, more: readonly Endpoint[] = []): ServedApis {
  const { partitions, images, config } = parts;
  const forwarders: Endpoint[] = [];
  const turns = new Turns(parts.clock);
  const controllerEndpoints: Endpoint[] = [];
  const onController = <Req, Res>(api: ControllerApi<Req, Res>): Endpoint => {
    const forwarder = forwarding(api, { ...parts, timeoutMs: config.forwardTimeoutMs });
    controllerEndpoints.push(forwarded(endpoint(api), turns));
    forwarders.push(forwarder);
    return forwarder;
  };
  const createTopics = onController(createTopicsOf(parts));
  onController(deleteTopicsApi(parts.controller));
  onController(createPartitionsApi(parts.controller));
  onController(electLeadersApi(parts.controller));
  onController(alterConfigsApi(parts.controller));
  onController(incrementalAlterConfigsApi(parts.controller));

  const { signal, log } = parts;
  const autoCreation = autoTopicCreation({ isEnabled: () => config.autoCreateTopics, createTopics, signal, log });
  const sessionLimits = { sessionsMax: config.fetchSessionsMax, partitionsMax: sessionsPartitionsMax };
  const sessions = new FetchSessionCache(sessionLimits, parts.clock, parts.random);
  const endpoints: Endpoint[] = [
    endpoint(apiVersionsApi(() => endpoints)),
    endpoint(metadataApi(images, autoCreation)),
    endpoint(produceApi(partitions, images)),
    endpoint(initProducerIdApi(parts.producerIds)),
    endpoint(fetchApi(parts, sessions, { maxBytes: config.fetchMaxBytes })),
    endpoint(listOffsetsApi(partitions, images)),
    endpoint(deleteRecordsApi(partitions, images)),
    endpoint(offsetForLeaderEpochApi(partitions, images)),
    endpoint(describeProducersApi(partitions, images)),
    endpoint(describeClusterApi(images)),
    endpoint(describeTopicPartitionsApi(images)),
    endpoint(describeConfigsApi(images, config)),
    endpoint(findCoordinatorApi(parts.coordinators(createTopics))),
    ...forwarders,
    ...more,
  ];
  invariant(new Set(endpoints.map(({ apiKey }) => apiKey)).size === endpoints.length, "each API key is served by one endpoint");
  return { endpoints, controllerEndpoints };
}

/** As other brokers reach it. */
function forwarded(served: Endpoint, turns: Turns): Endpoint {
  return { ...served, serve: (body, context) => served.serve(body, { ...context, meter: new ForwardedMeter(turns) }) };
}

function createTopicsOf({ controller, images, config }: ApiParts) {
  return createTopicsApi(controller, (own) =>
    describeTopicConfigs(own, brokerLayers(images.current, config.brokerId, config.startTexts), null),
  );
}
