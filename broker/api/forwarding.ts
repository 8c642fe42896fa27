import { type Clock, sleep } from "../../protocol/base/clock.ts";
import type { Random } from "../../protocol/base/random.ts";
import type { KafkaError } from "../../protocol/errors/kafka-errors.ts";
import type { ImageSource } from "../cluster/cluster-image.ts";
import type { ControllerService } from "../controller/controller-service.ts";
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

export type Forwarded =
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

/** What of its context a request needs that is passed on. */
type ForwardContext = Pick<RequestContext, "apiVersion" | "clientId" | "listener" | "signal">;

/**
 * Passes requests on to the controller, as bytes. While no controller can be reached, or the one that was asked says that it is none, it
 * asks again whenever the metadata names another one, and at growing intervals otherwise; an attempt ends as soon as its controller was
 * replaced.
 *
 * A request that was sent and not answered is never sent again from here: it may have been carried out, and it may be what ended the
 * controller, which the next one should not have to find out. Its client gets REQUEST_TIMED_OUT, which clients know as "perhaps done, try
 * again": they leave it to their caller. NOT_CONTROLLER would make them repeat it by themselves.
 */
export class Forwarder {
  readonly #parts: ForwardingParts;

  constructor(parts: ForwardingParts) {
    this.#parts = parts;
  }

  /** This broker is the controller. */
  get servesHere(): boolean {
    return this.#parts.controller.isController;
  }

  async forward(apiKey: number, body: Buffer, context: ForwardContext): Promise<Forwarded> {
    const { clock, random, images, timeoutMs } = this.#parts;
    const deadlineMs = clock.monotonicMs() + timeoutMs;
    for (let pauseMs = pauseMinMs; ; pauseMs = Math.min(pauseMs * 2, pauseMaxMs)) {
      if (this.servesHere) return { kind: "serve-here" };
      const epochTried = images.current.controllerEpoch;
      const result = await this.#attempt(apiKey, body, context, deadlineMs - clock.monotonicMs());
      const isFinal = result.kind !== "failed" || result.wasSent;
      const remainingMs = deadlineMs - clock.monotonicMs();
      if (isFinal || remainingMs <= 0 || context.signal.aborted) return result;
      const whileUnchanged = replacementSignal(images, epochTried, context.signal);
      const waitMs = Math.min(remainingMs, pauseMs * (0.5 + random.next()));
      await sleep(clock, waitMs, whileUnchanged.signal).catch(() => undefined); // woken early by a new controller
      whileUnchanged.release();
    }
  }

  /** One request to the controller that the metadata names now. */
  async #attempt(
    apiKey: number,
    body: Buffer,
    { apiVersion, clientId, listener, signal }: ForwardContext,
    timeoutMs: number,
  ): Promise<Forwarded> {
    const { images, peers } = this.#parts;
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
      // the controller of before has done nothing about it
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
}

/** An endpoint that serves where this broker is the controller and passes the body on, as it came, where it is not. */
export function forwarding<Req, Res>(api: ControllerApi<Req, Res>, forwarder: Forwarder): Endpoint {
  const local = endpoint(api);
  return {
    ...local,
    serve(body, context) {
      if (forwarder.servesHere) return local.serve(body, context);
      const request = readRequest(api, body, context); // a malformed body is refused here, it is never passed on
      return forwarder.forward(local.apiKey, body, context).then((result) => {
        if (result.kind === "answered") return [result.body];
        if (result.kind === "serve-here") return local.serve(body, context);
        return encodeResponse(api, api.failed(request, result.error, result.message), context.apiVersion, context.meter.answerMaxBytes);
      });
    },
  };
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
