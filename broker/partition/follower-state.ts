import type { BrokerId } from "../../protocol/base/ids.ts";
import { invariant } from "../../protocol/base/invariant.ts";
import type { KafkaErrorCode } from "../../protocol/errors/kafka-errors.ts";
import type { ReplicaFetchedPartition } from "../../protocol/peer/messages.ts";
import type { Log } from "../log/log-contract.ts";
import { noEpoch } from "./log-position.ts";

/** What a follower knows under one leader epoch. */
export interface FollowerState {
  readonly leader: BrokerId;
  readonly leaderEpoch: number;
  /** The last election took a leader from outside the in-sync set: what we know to be committed may be gone. */
  readonly leaderRecovering: boolean;
  /** Exclusive: everything below is known to be committed. */
  readonly highWatermark: number;
}

/** What the decisions need of the follower's own log. */
export type OwnLog = Pick<Log, "startOffset" | "endOffset" | "endOffsetForEpoch" | "damage">;

/** What to do with a fetch answer. */
export type FollowerStep =
  /** Append what came (it may be nothing), then adopt the leader's high watermark. */
  | { readonly kind: "append"; readonly leaderHighWatermark: number }
  | { readonly kind: "truncate"; readonly toOffset: number }
  /** The leader no longer has what comes after our end, or our log is damaged: start over where the leader's log begins. */
  | { readonly kind: "start-over"; readonly atOffset: number }
  | { readonly kind: "back-off"; readonly error: KafkaErrorCode }
  /** The leader's log contradicts what we know to be committed. Never obeyed; an operator must look into it. */
  | { readonly kind: "data-diverged"; readonly reason: string };

export function decide(state: FollowerState, log: OwnLog, answer: ReplicaFetchedPartition): FollowerStep {
  if (log.damage !== null) return copyAgain(answer);
  if (answer.error === "OFFSET_OUT_OF_RANGE") return outOfRange(state, log, answer);
  if (answer.error !== "NONE") return { kind: "back-off", error: answer.error };
  if (answer.diverging !== null) {
    if (isAllBelow(log, answer.diverging)) return { kind: "start-over", atOffset: log.endOffset };
    return truncation(state, log, truncationPoint(log, answer.diverging));
  }
  return { kind: "append", leaderHighWatermark: answer.highWatermark };
}

/** The high watermark after everything up to `ownEndOffset` is written here. It never retreats: a new leader may know less than we do. */
export function adoptHighWatermark(state: FollowerState, leaderHighWatermark: number, ownEndOffset: number): FollowerState {
  const highWatermark = Math.max(state.highWatermark, Math.min(leaderHighWatermark, ownEndOffset));
  invariant(highWatermark <= ownEndOffset, "a follower's high watermark is within its log", () => ({ state, ownEndOffset }));
  return highWatermark === state.highWatermark ? state : { ...state, highWatermark };
}

/** After the log was truncated to `endOffset` (or emptied, to begin there). Only an unclean election may take the high watermark back. */
export function afterTruncation(state: FollowerState, endOffset: number): FollowerState {
  const mayRetreat = state.leaderRecovering || endOffset >= state.highWatermark;
  invariant(mayRetreat, "what is committed is cut only after an unclean election (I4)", () => ({ state, endOffset }));
  return { ...state, highWatermark: Math.min(state.highWatermark, endOffset) };
}

/** After the log was emptied, to begin at `startOffset`: where committed records begin, as the leader says. */
export function afterStartingOver(state: FollowerState, startOffset: number): FollowerState {
  return { ...state, highWatermark: startOffset };
}

/**
 * The leader names the largest epoch it knows that is not above our last one, and its end there. If we know that epoch, both agree up to
 * the smaller of the two ends. If not, whatever we have above our own largest epoch below it is not the leader's; we cut that and ask again
 * (KIP-279). If we have nothing from that epoch or an earlier one, nothing of ours is the leader's.
 */
function truncationPoint(log: OwnLog, leaders: { readonly epoch: number; readonly endOffset: number }): number {
  // the leader's history begins after ours: from its log start on, nothing of ours is its own
  if (leaders.epoch === noEpoch) return leaders.endOffset;
  const ours = log.endOffsetForEpoch(leaders.epoch);
  if (ours === null) return log.startOffset;
  return ours.epoch === leaders.epoch ? Math.min(ours.endOffset, leaders.endOffset) : ours.endOffset;
}

/** The leader's log begins where ours ends, and its history after ours: see `followerPositionIn`. */
function isAllBelow({ startOffset, endOffset }: OwnLog, leaders: { readonly epoch: number; readonly endOffset: number }): boolean {
  return leaders.epoch === noEpoch && leaders.endOffset === endOffset && startOffset < endOffset;
}

/** The answer to a fetch from `nothingKept`: out of range, once the leader counts on nothing that we have. */
function copyAgain({ error, logStartOffset }: ReplicaFetchedPartition): FollowerStep {
  if (error === "OFFSET_OUT_OF_RANGE" && logStartOffset >= 0) return { kind: "start-over", atOffset: logStartOffset };
  return { kind: "back-off", error: error === "NONE" ? "UNKNOWN_SERVER_ERROR" : error };
}

function outOfRange(state: FollowerState, log: OwnLog, answer: ReplicaFetchedPartition): FollowerStep {
  if (log.endOffset < answer.logStartOffset) return { kind: "start-over", atOffset: answer.logStartOffset };
  // The leader gives its end instead of a divergence.
  if (answer.diverging !== null && answer.diverging.endOffset < log.endOffset) return truncation(state, log, answer.diverging.endOffset);
  return { kind: "back-off", error: answer.error };
}

function truncation(state: FollowerState, log: OwnLog, toOffset: number): FollowerStep {
  const { highWatermark, leader, leaderEpoch, leaderRecovering } = state;
  // Nothing to cut and yet no agreement: the leader's answer makes no sense. Asking again at once would spin.
  if (toOffset >= log.endOffset || toOffset < 0) return { kind: "back-off", error: "UNKNOWN_SERVER_ERROR" };
  if (toOffset < highWatermark && !leaderRecovering) {
    const reason = `leader ${leader} in epoch ${leaderEpoch} demands truncation to ${toOffset}, below the committed offset ${highWatermark}`;
    return { kind: "data-diverged", reason };
  }
  if (toOffset <= log.startOffset) return { kind: "start-over", atOffset: toOffset };
  return { kind: "truncate", toOffset };
}
