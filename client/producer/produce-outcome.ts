import { isRetriable, type KafkaErrorCode } from "../../protocol/errors/kafka-errors.ts";
import { isRetriableFailure, KafkaProtocolError, RecordTooLarge } from "../errors.ts";
import type { Acknowledged } from "./producer-batch.ts";

/** How a broker, or the way to it, answered for one batch. */
export type ProduceOutcome =
  | ({ readonly kind: "acknowledged" } & Acknowledged)
  | { readonly kind: "refused"; readonly code: Exclude<KafkaErrorCode, "NONE">; readonly detail: string | null }
  | { readonly kind: "failed"; readonly error: Error };

export interface BatchFacts {
  readonly topic: string;
  readonly partition: number;
  readonly recordsCount: number;
  readonly deadlineMs: number;
}

export type Verdict =
  | ({ readonly kind: "acknowledge" } & Acknowledged)
  /** `refreshMetadata`: whoever led the partition may not any more. */
  | { readonly kind: "retry"; readonly error: Error; readonly refreshMetadata: boolean }
  | { readonly kind: "split" }
  | { readonly kind: "time-out"; readonly error: Error }
  | { readonly kind: "fail"; readonly error: Error };

/** What becomes of the batch. */
export function judge(outcome: ProduceOutcome, batch: BatchFacts, nowMs: number): Verdict {
  if (outcome.kind === "acknowledged") return { ...outcome, kind: "acknowledge" };
  const where = `${batch.topic}-${batch.partition}`;
  if (outcome.kind === "refused" && (outcome.code === "MESSAGE_TOO_LARGE" || outcome.code === "RECORD_LIST_TOO_LARGE")) {
    if (batch.recordsCount > 1) return { kind: "split" };
    return { kind: "fail", error: new RecordTooLarge(`a record for ${where} is larger than the topic's max.message.bytes`) };
  }
  const error = outcome.kind === "failed" ? outcome.error : new KafkaProtocolError(outcome.code, `producing to ${where}`, outcome.detail);
  const retriable = outcome.kind === "failed" ? isRetriableFailure(outcome.error) : isRetriable(outcome.code);
  if (!retriable) return { kind: "fail", error };
  if (nowMs >= batch.deadlineMs) return { kind: "time-out", error };
  return { kind: "retry", error, refreshMetadata: outcome.kind === "failed" || !staysWithLeader.has(outcome.code) };
}

/** The leader is the right one; it only cannot do it now. */
const staysWithLeader: ReadonlySet<KafkaErrorCode> = new Set<KafkaErrorCode>([
  "NOT_ENOUGH_REPLICAS",
  "NOT_ENOUGH_REPLICAS_AFTER_APPEND",
  "REQUEST_TIMED_OUT",
  "CORRUPT_MESSAGE",
  "THROTTLING_QUOTA_EXCEEDED",
]);
