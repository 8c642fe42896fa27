import type { BrokerId } from "../../protocol/base/ids.ts";
import type { LeaderState } from "./leader-state.ts";

/** What it takes to know that a follower has what a consumer asks for. */
type Known = Pick<LeaderState, "isr" | "change" | "followers">;

/**
 * Which of the followers close to a consumer it is sent to (KIP-392): in sync, not about to leave, and with the asked offset in its log. Of
 * several the one that has most, then the one that was caught up last, then the one with the highest id, as Kafka's
 * RackAwareReplicaSelector has it. Null: the consumer reads here.
 */
export function nearestReplica(
  { isr, change, followers }: Known,
  near: readonly BrokerId[],
  fetchOffset: number,
  startOf: (id: BrokerId) => number | undefined,
): BrokerId | null {
  const candidates = near.flatMap((id) => {
    const progress = followers.get(id);
    const startOffset = startOf(id);
    if (progress === undefined || !isr.has(id) || (change.kind === "shrinking" && change.leaving.has(id))) return [];
    const hasOffset = startOffset !== undefined && startOffset <= fetchOffset && fetchOffset <= progress.fetchOffset;
    return hasOffset ? [{ id, endOffset: progress.fetchOffset, caughtUpAtMs: progress.caughtUpAtMs }] : [];
  });
  candidates.sort((a, b) => b.endOffset - a.endOffset || b.caughtUpAtMs - a.caughtUpAtMs || b.id - a.id);
  return candidates[0]?.id ?? null;
}
