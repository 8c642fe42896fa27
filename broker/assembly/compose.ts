import type { BrokerOptions } from "../broker-options.ts";
import { ProducerIds } from "../cluster/producer-ids.ts";
import { assembleMembership } from "./assemble-membership.ts";
import { assemblePartitions } from "./assemble-partitions.ts";
import { assembleServing } from "./assemble-serving.ts";
import { assembleStorage } from "./assemble-storage.ts";
import { assembleTransactions } from "./assemble-transactions.ts";
import type { Foundation } from "./foundation.ts";
import { LifeCycle } from "./life-cycle.ts";
import type { Monitoring } from "./monitoring.ts";
import { Recorders } from "./recorders.ts";

/**
 * Builds a broker from the bottom up; nothing runs and nothing is sent before `LifeCycle` starts it. What a lower assembly needs of a
 * higher one is passed down as a function, and called only after the start.
 */
export function compose(options: BrokerOptions, foundation: Foundation, monitoring: Monitoring | null): LifeCycle {
  const stopping = new AbortController();
  const joined = Promise.withResolvers<void>();
  const storage = assembleStorage(options, foundation);
  const recorders = monitoring === null ? null : new Recorders(options.clock, storage.images);
  const membership = assembleMembership(options, foundation, storage, {
    stopping: stopping.signal,
    standDown: () => partitions.table.standDown(),
    failed: (error) => life.fail(error),
    addresses: () => life.addresses,
  });
  const partitions = assemblePartitions(options, foundation, storage, { ...membership, recorders });
  const { brokerId } = options.settings;
  const { membership: registered } = membership;
  const log = options.log.child({ part: "api" });
  const producerIds = new ProducerIds({ coordinator: foundation.coordinator, brokerId, membership: registered, clock: options.clock, log });
  const transactions = assembleTransactions(options, { ...storage, ...membership, ...partitions, producerIds });
  const serving = assembleServing(options, foundation, {
    ...storage,
    ...membership,
    ...partitions,
    producerIds,
    transactions,
    recorders,
    stopping: stopping.signal,
    joined: joined.promise,
  });
  const life: LifeCycle = new LifeCycle(options, { storage, membership, partitions, serving }, { stopping, joined });
  const { clients } = serving;
  const { coordinator } = foundation;
  if (recorders !== null)
    monitoring?.composed({ storage, membership, partitions, clients, coordinator, recorders, stopping: stopping.signal });
  return life;
}
