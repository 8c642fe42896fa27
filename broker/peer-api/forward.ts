import { InvariantViolation } from "../../protocol/base/invariant.ts";
import type { Logger } from "../../protocol/base/logger.ts";
import type { KafkaError } from "../../protocol/errors/kafka-errors.ts";
import { printable } from "../../protocol/wire/printable.ts";
import { MalformedFrame } from "../../protocol/wire/reader.ts";
import type { Endpoint } from "../api/api.ts";
import { AnswerTooLarge, uncounted } from "../api/request-meter.ts";
import type { ControllerService } from "../controller/controller-service.ts";
import type { PeerHandler } from "../runtime/peer-port.ts";

/**
 * Serves what other brokers' clients requested of the controller. Only endpoints marked `controllerOnly`, and only while this broker is the
 * controller (NOT_CONTROLLER otherwise, so that the sender asks the next one). `endpoints` are those that serve here, not those that
 * forward: a request is forwarded once at most.
 */
export function forwardHandler(
  endpoints: readonly Endpoint[],
  controller: Pick<ControllerService, "isController">,
  log: Logger,
): PeerHandler<"forward"> {
  const byKey = new Map(endpoints.filter(({ controllerOnly }) => controllerOnly).map((one) => [one.apiKey, one]));
  return async ({ apiKey, apiVersion, clientId, listener }, payload, remote) => {
    const endpoint = byKey.get(apiKey);
    if (endpoint === undefined) return refuse("INVALID_REQUEST", `API ${apiKey} is not the controller's alone`);
    const [first, last] = endpoint.versions;
    if (apiVersion < first || apiVersion > last)
      return refuse("UNSUPPORTED_VERSION", `${endpoint.name} ${apiVersion}, served are ${first} to ${last}`);
    if (!controller.isController) return refuse("NOT_CONTROLLER", "this broker is not the controller");
    const context = { ...forwarded, apiVersion, clientId, listener, remote };
    try {
      const answer = await endpoint.serve(payload, context);
      return answer === null ? refuse("UNKNOWN_SERVER_ERROR", "no answer") : { body: { error: "NONE", message: "" }, payload: answer };
    } catch (error) {
      if (error instanceof MalformedFrame) return refuse("INVALID_REQUEST", error.message);
      if (error instanceof AnswerTooLarge) return refuse("POLICY_VIOLATION", `The answer would be too large: ${error.message}.`);
      if (error instanceof InvariantViolation) throw error;
      // answered, so that the link stays open: it carries the requests of other clients, too
      log.error({ remote, api: endpoint.name, apiVersion, clientId, err: error }, "a request that another broker passed on failed");
      return refuse("UNKNOWN_SERVER_ERROR", `the controller failed at this request: ${messageOf(error)}`);
    }
  };
}

/**
 * Forwarded requests share no connection with their client; nothing that is kept per connection concerns them. A change that was started
 * for another broker's client is finished, whether or not that client still waits.
 */
const forwarded = {
  connectionId: -1,
  signal: new AbortController().signal,
  origin: { acceptedMs: Number.POSITIVE_INFINITY, retire: () => {} },
  meter: uncounted,
};

function refuse(error: KafkaError, message: string) {
  return { body: { error, message: printable(message) } };
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
