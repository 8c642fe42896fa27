import type { BrokerId } from "../../protocol/base/ids.ts";
import type { BrokerRecord } from "../../protocol/peer/messages.ts";
import type { PeerWatch } from "../cluster/peer-watch.ts";

/** For how long a broker has to be reached without a break before it is trusted again: a link that comes and goes moves leaders once. */
export const calmMs = 10_000;

export interface Suspicion {
  /** The registration that is suspected. */
  readonly brokerEpoch: number;
  /** When it was last found unreachable (monotonic). */
  readonly atMs: number;
}

/**
 * The suspicions that a controller goes by: those that its watch has now, and those that have not been calm for long enough. A registration
 * that ended takes its suspicion with it.
 */
export function nextSuspicions(
  known: ReadonlyMap<BrokerId, Suspicion>,
  now: {
    readonly watch: Pick<PeerWatch, "suspects" | "watchedEpoch" | "lateAtMs">;
    readonly brokers: ReadonlyMap<BrokerId, BrokerRecord>;
    readonly nowMs: number;
  },
): ReadonlyMap<BrokerId, Suspicion> {
  const { watch, brokers, nowMs } = now;
  const next = new Map<BrokerId, Suspicion>();
  for (const { id, epoch } of brokers.values()) {
    const before = known.get(id);
    // the watch may not have heard of this registration yet, and mean the one before it
    const isWatched = watch.watchedEpoch(id) === epoch;
    if (isWatched && watch.suspects.has(id)) next.set(id, { brokerEpoch: epoch, atMs: nowMs });
    if (next.has(id) || before?.brokerEpoch !== epoch) continue;
    // what is too short by now to be suspected for is no calm
    const atMs = isWatched ? Math.max(before.atMs, watch.lateAtMs(id)) : before.atMs;
    if (nowMs - atMs < calmMs) next.set(id, { brokerEpoch: epoch, atMs });
  }
  return next;
}
