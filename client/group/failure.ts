import type { KafkaError } from "../../protocol/errors/kafka-errors.ts";
import { isRetriableFailure, KafkaProtocolError } from "../base/errors.ts";
import type { GroupFailure } from "./member-step.ts";

/**
 * An error in the form of the state machines: the coordinator's code, or that no answer came. What no coordinator can fix is
 * UNKNOWN_SERVER_ERROR.
 */
export function failureOf(error: unknown): GroupFailure {
  if (error instanceof KafkaProtocolError) return error.code;
  return isRetriableFailure(error) ? "lost" : "UNKNOWN_SERVER_ERROR";
}

const ofCoordinator: ReadonlySet<string> = new Set<GroupFailure>([
  "lost",
  "NOT_COORDINATOR",
  "COORDINATOR_NOT_AVAILABLE",
  "COORDINATOR_LOAD_IN_PROGRESS",
  "REQUEST_TIMED_OUT",
]);

/** The group waits for its coordinator; other failures are how the protocol tells members what to do next. */
export function isOfCoordinator(failure: GroupFailure | "NONE"): boolean {
  return ofCoordinator.has(failure);
}

/** Refusals of a commit that may succeed in another attempt, as the member that we are by then. */
export const refusalsOfMember: ReadonlySet<KafkaError> = new Set<KafkaError>([
  "REBALANCE_IN_PROGRESS",
  "ILLEGAL_GENERATION",
  "UNKNOWN_MEMBER_ID",
  "STALE_MEMBER_EPOCH",
  "FENCED_MEMBER_EPOCH",
]);
