import type { BrokerMetadata, LogDirectoryDescription, TopicDescription } from "../../client/index.ts";
import { type BrokerId, partitionKey } from "../../protocol/base/ids.ts";
import { type BrokerRates, brokerRates, isSameRun, noRates } from "../metrics/broker-rates.ts";

import { diskUsed } from "../topic/disk-used.ts";
import { healthOf, isUnderReplicated } from "../topic/topic-health.ts";
import type { ClusterKnown } from "./cluster-reader.ts";

/** Whatever is not known is null. */
export interface BrokerRow extends BrokerRates {
  readonly broker: BrokerId;
  /** Null: it is not there, and has replicas. */
  readonly address: string | null;
  readonly isController: boolean;
  readonly memoryBytes: number | null;
  readonly recordsPerSecond: number | null;
  readonly leaders: number;
  readonly replicas: number;
  /** Of the partitions that it leads. */
  readonly underReplicated: number;
  readonly sizeInBytes: number | null;
  /** Of its fullest disk, from 0 to 1. */
  readonly diskUsed: number | null;
}

export interface TopicRow {
  readonly topic: string;
  readonly partitions: number;
  readonly recordsPerSecond: number | null;
  readonly inBytesPerSecond: number | null;
  readonly outBytesPerSecond: number | null;
  /** Of one copy. */
  readonly sizeInBytes: number | null;
  readonly underReplicated: number;
  readonly offline: number;
}

export interface GroupRow {
  readonly group: string;
  readonly state: string;
  readonly members: number | null;
  readonly lag: number | null;
  /** By how much the lag grows in a second; below zero: it shrinks. */
  readonly lagPerSecond: number | null;
  /** How long it takes to catch up as things go; 0: it has; null: it does not, or it is not known. */
  readonly catchesUpInMs: number | null;
}

export function brokerRows(known: ClusterKnown): readonly BrokerRow[] {
  const { brokers = [], topics = [], controllerId = -1 } = known.metadata ?? {};
  const rows = new Map(brokers.map((broker) => [broker.id, { leaders: 0, replicas: 0, underReplicated: 0, broker: broker as Broker }]));
  for (const partition of topics.flatMap(({ partitions }) => partitions)) {
    for (const id of partition.replicas) {
      const row = rows.get(id) ?? { leaders: 0, replicas: 0, underReplicated: 0, broker: { id, host: null } };
      rows.set(id, row);
      row.replicas++;
      if (id !== partition.leader) continue;
      row.leaders++;
      if (isUnderReplicated(partition)) row.underReplicated++;
    }
  }
  const rates = recordRates(known);
  const led = new Map<BrokerId, number>();
  for (const { name, partitions } of topics)
    for (const { partition, leader } of partitions)
      led.set(leader, (led.get(leader) ?? 0) + (rates?.get(partitionKey(name, partition)) ?? 0));
  return [...rows.values()].map(({ broker, ...counts }) => ({
    broker: broker.id,
    address: broker.host === null ? null : `${broker.host}:${broker.port}`,
    isController: broker.id === controllerId,
    ...counts,
    ...measured(known, broker.id),
    ...stored(known.directories?.get(broker.id)?.value ?? null),
    recordsPerSecond: rates === null ? null : (led.get(broker.id) ?? 0),
  }));
}

type Broker = BrokerMetadata | { readonly id: BrokerId; readonly host: null };

function measured({ metrics, metricsBefore }: ClusterKnown, id: BrokerId): BrokerRates & { readonly memoryBytes: number | null } {
  const [now, before] = [metrics?.value.get(id), metricsBefore?.value.get(id)];
  if (now === undefined || now.sample === null) return { ...noRates, memoryBytes: null };
  const { memoryBytes } = now.sample;
  if (before === undefined || before.sample === null) return { ...noRates, memoryBytes };
  return { ...brokerRates(before.sample, now.sample, (now.atMs - before.atMs) / 1000), memoryBytes };
}

function stored(directories: readonly LogDirectoryDescription[] | null): Pick<BrokerRow, "sizeInBytes" | "diskUsed"> {
  if (directories === null) return { sizeInBytes: null, diskUsed: null };
  const replicas = directories.flatMap((directory) => directory.replicas);
  const used = directories.map(diskUsed).filter((share) => share !== null);
  return {
    sizeInBytes: replicas.reduce((sum, { sizeInBytes }) => sum + sizeInBytes, 0),
    diskUsed: used.length === 0 ? null : Math.max(...used),
  };
}

