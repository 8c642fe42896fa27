import { isPresentTerm } from "../../coordinator-client/known-controller.ts";
import { codecsAside } from "../../protocol/records/compression.ts";
import type { BrokerOptions } from "../broker-options.ts";
import { CutOffLeader } from "../cluster/cut-off-leader.ts";
import type { LocalReplica } from "../cluster/roles.ts";
import { UpdateReceiver } from "../cluster/update-receiver.ts";
import { GroupCoordinator, type GroupCoordinatorConfig } from "../group/group-coordinator.ts";
import type { PartitionConfig } from "../partition/environment.ts";
import { statePartitions } from "../partition/internal-topic-partitions.ts";
import { PartitionTable } from "../partition/partition-table.ts";
import { FetcherSet } from "../replication/fetcher-set.ts";
import type { BrokerSettings } from "../runtime/config/start-settings.ts";
import { sparingLogger } from "../runtime/sparing-logger.ts";
import type { ClusterMembership } from "./assemble-membership.ts";
import type { Storage } from "./assemble-storage.ts";
import type { Foundation } from "./foundation.ts";
import type { Recorders } from "./recorders.ts";
import { clientMemoryBytes } from "./shares.ts";

export type Partitions = ReturnType<typeof assemblePartitions>;

/**
 * What leads, follows and keeps its state in partitions: their table, the fetchers, the groups; and the controller's updates on who leads.
 */
export function assemblePartitions(
  options: BrokerOptions,
  { coordinator }: Foundation,
  { logs, images, seen, inForce, quotas }: Storage,
  membership: ClusterMembership & { readonly recorders: Recorders | null },
) {
  const { cluster, isrStore, replicaReporter, peers, resolveSettings, watch, vote, recorders } = membership;
  const { settings, clock, random } = options;
  const { brokerId, replication } = settings;
  const logger = (part: string) => options.log.child({ part });
  const table = new PartitionTable({
    config: partitionConfig(settings, () => inForce.now.log.producerExpirationMs),
    clock,
    random,
    logger: sparingLogger(logger("partition"), clock),
    logs,
    cluster,
    isrStore: recorders?.isrChanges.counted(isrStore) ?? isrStore,
    health: replicaReporter,
    codecs: codecsAside,
  });
  const fetchers = new FetcherSet(table, {
    brokerId,
    config: replication,
    clock,
    random,
    logger: logger("replication"),
    cluster,
    peers: recorders?.replication.countingAnswers(peers) ?? peers,
    quota: quotas.follower,
  });
  const groups = new GroupCoordinator({
    partitions: { ...statePartitions(table), onLeadershipChanged: (listener) => table.onLeadershipChanged(listener) },
    topics: images,
    clock,
    random,
    log: logger("group"),
    config: groupConfig(settings, options.memoryBytes),
  });
  const updates = new UpdateReceiver({
    brokerId,
    isPresentTerm: (claimed) => isPresentTerm(coordinator, claimed),
    images,
    roles: table,
    view: cluster,
    seen,
    localReplicas: () => localReplicas(logs, table),
    resolveSettings,
    log: logger("cluster"),
  });
  const cutOff = new CutOffLeader({
    brokerId,
    coordinator,
    images,
    clock,
    doubts: { vote, watch },
    adopt: (partitions) => updates.adopt(partitions),
  });
  return { table, fetchers, groups, updates, cutOff };
}

/** The replicas on disk or open, by topic id. */
function localReplicas(logs: Storage["logs"], table: PartitionTable): LocalReplica[] {
  const found = logs.found.flatMap(({ topic, partition, topicId }) => (topicId === null ? [] : [{ ref: { topic, partition }, topicId }]));
  const open = [...table.all()].map(({ identity: { topic, partition, topicId } }) => ({ ref: { topic, partition }, topicId }));
  return [...found, ...open];
}

/** Producers that may wait for replication in one partition: each costs some memory, in addition to that of its request. */
const appendWaitersMax = 100_000;

/** `producerExpirationMs` may change while we run. */
function partitionConfig({ brokerId, replication, controller, log }: BrokerSettings, producerExpirationMs: () => number): PartitionConfig {
  const { replicaLagTimeMaxMs, highWatermarkCheckpointMs, reassignedAtOnceMax } = replication;
  const { retentionCheckMs, strayRetentionMs, producerExpirationCheckMs, batchUnpackedBytesMax } = log;
  return {
    brokerId,
    appendWaitersMax,
    replicaLagTimeMaxMs,
    // it asks again at the end of its wait, and a moment is granted for the way
    suspectLagMs: Math.min(replicaLagTimeMaxMs, replication.fetchWaitMaxMs + controller.suspectTimeoutMs / 4),
    diskStallTimeoutMs: controller.diskStallTimeoutMs,
    highWatermarkCheckpointMs,
    reassignedAtOnceMax,
    retentionCheckMs,
    strayRetentionMs,
    producerExpirationCheckMs,
    producerExpirationMs,
    batchUnpackedBytesMax,
  };
}

/**
 * Requests that may wait at the groups of one partition. Each costs some memory, and members that wait for a rebalance wait for minutes.
 */
const waitingPerShardMax = 100_000;

/** A share of what clients' requests and answers may take, in addition to that. */
const memberMemoryShare = 1 / 4;
/** The same for positions that are pending in transactions. */
const pendingMemoryShare = 1 / 8;

function groupConfig(settings: BrokerSettings, memoryBytes: number): GroupCoordinatorConfig {
  const { groups, consumerGroups } = settings;
  const { commitTimeoutMs, loadBufferBytes } = groups;
  return {
    machine: { ...groups, consumer: consumerGroups },
    shard: { commitTimeoutMs, loadBufferBytes, waitingMax: waitingPerShardMax },
    memberBytesMax: clientMemoryBytes(settings, memoryBytes) * memberMemoryShare,
    pendingBytesMax: clientMemoryBytes(settings, memoryBytes) * pendingMemoryShare,
  };
}
