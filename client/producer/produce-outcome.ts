import { isRetriable, type KafkaErrorCode } from "../../protocol/errors/kafka-errors.ts";
import { isRetriableFailure, KafkaProtocolError, RecordTooLarge } from "../base/errors.ts";
import type { Acknowledged } from "./producer-batch.ts";

/** How a broker, or the connection to it, answered for one batch. */
export type ProduceOutcome =
  | ({ readonly kind: "acknowledged" } & Acknowledged)
  | { readonly kind: "refused"; readonly code: Exclude<KafkaErrorCode, "NONE">; readonly detail: string | null }
  /** `wasSent` false: the request was never sent. */
  | { readonly kind: "failed"; readonly error: Error; readonly wasSent: boolean };

export interface BatchFacts {
  readonly topic: string;
  readonly partition: number;
  readonly recordsCount: number;
  readonly deadlineMs: number;
  /** An idempotent producer numbered it. */
  readonly isNumbered: boolean;
  /** In a transaction: what fails is not renumbered, the whole is aborted. */
  readonly isTransactional?: boolean;
  /** All that came before it is settled. */
  readonly isNext: boolean;
  /** Some attempt, this one included, may have left it in the log. */
  readonly mayBeInLog: boolean;
}

export type Verdict =
  | ({ readonly kind: "acknowledge" } & Acknowledged)
  /** `refreshMetadata`: the partition's leader may have changed. */
  | { readonly kind: "retry"; readonly error: Error; readonly refreshMetadata: boolean }
  | { readonly kind: "split" }
  /** Under another numbering it can be written, and not twice. */
  | { readonly kind: "renumber"; readonly error: Error }
  | { readonly kind: "time-out"; readonly error: Error }
  | { readonly kind: "fail"; readonly error: Error };

/** What happens to the batch. */
export function judge(outcome: ProduceOutcome, batch: BatchFacts, nowMs: number): Verdict {
  if (outcome.kind === "acknowledged") return { ...outcome, kind: "acknowledge" };
  // it is in the log, but so old that the broker does not remember its offset
  if (outcome.kind === "refused" && outcome.code === "DUPLICATE_SEQUENCE_NUMBER")
    return { kind: "acknowledge", baseOffset: -1, logAppendTimeMs: -1 };
  const where = `${batch.topic}-${batch.partition}`;
  if (outcome.kind === "refused" && (outcome.code === "MESSAGE_TOO_LARGE" || outcome.code === "RECORD_LIST_TOO_LARGE")) {
    if (batch.recordsCount > 1) return { kind: "split" };
    return { kind: "fail", error: new RecordTooLarge(`a record for ${where} is larger than the topic's max.message.bytes`) };
  }
  const error = outcome.kind === "failed" ? outcome.error : new KafkaProtocolError(outcome.code, `producing to ${where}`, outcome.detail);
  if (outcome.kind === "refused" && batch.isNumbered && outOfTurn.has(outcome.code)) {
    if (batch.isNext && (batch.mayBeInLog || batch.isTransactional)) return { kind: "fail", error };
    if (nowMs >= batch.deadlineMs) return { kind: "time-out", error };
    return batch.isNext ? { kind: "renumber", error } : { kind: "retry", error, refreshMetadata: false };
  }
  const retriable = outcome.kind === "failed" ? isRetriableFailure(outcome.error) : isRetriable(outcome.code);
  if (!retriable) return { kind: "fail", error };
  if (nowMs >= batch.deadlineMs) return { kind: "time-out", error };
  return { kind: "retry", error, refreshMetadata: outcome.kind === "failed" || !staysWithLeader.has(outcome.code) };
}

/** The leader is the right one; it just cannot write now. */
const staysWithLeader: ReadonlySet<KafkaErrorCode> = new Set<KafkaErrorCode>([
  "NOT_ENOUGH_REPLICAS",
  "NOT_ENOUGH_REPLICAS_AFTER_APPEND",
  "REQUEST_TIMED_OUT",
  "CORRUPT_MESSAGE",
  "THROTTLING_QUOTA_EXCEEDED",
  "CONCURRENT_TRANSACTIONS",
]);

/** Something before the batch is missing in the leader's log, or the leader has forgotten the producer. */
const outOfTurn: ReadonlySet<KafkaErrorCode> = new Set<KafkaErrorCode>(["OUT_OF_ORDER_SEQUENCE_NUMBER", "UNKNOWN_PRODUCER_ID"]);

export function isOutOfTurn(outcome: ProduceOutcome): boolean {
  return outcome.kind === "refused" && outOfTurn.has(outcome.code);
}

/** Nothing more is accepted from the producer under this id and epoch. */
const fencing: ReadonlySet<KafkaErrorCode> = new Set<KafkaErrorCode>([
  "INVALID_PRODUCER_EPOCH",
  "PRODUCER_FENCED",
  "INVALID_PRODUCER_ID_MAPPING",
]);

export function isFencing(outcome: ProduceOutcome): boolean {
  return outcome.kind === "refused" && fencing.has(outcome.code);
}

/**
 * After this answer the log does not have the batch from this attempt. Others, NOT_LEADER_OR_FOLLOWER for one, can come after it was
 * written.
 */
const notWritten: ReadonlySet<KafkaErrorCode> = new Set<KafkaErrorCode>([
  ...outOfTurn,
  ...fencing,
  "NOT_ENOUGH_REPLICAS",
  "MESSAGE_TOO_LARGE",
  "RECORD_LIST_TOO_LARGE",
  "CORRUPT_MESSAGE",
  "INVALID_RECORD",
  "INVALID_TIMESTAMP",
  "INVALID_TOPIC_EXCEPTION",
  "INVALID_REQUIRED_ACKS",
  "TOPIC_AUTHORIZATION_FAILED",
  "CLUSTER_AUTHORIZATION_FAILED",
  "UNSUPPORTED_COMPRESSION_TYPE",
  "UNSUPPORTED_FOR_MESSAGE_FORMAT",
  "THROTTLING_QUOTA_EXCEEDED",
  "CONCURRENT_TRANSACTIONS",
  "TRANSACTION_ABORTABLE",
  "INVALID_TXN_STATE",
]);

/** The attempt may have left the batch in the log, or may do so later. */
export function mayHaveWritten(outcome: ProduceOutcome): boolean {
  if (outcome.kind === "failed") return outcome.wasSent;
  return outcome.kind === "refused" && !notWritten.has(outcome.code);
}
