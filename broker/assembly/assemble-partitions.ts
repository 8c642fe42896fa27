import { isPresentTerm } from "../../coordinator-client/known-controller.ts";
import { codecsAside } from "../../protocol/records/compression.ts";
import type { BrokerOptions } from "../broker-options.ts";
import { groupCoordinatorConfig, partitionConfig } from "../broker-settings.ts";
import { UpdateReceiver } from "../cluster/update-receiver.ts";
import { GroupCoordinator } from "../group/group-coordinator.ts";
import { statePartitions } from "../partition/partition-services.ts";
import { PartitionTable } from "../partition/partition-table.ts";
import { FetcherSet } from "../replication/fetcher-set.ts";
import { brokerValues } from "../runtime/config/resolve.ts";
import type { ClusterMembership } from "./assemble-membership.ts";
import type { Storage } from "./assemble-storage.ts";
import type { Foundation } from "./foundation.ts";

export type Partitions = ReturnType<typeof assemblePartitions>;

/** What leads, follows and keeps its state in partitions: their table, the fetchers, the groups; and the controller's word on who leads. */
export function assemblePartitions(
  options: BrokerOptions,
  { coordinator }: Foundation,
  { logs, images, seen, layers }: Storage,
  { cluster, isrStore, replicaReporter, peers, resolveSettings }: ClusterMembership,
) {
  const { config, clock, random } = options;
  const { brokerId, replication } = config;
  const logger = (part: string) => options.log.child({ part });
  const table = new PartitionTable({
    config: partitionConfig(config, () => brokerValues(layers())),
    clock,
    random,
    logger: logger("partition"),
    logs,
    cluster,
    isrStore,
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
    peers,
  });
  const groups = new GroupCoordinator({
    partitions: statePartitions(table),
    onLeadershipChanged: (listener) => table.onLeadershipChanged(listener),
    topics: images,
    clock,
    random,
    log: logger("group"),
    config: groupCoordinatorConfig(config, options.memoryBytes),
  });
  /** What lies on the disk or is open, by topic id. */
  const localReplicas = () => {
    const found = logs.found.flatMap(({ topic, partition, topicId }) => (topicId === null ? [] : [{ ref: { topic, partition }, topicId }]));
    const open = [...table.all()].map(({ identity: { topic, partition, topicId } }) => ({ ref: { topic, partition }, topicId }));
    return [...found, ...open];
  };
  const updates = new UpdateReceiver({
    brokerId,
    isPresentTerm: (claimed) => isPresentTerm(coordinator, claimed),
    images,
    roles: table,
    view: cluster,
    seen,
    localReplicas,
    resolveSettings,
    log: logger("cluster"),
  });
  return { table, fetchers, groups, updates };
}
