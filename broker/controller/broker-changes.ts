import type { BrokerId } from "../../protocol/base/ids.ts";
import type { BrokerRecord } from "../../protocol/peer/messages.ts";

/**
 * How the set of registrations differs. A broker that came back with a new epoch is in both `died` and `arrived`: even if nobody saw it
 * gone, what it had in memory is.
 */
export interface BrokerChanges {
  readonly died: readonly BrokerId[];
  readonly arrived: readonly BrokerRecord[];
  /** Same registration, other data (addresses). */
  readonly updated: readonly BrokerRecord[];
}

export function brokerChanges(known: ReadonlyMap<BrokerId, BrokerRecord>, registered: ReadonlyMap<BrokerId, BrokerRecord>): BrokerChanges {
  const died = [...known.values()].filter(({ id, epoch }) => registered.get(id)?.epoch !== epoch).map(({ id }) => id);
  const arrived = [...registered.values()].filter(({ id, epoch }) => known.get(id)?.epoch !== epoch);
  const updated = [...registered.values()].filter((broker) => {
    const before = known.get(broker.id);
    return before?.epoch === broker.epoch && JSON.stringify(before) !== JSON.stringify(broker);
  });
  return { died, arrived, updated };
}
