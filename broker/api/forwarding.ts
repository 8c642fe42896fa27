import { type Clock, sleep } from "../../protocol/base/clock.ts";
import type { Random } from "../../protocol/base/random.ts";
import type { KafkaError } from "../../protocol/errors/kafka-errors.ts";
import type { ImageSource } from "../cluster/contract.ts";
import type { ControllerService } from "../controller/contract.ts";
import { type PeerRequester, PeerUnavailable } from "../runtime/peer-port.ts";
import { type ControllerApi, type Endpoint, encodeResponse, endpoint, type RequestContext, readRequest } from "./api.ts";

export interface ForwardingParts {
  readonly controller: Pick<ControllerService, "isController">;
  readonly images: ImageSource;
  readonly peers: PeerRequester;
  readonly clock: Clock;
  readonly random: Random;
  /** The time to find and wait for a controller, all attempts together, in milliseconds. */
  readonly timeoutMs: number;
}

const pauseMinMs = 50;
const pauseMaxMs = 1000;

/**
 * An endpoint that serves where this broker is the controller and forwards the body as it came where it is not. While no controller can be
 * reached, or the broker that was asked says that it is not the controller, it retries whenever the metadata names another one, and at
 * growing intervals otherwise; an attempt is cancelled as soon as its controller was replaced.
 *
 * A request that was sent and not answered is never resent from here: it may have been carried out, and it may be what crashed the
 * controller, which must not happen to the next one. Its client gets REQUEST_TIMED_OUT, which clients know as "perhaps done, try again":
 * they leave it to their caller. NOT_CONTROLLER would make them retry by themselves.
 */
export function forwarding<Req, Res>(api: ControllerApi<Req, Res>, parts: ForwardingParts): Endpoint {
  const local = endpoint(api);
  return {
    ...local,
    serve(body, context) {
      if (parts.controller.isController) return local.serve(body, context);
      const request = readRequest(api, body, context); // a malformed body is refused here and never forwarded
      return forward(local.apiKey, body, context, parts).then((result) => {
        if (result.kind === "answered") return [result.body];
        if (result.kind === "serve-here") return local.serve(body, context);
        return encodeResponse(api, api.failed(request, result.error, result.message), context.apiVersion, context.meter.answerMaxBytes);
      });
    },
  };
}

type Forwarded =
  | { readonly kind: "answered"; readonly body: Buffer }
  /** This broker became the controller meanwhile. */
  | { readonly kind: "serve-here" }
  | Failed;

interface Failed {
  readonly kind: "failed";
  /** A controller may have started it. */
  readonly wasSent: boolean;
  readonly error: KafkaError;
  readonly message: string;
}

async function forward(apiKey: number, body: Buffer, context: RequestContext, parts: ForwardingParts): Promise<Forwarded> {
  const { clock, controller, random } = parts;
  const deadlineMs = clock.monotonicMs() + parts.timeoutMs;
  for (let pauseMs = pauseMinMs; ; pauseMs = Math.min(pauseMs * 2, pauseMaxMs)) {
    if (controller.isController) return { kind: "serve-here" };
    const epochTried = parts.images.current.controllerEpoch;
    const result = await attempt(apiKey, body, context, parts, deadlineMs - clock.monotonicMs());
    const isFinal = result.kind !== "failed" || result.wasSent;
    const remainingMs = deadlineMs - clock.monotonicMs();
    if (isFinal || remainingMs <= 0 || context.signal.aborted) return result;
    const whileUnchanged = replacementSignal(parts.images, epochTried, context.signal);
    const waitMs = Math.min(remainingMs, pauseMs * (0.5 + random.next()));
    await sleep(clock, waitMs, whileUnchanged.signal).catch(() => undefined); // woken early by a new controller
    whileUnchanged.release();
  }
}

/** One request to the controller that the metadata names now. */
async function attempt(
  apiKey: number,
  body: Buffer,
  { apiVersion, clientId, listener, signal }: RequestContext,
  { images, peers }: ForwardingParts,
  timeoutMs: number,
): Promise<Forwarded> {
  const { controllerId, controllerEpoch, brokers } = images.current;
  const address = brokers.get(controllerId)?.peer;
  if (address === undefined) return { kind: "failed", error: "NOT_CONTROLLER", message: "no controller is known", wasSent: false };
  let wasSent = false;
  const onSent = () => {
    wasSent = true;
  };
  const whileInOffice = replacementSignal(images, controllerEpoch, signal);
  try {
    const answer = await peers.request(
      address,
      "forward",
      { apiKey, apiVersion, clientId, listener },
      { timeoutMs: Math.max(1, timeoutMs), payload: [body], lane: "control", signal: whileInOffice.signal, onSent },
    );
    const { error, message } = answer.body;
    // the previous controller has done nothing about it
    return error === "NONE"
      ? { kind: "answered", body: answer.payload }
      : { kind: "failed", error, message, wasSent: error !== "NOT_CONTROLLER" };
  } catch (error) {
    if (!(error instanceof PeerUnavailable) && !whileInOffice.signal.aborted) throw error;
    const message = wasSent
      ? `The controller, broker ${controllerId}, was asked and did not answer: it ended, was replaced, or took too long. Look whether it was done before you try again.`
      : `The controller, broker ${controllerId}, cannot be reached.`;
    return { kind: "failed", error: "REQUEST_TIMED_OUT", message, wasSent };
  } finally {
    whileInOffice.release();
  }
}

/** Aborts when the controller of that epoch was replaced, or with `outer`. Must be released in any case. */
function replacementSignal(images: ImageSource, epoch: number, outer: AbortSignal): { readonly signal: AbortSignal; release(): void } {
  const stop = new AbortController();
  const abort = () => stop.abort();
  const unsubscribe = images.onChange((image) => {
    if (image.controllerEpoch !== epoch) abort();
  });
  outer.addEventListener("abort", abort, { once: true });
  if (outer.aborted || images.current.controllerEpoch !== epoch) abort();
  return {
    signal: stop.signal,
    release() {
      unsubscribe();
      outer.removeEventListener("abort", abort);
    },
  };
}
