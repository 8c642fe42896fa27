import type { KafkaError } from "../../protocol/errors/kafka-errors.ts";
import { KafkaProtocolError, UnsupportedApi } from "../base/errors.ts";

/** Who refused: a partition's leader, or a coordinator. */
export type RefusedBy = "leader" | "coordinator";

/** Nothing more can be done under this id, whoever says so. */
const fatal: ReadonlySet<KafkaError> = new Set<KafkaError>([
  "PRODUCER_FENCED",
  "INVALID_PRODUCER_ID_MAPPING",
  "TRANSACTIONAL_ID_AUTHORIZATION_FAILED",
  "CLUSTER_AUTHORIZATION_FAILED",
  "UNSUPPORTED_VERSION",
  "UNSUPPORTED_FOR_MESSAGE_FORMAT",
]);

/**
 * Of a coordinator only. A leader that says INVALID_PRODUCER_EPOCH may mean a transaction that the coordinator has aborted meanwhile:
 * whether this producer is fenced is then for the coordinator to say, when the transaction is aborted there.
 */
const fatalFromCoordinator: ReadonlySet<KafkaError> = new Set<KafkaError>([
  "INVALID_PRODUCER_EPOCH",
  "INVALID_TXN_STATE",
  "INVALID_TRANSACTION_TIMEOUT",
]);

/** What a failure that is not tried again means: "fatal", the producer is over; "abortable", this transaction is. */
export function judgeFailure(error: unknown, by: RefusedBy): "fatal" | "abortable" {
  if (error instanceof UnsupportedApi) return "fatal";
  if (!(error instanceof KafkaProtocolError)) return "abortable";
  return fatal.has(error.code) || (by === "coordinator" && fatalFromCoordinator.has(error.code)) ? "fatal" : "abortable";
}

/** Answers that may be asked again, and that say that this request has not ended the transaction. */
const notDone: ReadonlySet<KafkaError> = new Set<KafkaError>(["CONCURRENT_TRANSACTIONS", "COORDINATOR_LOAD_IN_PROGRESS"]);

/** A request to end a transaction that has failed so may have been carried out, or may be yet. A refusal for good is the answer. */
export function mayBeDone(error: unknown): boolean {
  if (error instanceof UnsupportedApi) return false;
  if (!(error instanceof KafkaProtocolError)) return true;
  return error.retriable ? !notDone.has(error.code) : error.code === "UNKNOWN_SERVER_ERROR";
}
