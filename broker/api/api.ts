import type { KafkaError } from "../../protocol/errors/kafka-errors.ts";
import type { ApiName, RequestOf, ResponseOf } from "../../protocol/messages/apis.ts";
import type { Message } from "../../protocol/schema/message.ts";
import { Reader } from "../../protocol/wire/reader.ts";
import { Writer, WrittenTooMuch } from "../../protocol/wire/writer.ts";
import type { RequestOrigin } from "../state-machine/contract.ts";
import { AnswerTooLarge, type RequestMeter } from "./request-meter.ts";

/** What a handler may know of a request's origin. */
export interface RequestContext {
  readonly apiVersion: number;
  readonly clientId: string | null;
  /** Listener that it arrived on: metadata responses give the addresses advertised for the same one. */
  readonly listener: string;
  /** `host:port` of the client. */
  readonly remote: string;
  /** One per connection, for state that lives as long as the connection. */
  readonly connectionId: number;
  /** Aborts when the connection is gone: nobody waits for the answer any more. */
  readonly signal: AbortSignal;
  /** The connection itself, as far as groups need it. */
  readonly origin: RequestOrigin;
  /** What this request costs, and may cost. */
  readonly meter: RequestMeter;
}

/** No request is held for longer, whatever its client allows: it is answered as if its time were over, and the client asks again. */
const waitMaxMs = 300_000;

/** How long a request may wait that says so itself. */
export function boundedWaitMs(timeoutMs: number): number {
  return Math.max(0, Math.min(timeoutMs, waitMaxMs));
}

/** A request kind: two schemas and one function. `null` is the protocol's own "no answer" (acks=0). */
export interface Api<Req, Res> {
  readonly request: Message<Req>;
  readonly response: Message<Res>;
  /** Only the controller may serve it: on other brokers the body is forwarded as it came. */
  readonly controllerOnly?: boolean;
  /** The response's size is bounded by settings of its own. */
  readonly boundsAnswer?: boolean;
  /** Everything up to the first `await` runs in the order in which a connection's requests arrived. */
  handle(request: Req, context: RequestContext): Promise<Res | null>;
}

/** An API that changes the cluster: only the controller may serve it, and any broker can answer that it could not reach the controller. */
export interface ControllerApi<Req, Res> extends Api<Req, Res> {
  readonly controllerOnly: true;
  /** Every item of the request refused for the same reason. */
  failed(request: Req, error: KafkaError, message: string): Res;
}

/** A handler for each of these APIs of the protocol's list: one that is missing, or that answers other messages, does not compile. */
export type ApisNamed<Name extends ApiName> = { readonly [N in Name]: Api<RequestOf<N>, ResponseOf<N>> };

/**
 * Rejection of `Endpoint.serve` (never a bug): there is no answer to send, and the client must learn of the failure by losing its
 * connection. Kafka's way to tell a producer with acks=0 that its metadata is stale.
 */
export class CloseConnection extends Error {
  override readonly name = "CloseConnection";
}

/**
 * Rejection of `Endpoint.serve`: the request was served, but the protocol cannot represent the answer. Answers contain what peers sent
 * (names, settings, records, numbers), so this is no bug in our own state: it costs this client its connection, and nobody else anything.
 */
export class UnencodableAnswer extends Error {
  override readonly name = "UnencodableAnswer";
}

/** What the dispatcher sees: bytes in, bytes out. */
export interface Endpoint {
  readonly apiKey: number;
  readonly name: string;
  /** First and last version served, both inclusive. */
  readonly versions: readonly [number, number];
  readonly controllerOnly: boolean;
  isFlexible(version: number): boolean;
  /**
   * The body without header; throws MalformedFrame in the same turn when it cannot be decoded. Resolves to the response's body without
   * header, or null: no answer. Rejects with CloseConnection, UnencodableAnswer, AnswerTooLarge, or with a bug.
   */
  serve(body: Buffer, context: RequestContext): Promise<Buffer[] | null>;
}

export function endpoint<Req, Res>(api: Api<Req, Res>): Endpoint {
  return {
    apiKey: api.request.apiKey,
    name: api.request.name.replace(/Request$/, ""),
    versions: api.request.versions,
    controllerOnly: api.controllerOnly ?? false,
    isFlexible: (version) => api.request.isFlexible(version),
    serve(body, context) {
      const { apiVersion, meter } = context;
      const request = readRequest(api, body, context);
      const answerMaxBytes = api.boundsAnswer ? undefined : meter.answerMaxBytes;
      // from here on only the handler refers to the request, whose bytes it may release before it answers
      return api.handle(request, context).then((response) => {
        return response === null ? null : encodeResponse(api, response, apiVersion, answerMaxBytes);
      });
    },
  };
}

/**
 * Elements of all lists of a request together: each costs memory and time of its own, however few bytes it has. Twice what a fetch session
 * may hold.
 */
const requestElementsMax = 200_000;
/** Approximate memory of one element once it is decoded, in bytes; the request's own overhead covers a few of them. */
const elementBytes = 100;
const countedElementsMin = 100;

/** Throws MalformedFrame. */
export function readRequest<Req>(
  api: { readonly request: Message<Req> },
  body: Buffer,
  { apiVersion, meter }: Pick<RequestContext, "apiVersion" | "meter">,
): Req {
  const reader = new Reader(body, 0, requestElementsMax);
  const request = api.request.read(reader, apiVersion);
  if (reader.elements >= countedElementsMin) meter.decoded(reader.elements * elementBytes);
  return request;
}

/** Throws UnencodableAnswer or AnswerTooLarge. */
export function encodeResponse<Req, Res>(api: Api<Req, Res>, response: Res, version: number, maxBytes?: number): Buffer[] {
  const writer = new Writer(undefined, maxBytes);
  try {
    api.response.write(writer, response, version);
  } catch (error) {
    if (error instanceof WrittenTooMuch) throw new AnswerTooLarge(error.message);
    const why = error instanceof Error ? error.message : String(error);
    throw new UnencodableAnswer(`the answer to ${api.request.name} v${version} cannot be encoded: ${why}`, { cause: error });
  }
  return writer.chunks();
}