/** Records that came in a second, by partition, of those that are known twice; null: nothing is. */
function recordRates({ ends, endsBefore }: ClusterKnown): ReadonlyMap<string, number> | null {
  if (ends === null || endsBefore === null) return null;
  const seconds = (ends.atMs - endsBefore.atMs) / 1000;
  return new Map(
    [...ends.value].flatMap(([key, { endOffset }]) => {
      const before = endsBefore.value.get(key)?.endOffset ?? null;
      return endOffset === null || before === null || seconds <= 0 ? [] : [[key, Math.max(0, endOffset - before) / seconds] as const];
    }),
  );
}

export function topicRows(known: ClusterKnown): readonly TopicRow[] {
  const { topics = [] } = known.metadata ?? {};
  const rates = recordRates(known);
  const sizes = leaderSizes(known);
  const [received, sent] = [bytesPerSecond(known, "receivedBytes"), bytesPerSecond(known, "sentBytes")];
  return topics.map((topic) => {
    const { underReplicated, offline } = healthOf([topic]);
    const keys = topic.partitions.map(({ partition }) => partitionKey(topic.name, partition));
    return {
      topic: topic.name,
      partitions: keys.length,
      recordsPerSecond: rates === null ? null : keys.reduce((sum, key) => sum + (rates.get(key) ?? 0), 0),
      inBytesPerSecond: received === null ? null : (received.get(topic.name) ?? 0),
      outBytesPerSecond: sent === null ? null : (sent.get(topic.name) ?? 0),
      sizeInBytes: sizes === null ? null : keys.reduce((sum, key) => sum + (sizes.get(key) ?? 0), 0),
      underReplicated,
      offline,
    };
  });
}

function leaderSizes({ directories, metadata }: ClusterKnown): ReadonlyMap<string, number> | null {
  if (directories === null) return null;
  const leaders = new Map(
    (metadata?.topics ?? []).flatMap(({ name, partitions }: TopicDescription) =>
      partitions.map(({ partition, leader }) => [partitionKey(name, partition), leader] as const),
    ),
  );
  const sizes = new Map<string, number>();
  for (const [broker, { value: found }] of directories)
    for (const { topic, partition, sizeInBytes, isFuture } of (found ?? []).flatMap(({ replicas }) => replicas)) {
      const key = partitionKey(topic, partition);
      if (!isFuture && leaders.get(key) === broker) sizes.set(key, sizeInBytes);
    }
  return sizes;
}

/** By topic, over the brokers that told it twice; null: none did. */
function bytesPerSecond({ metrics, metricsBefore }: ClusterKnown, of: "receivedBytes" | "sentBytes"): ReadonlyMap<string, number> | null {
  if (metrics === null || metricsBefore === null) return null;
  const rates = new Map<string, number>();
  let told = false;
  for (const [id, now] of metrics.value) {
    const before = metricsBefore.value.get(id);
    if (now.sample === null || before === undefined || before.sample === null || !isSameRun(before.sample, now.sample)) continue;
    const seconds = (now.atMs - before.atMs) / 1000;
    if (seconds <= 0) continue;
    told = true;
    for (const [topic, bytes] of now.sample[of])
      rates.set(topic, (rates.get(topic) ?? 0) + Math.max(0, bytes - (before.sample[of].get(topic) ?? 0)) / seconds);
  }
  return told ? rates : null;
}

export function groupRows({ groups, groupsOldest }: ClusterKnown): readonly GroupRow[] {
  const seconds = groups === null || groupsOldest === null ? 0 : (groups.atMs - groupsOldest.atMs) / 1000;
  return (groups?.value.groups ?? []).map(({ groupId, state }) => {
    const figures = groups?.value.figures.get(groupId);
    // a lag that is not known somewhere is no number to compare with
    const lagOf = (read: typeof groups) => {
      const lag = read?.value.figures.get(groupId)?.lag ?? null;
      return lag === null || lag.unknown > 0 ? null : lag.value;
    };
    const [lag, before] = [lagOf(groups), lagOf(groupsOldest)];
    const lagPerSecond = lag === null || before === null || seconds <= 0 ? null : (lag - before) / seconds;
    return { group: groupId, state, members: figures?.members ?? null, lag, lagPerSecond, catchesUpInMs: catchingUpMs(lag, lagPerSecond) };
  });
}

function catchingUpMs(lag: number | null, lagPerSecond: number | null): number | null {
  if (lag === 0) return 0;
  return lag === null || lagPerSecond === null || lagPerSecond >= 0 ? null : Math.ceil((lag / -lagPerSecond) * 1000);
}
