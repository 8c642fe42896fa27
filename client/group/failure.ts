import { isRetriableFailure, KafkaProtocolError } from "../base/errors.ts";
import type { GroupFailure } from "./member-step.ts";

/**
 * An error as the state machines have it: the coordinator's code, or none came. What no coordinator can mend reads as UNKNOWN_SERVER_ERROR.
 */
export function failureOf(error: unknown): GroupFailure {
  if (error instanceof KafkaProtocolError) return error.code;
  return isRetriableFailure(error) ? "lost" : "UNKNOWN_SERVER_ERROR";
}
