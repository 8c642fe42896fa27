import type { Message } from "../../protocol/schema/message.ts";
import { Reader } from "../../protocol/wire/reader.ts";
import { Writer } from "../../protocol/wire/writer.ts";

/** What a handler may know of where a request came from. */
export interface RequestContext {
  readonly apiVersion: number;
  readonly clientId: string | null;
  /** Listener it arrived on: metadata answers give the addresses advertised for the same one. */
  readonly listener: string;
  /** `host:port` of the client. */
  readonly remote: string;
  /** One per connection, for state that lives as long as it. */
  readonly connectionId: number;
  /** Aborts when the connection is gone: nobody is waiting any more. */
  readonly signal: AbortSignal;
}

/** A request kind: two schemas and one function. `null` is the protocol's own "no answer" (acks=0). */
export interface Api<Req, Res> {
  readonly request: Message<Req>;
  readonly response: Message<Res>;
  /** Only the controller may serve it: elsewhere the body is forwarded as it came. */
  readonly controllerOnly?: boolean;
  /** Everything up to the first `await` runs in the order in which a connection's requests arrived. */
  handle(request: Req, context: RequestContext): Promise<Res | null>;
}

/** What the dispatcher sees: bytes in, bytes out. */
export interface Endpoint {
  readonly apiKey: number;
  readonly name: string;
  /** First and last version served, both included. */
  readonly versions: readonly [number, number];
  readonly controllerOnly: boolean;
  isFlexible(version: number): boolean;
  /** The body without header; throws MalformedFrame in the same turn when it cannot be read. */
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
      const request = api.request.read(new Reader(body), context.apiVersion);
      return api.handle(request, context).then((response) => {
        if (response === null) return null;
        const writer = new Writer();
        api.response.write(writer, response, context.apiVersion);
        return writer.chunks();
      });
    },
  };
}
