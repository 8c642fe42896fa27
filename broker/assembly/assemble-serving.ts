import type { TopicId } from "../../protocol/base/ids.ts";
import type { Endpoint } from "../api/api.ts";
import { groupApis } from "../api/group-apis.ts";
import { groupFinder, type StateTopicConfig } from "../api/group-finder.ts";
import { logDirectoryApis } from "../api/log-directory-apis.ts";
import { type ServedApis, servedApis } from "../api/registry.ts";
import type { BrokerOptions } from "../broker-options.ts";
import { heartbeatHandler } from "../cluster/peer-watch.ts";
import type { ProducerIdSource } from "../cluster/producer-ids.ts";
import { ClientListeners } from "../network/client-listener.ts";
import { Dispatcher } from "../network/dispatcher.ts";
import { peerFrameMaxBytes } from "../network/peer-frame.ts";
import { PeerServer, peerServerDefaults } from "../network/peer-server.ts";
import { committedEndsHandler } from "../peer-api/committed-ends.ts";
import { forwardHandler } from "../peer-api/forward.ts";
import { handOverHandler } from "../peer-api/hand-over.ts";
import { joinTransactionHandler } from "../peer-api/join-transaction.ts";
import { peerHandlers } from "../peer-api/peer-handlers.ts";
import { writeMarkersHandler } from "../peer-api/write-markers.ts";
import { replicaFetchHandler, sessionPartitionsMaxDefault } from "../replication/replica-fetch-handler.ts";
import type { BrokerSettings } from "../runtime/config/start-settings.ts";
import { supportedFeatures } from "../runtime/features.ts";
import type { ClusterMembership } from "./assemble-membership.ts";
import type { Partitions } from "./assemble-partitions.ts";
import type { Storage } from "./assemble-storage.ts";
import type { Transactions } from "./assemble-transactions.ts";
import type { Foundation } from "./foundation.ts";
import type { Recorders } from "./recorders.ts";
import { clientMemoryBytes, tooLittleMemory } from "./shares.ts";

/** What is served, and when. */
export interface Served
  extends Pick<Storage, "logs" | "images" | "inForce" | "quotas">,
    Pick<ClusterMembership, "cluster" | "membership" | "controller" | "peers" | "watch" | "vote">,
    Pick<Partitions, "table" | "groups" | "updates"> {
  readonly producerIds: ProducerIdSource;
  readonly transactions: Transactions;
  /** Null: nothing is counted. */
  readonly recorders: Recorders | null;
  readonly stopping: AbortSignal;
  /** This broker knows the cluster. Clients' requests wait for it. */
  readonly joined: Promise<void>;
}

export type Serving = ReturnType<typeof assembleServing>;

/** The listeners of this broker: the one for the other brokers, and those for clients. */
export function assembleServing(options: BrokerOptions, { known, peerSecret }: Foundation, served: Served) {
  const { settings, transport, clock, random, onFatal } = options;
  const { brokerId, replication } = settings;
  const { table, updates, controller, transactions, recorders } = served;
  const logger = (part: string) => options.log.child({ part });
  const warning = tooLittleMemory(settings, options.memoryBytes);
  if (warning !== null) options.log.warn({}, warning);
  const apis = allApis(options, served);
  const leaderOf = (topicId: TopicId, partition: number) => table.leaderOf(topicId, partition);
  const replicaFetch = replicaFetchHandler({
    leaders: table,
    registration: served.cluster.registration,
    clock,
    config: replication,
    quota: served.quotas.leader,
    sessionPartitionsMax: sessionPartitionsMaxDefault,
  });
  const peerServer = new PeerServer(transport, {
    clusterId: known.clusterId,
    brokerId,
    secret: peerSecret,
    handlers: peerHandlers({
      replicaFetch: recorders?.replication.countingServed(replicaFetch) ?? replicaFetch,
      updates,
      controller,
      handOver: handOverHandler({ images: served.images, clock, leaderOf }),
      heartbeat: heartbeatHandler(clock, served.membership, served.watch),
      vote: served.vote,
      committedEnds: committedEndsHandler(leaderOf),
      joinTransaction: joinTransactionHandler(transactions.coordinator),
      writeMarkers: writeMarkersHandler(transactions.writer),
      forward: forwardHandler(apis.controllerEndpoints, controller, logger("api")),
    }),
    limits: { ...peerServerDefaults, frameMaxBytes: peerFrameMaxBytes(settings) },
    clock,
    random,
    log: logger("peers"),
    onFatal,
  });
  const clients = new ClientListeners({
    transport,
    dispatcher: new Dispatcher(apis.endpoints.map((endpoint) => counted(afterJoining(endpoint, served.joined), recorders))),
    limits: () => {
      const { network } = served.inForce.now;
      return { ...network, connectionsMax: Math.min(network.connectionsMax, options.descriptors.clientConnectionsMax) };
    },
    memoryMaxBytes: clientMemoryBytes(settings, options.memoryBytes),
    slabs: options.slabs,
    clock,
    log: logger("network"),
    onFatal,
  });
  return { peerServer, clients, transactions: served.transactions.coordinator };
}

