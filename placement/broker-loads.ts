import { type BrokerId, partitionKey } from "../protocol/base/ids.ts";
import type { BrokerCopying, BrokerLoad, PlannedBroker, PlannedMove, PlannedPartition } from "./plan-contract.ts";

/** By broker id; those that are away and have copies are among them. */
export function loadsOf(brokers: readonly PlannedBroker[], partitions: readonly PlannedPartition[]): readonly BrokerLoad[] {
  const racks = new Map<BrokerId, string | null>(brokers.map(({ id, rack }) => [id, rack]));
  const loads = new Map(brokers.map(({ id }) => [id, nothing()]));
  for (const { replicas, bytes, traffic } of partitions)
    for (const [at, id] of replicas.entries()) {
      const load = loads.get(id) ?? nothing();
      loads.set(id, load);
      load.leaders += at === 0 ? 1 : 0;
      load.replicas++;
      load.bytes += bytes;
      load.traffic += traffic;
    }
  return [...loads].map(([broker, load]) => ({ broker, rack: racks.get(broker) ?? null, ...load })).sort((a, b) => a.broker - b.broker);
}

/** One partition more for each of those that are counted; the first of its replicas is its preferred leader. */
export function countReplicas(loads: ReadonlyMap<BrokerId, { replicas: number; leaders: number }>, replicas: readonly BrokerId[]): void {
  for (const [at, id] of replicas.entries()) {
    const load = loads.get(id);
    if (load === undefined) continue;
    load.replicas++;
    if (at === 0) load.leaders++;
  }
}

function nothing() {
  return { leaders: 0, replicas: 0, bytes: 0, traffic: 0 };
}

/** What each broker that has something to copy receives and sends, by broker id. */
export function copyingOf(moves: readonly PlannedMove[], partitions: readonly PlannedPartition[]): readonly BrokerCopying[] {
  const leaders = new Map(partitions.map(({ topic, partition, leader }) => [partitionKey(topic, partition), leader]));
  const copying = new Map<BrokerId, { receivesBytes: number; sendsBytes: number }>();
  const of = (broker: BrokerId) => {
    const found = copying.get(broker) ?? { receivesBytes: 0, sendsBytes: 0 };
    copying.set(broker, found);
    return found;
  };
  for (const { topic, partition, adding, bytes } of moves) {
    if (adding.length === 0) continue;
    for (const broker of adding) of(broker).receivesBytes += bytes / adding.length;
    of(leaders.get(partitionKey(topic, partition)) ?? -1).sendsBytes += bytes;
  }
  return [...copying].map(([broker, each]) => ({ broker, ...each })).sort((a, b) => a.broker - b.broker);
}
