import { InvariantViolation } from "../../protocol/base/invariant.ts";
import { apiVersionsResponse } from "../../protocol/messages/api-versions.ts";
import {
  apiVersionsKey,
  type RequestStart,
  readRequestHeaderRest,
  readRequestStart,
  writeResponseHeader,
} from "../../protocol/messages/headers.ts";
import { beginFrame, endFrame } from "../../protocol/wire/frame-writer.ts";
import { Reader } from "../../protocol/wire/reader.ts";
import { Writer } from "../../protocol/wire/writer.ts";
import type { Endpoint, RequestContext } from "../api/api.ts";
import { claimedVersions } from "../api/api-versions.ts";
import type { RequestMeter } from "../api/request-meter.ts";

export type ConnectionContext = Pick<RequestContext, "listener" | "remote" | "connectionId" | "signal" | "origin">;

/** Well-formed, but not served: its connection is of no further use, because the answer's format is not known. */
export class RefusedRequest extends Error {
  override readonly name = "RefusedRequest";
}

/** A handler failed: there is no answer. `cause` says why. */
export class FailedRequest extends Error {
  override readonly name = "FailedRequest";
}

/** From a request's bytes to its answer's bytes, both without the length prefix. Holds nothing between requests. */
export class Dispatcher {
  readonly #endpoints: ReadonlyMap<number, Endpoint>;

  constructor(endpoints: readonly Endpoint[]) {
    this.#endpoints = new Map(endpoints.map((endpoint) => [endpoint.apiKey, endpoint]));
  }

  /**
   * Starts the request in this turn. Throws MalformedFrame or RefusedRequest; rejects with FailedRequest, or with InvariantViolation as it
   * came.
   * Null: the protocol has no answer for it.
   */
  dispatch(frame: Buffer, connection: ConnectionContext, meter: RequestMeter): Promise<readonly Buffer[] | null> {
    const reader = new Reader(frame);
    const start = readRequestStart(reader);
    const endpoint = this.#endpoints.get(start.apiKey);
    if (endpoint === undefined) throw new RefusedRequest(`unknown API key ${start.apiKey} (version ${start.apiVersion})`);
    const [first, last] = endpoint.versions;
    if (start.apiVersion < first || start.apiVersion > last) return Promise.resolve(this.#unsupported(endpoint, start));
    const flexible = endpoint.isFlexible(start.apiVersion);
    const { clientId } = readRequestHeaderRest(reader, flexible);
    const context: RequestContext = { ...connection, apiVersion: start.apiVersion, clientId, meter };
    return endpoint.serve(frame.subarray(reader.position), context).then(
      (body) => (body === null ? null : answer(start, flexible, body)),
      (error: unknown) => {
        if (error instanceof InvariantViolation) throw error;
        throw new FailedRequest(`${endpoint.name} v${start.apiVersion} failed`, { cause: error });
      },
    );
  }

  /** A client learns from ApiVersions what we support, so that request is answered in the version that every client reads (KIP-511). */
  #unsupported(endpoint: Endpoint, start: RequestStart): readonly Buffer[] {
    const [first, last] = endpoint.versions;
    if (start.apiKey !== apiVersionsKey)
      throw new RefusedRequest(`${endpoint.name} v${start.apiVersion} is not supported, only v${first} to v${last}`);
    const writer = new Writer();
    const apiKeys = claimedVersions(this.#endpoints.values());
    const nothingElse = {
      throttleTimeMs: 0,
      supportedFeatures: [],
      finalizedFeaturesEpoch: -1,
      finalizedFeatures: [],
      zkMigrationReady: false,
    };
    apiVersionsResponse.write(writer, { errorCode: "UNSUPPORTED_VERSION", apiKeys, ...nothingElse }, 0);
    return answer(start, false, writer.chunks());
  }
}

/** Length, header, body. */
function answer(start: RequestStart, flexible: boolean, body: readonly Buffer[]): readonly Buffer[] {
  const header = beginFrame(16);
  writeResponseHeader(header, start.apiKey, start.correlationId, flexible);
  return endFrame(header, body);
}