function counted(endpoint: Endpoint, recorders: Recorders | null): Endpoint {
  return recorders?.requests.counting(endpoint) ?? endpoint;
}

function allApis({ settings, texts, clock, random, log }: BrokerOptions, served: Served): ServedApis {
  const { table, images, controller, peers, groups, producerIds, transactions, logs, stopping: signal } = served;
  return servedApis(
    {
      partitions: table,
      consumed: {
        leader: (ref) => table.find(ref)?.reader() ?? "NOT_LEADER_OR_FOLLOWER",
        follower: (ref) => table.follower(ref),
        changed: (refs, deadlineMs, aborted) => table.changed(refs, deadlineMs, aborted),
      },
      images,
      controller,
      coordinators: (topicMaker) =>
        groupFinder({
          images,
          topicMaker,
          log: log.child({ part: "group" }),
          clock,
          config: offsetsTopicConfig(settings),
          transactions: stateTopicConfig(settings),
        }),
      producerIds,
      transactions,
      traffic: served.recorders?.topics ?? null,
      enteredGroups: groups.transactions,
      peers,
      clock,
      random,
      log: log.child({ part: "api" }),
      signal,
      config: {
        brokerId: settings.brokerId,
        startTexts: texts,
        supportedFeatures,
        autoCreateTopics: settings.topics.autoCreateEnabled,
        fetchMaxBytes: settings.fetching.maxBytes,
        sendsToRack: settings.fetching.sendsToRack,
        fetchSessionsMax: settings.fetching.sessionsMax,
        forwardTimeoutMs: settings.network.requestTimeoutMs,
      },
    },
    {
      ...groupApis(groups, images),
      ...logDirectoryApis(logs, (topic, partition) => table.find({ topic, partition })?.highWatermark ?? null),
    },
  );
}

function offsetsTopicConfig({ groups }: BrokerSettings): StateTopicConfig {
  return {
    partitions: groups.offsetsTopicPartitions,
    replicationFactor: groups.offsetsTopicReplicationFactor,
    segmentBytes: groups.offsetsTopicSegmentBytes,
  };
}

function stateTopicConfig({ transactions }: BrokerSettings): StateTopicConfig {
  return {
    partitions: transactions.stateTopicPartitions,
    replicationFactor: transactions.stateTopicReplicationFactor,
    segmentBytes: transactions.stateTopicSegmentBytes,
    minInsync: transactions.stateTopicMinInsync,
  };
}

/** Holds back a client's first requests until this broker knows the cluster: an empty answer would send the client away. */
function afterJoining(endpoint: Endpoint, joined: Promise<void>): Endpoint {
  let hasJoined = false;
  joined.then(
    () => {
      hasJoined = true;
    },
    () => {},
  );
  return {
    ...endpoint,
    serve: (body, context) => (hasJoined ? endpoint.serve(body, context) : joined.then(() => endpoint.serve(body, context))),
  };
}
