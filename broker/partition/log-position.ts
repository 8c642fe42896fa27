import type { Log } from "../log/log-contract.ts";

/** The part of a log that a fetch position is compared with. */
type ComparedLog = Pick<Log, "startOffset" | "writtenEndOffset" | "endOffsetForEpoch">;

/** Where a reader stands in our log. `diverging`: the reader's last record is not ours; from this epoch's end on it must forget. */
export type LogPosition =
  | { readonly kind: "agrees" }
  | { readonly kind: "diverging"; readonly epoch: number; readonly endOffset: number }
  | { readonly kind: "out-of-range" };

/** No epoch: the reader's log is empty, or the client does not know. */
export const noEpoch = -1;

/** Compares by epoch where the reader gives one (KIP-101, KIP-279, KIP-595), else by offset only. */
export function positionIn(log: ComparedLog, fetchOffset: number, lastFetchedEpoch: number): LogPosition {
  if (lastFetchedEpoch !== noEpoch) {
    const ours = log.endOffsetForEpoch(lastFetchedEpoch);
    if (ours === null) {
      // Our history begins after that epoch, so nothing the reader has from our log start on came from us.
      if (fetchOffset > log.startOffset) return { kind: "diverging", epoch: noEpoch, endOffset: log.startOffset };
    } else if (ours.epoch < lastFetchedEpoch || ours.endOffset < fetchOffset) {
      return { kind: "diverging", epoch: ours.epoch, endOffset: ours.endOffset };
    }
  }
  return fetchOffset < log.startOffset || fetchOffset > log.writtenEndOffset ? { kind: "out-of-range" } : { kind: "agrees" };
}

/**
 * Where no epoch of ours is as old as the reader's, there is no place for it to go back to. Kafka's clients pass over a divergence without
 * an epoch, and would wait for ever: for them that is out of range, as with Kafka.
 */
export function consumerPositionIn(log: ComparedLog, fetchOffset: number, lastFetchedEpoch: number): LogPosition {
  const position = positionIn(log, fetchOffset, lastFetchedEpoch);
  return position.kind === "diverging" && position.epoch === noEpoch ? { kind: "out-of-range" } : position;
}

/**
 * Of a follower, whose log begins at `logStartOffset`. Where it ends exactly where ours begins, and we have nothing of its last epoch, all
 * its records are below our log start, and nobody can tell whether they are ours. They have to go before it counts as in sync:
 * 1. It has a record at 16 that no other replica has; the leader of a later epoch has another one there.
 * 2. It is told to cut its own, and loses the cut with its power. Meanwhile the leader's log begins at 17.
 * 3. It fetches from 17 on, is in sync, and loses its power before it has noted where the log begins now.
 * 4. It leads, from its own first record on, and serves what was never committed.
 */
export function followerPositionIn(
  log: ComparedLog,
  { fetchOffset, lastFetchedEpoch, logStartOffset }: { fetchOffset: number; lastFetchedEpoch: number; logStartOffset: number },
): LogPosition {
  const position = positionIn(log, fetchOffset, lastFetchedEpoch);
  const isBelow = fetchOffset === log.startOffset && logStartOffset < fetchOffset && lastFetchedEpoch !== noEpoch;
  if (position.kind !== "agrees" || !isBelow || log.endOffsetForEpoch(lastFetchedEpoch) !== null) return position;
  return { kind: "diverging", epoch: noEpoch, endOffset: log.startOffset };
}
