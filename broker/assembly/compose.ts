import type { BrokerOptions } from "../broker-options.ts";
import { assembleMembership } from "./assemble-membership.ts";
import { assemblePartitions } from "./assemble-partitions.ts";
import { assembleServing } from "./assemble-serving.ts";
import { assembleStorage } from "./assemble-storage.ts";
import type { Foundation } from "./foundation.ts";
import { LifeCycle } from "./life-cycle.ts";

/**
 * Builds a broker from the bottom up; nothing runs and nothing is sent before `LifeCycle` starts it. What a lower assembly needs of a
 * higher one is passed down as a function, and called only after the start.
 */
export function compose(options: BrokerOptions, foundation: Foundation): LifeCycle {
  const stopping = new AbortController();
  const joined = Promise.withResolvers<void>();
  const storage = assembleStorage(options, foundation);
  const membership = assembleMembership(options, foundation, storage, {
    stopping: stopping.signal,
    standDown: () => partitions.table.standDown(),
    failed: (error) => life.fail(error),
    addresses: () => life.addresses,
  });
  const partitions = assemblePartitions(options, foundation, storage, membership);
  const serving = assembleServing(options, foundation, {
    ...storage,
    ...membership,
    ...partitions,
    stopping: stopping.signal,
    joined: joined.promise,
  });
  const life: LifeCycle = new LifeCycle(options, { storage, membership, partitions, serving }, { stopping, joined });
  return life;
}
