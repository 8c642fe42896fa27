import type { Logger } from "../../protocol/base/logger.ts";
import { MalformedFrame } from "../../protocol/wire/reader.ts";
import { CloseConnection } from "../api/api.ts";
import { AnswerTooLarge } from "../api/request-meter.ts";
import { FailedRequest, RefusedRequest } from "./dispatcher.ts";

/** The log line for a client connection that is closed for an error: whose fault it was decides its level. */
export function tellWhyClosed(log: Logger, where: { readonly remote: string; readonly listener: string }, error: unknown): void {
  if (error instanceof MalformedFrame || error instanceof RefusedRequest)
    log.warn({ ...where, reason: error.message }, "client connection closed: bad request");
  else if (error instanceof FailedRequest && error.cause instanceof CloseConnection)
    log.warn(
      { ...where, reason: error.cause.message },
      "client connection closed: there is no answer that could say that the request failed",
    );
  else if (error instanceof FailedRequest && error.cause instanceof AnswerTooLarge)
    log.warn(
      { ...where, reason: error.message, answer: error.cause.message },
      "client connection closed: the answer would be too large; it should ask for less at a time",
    );
  else if (error instanceof FailedRequest)
    log.error({ ...where, reason: error.message, err: error.cause }, "client connection closed: a request failed");
  else log.error({ ...where, err: error }, "client connection closed: a request failed");
}
