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
