import { type Address, formatAddress } from "../../protocol/base/transport.ts";
import type { PeerKind, PeerRequest } from "../../protocol/peer/messages.ts";
import {
  type PeerAnswer,
  type PeerCallOptions,
  type PeerLane,
  type PeerRequester,
  PeerUnavailable,
  type SilentLinks,
} from "../runtime/peer-port.ts";
import { type PeerClientLimits, type PeerClientParts, PeerLink } from "./peer-link.ts";

export const peerClientDefaults = {
  callsMax: 1000,
  unsentMaxBytes: 256 * 1024 * 1024,
  connectTimeoutMs: 5000,
} as const satisfies Omit<PeerClientLimits, "frameMaxBytes">;

/** Asks other brokers: one link per address and lane, opened by the first call and reopened by the first call after it broke. */
export class PeerClient implements PeerRequester, SilentLinks {
  readonly #parts: PeerClientParts;
  readonly #links = new Map<string, PeerLink>();
  #closed = false;

  constructor(parts: PeerClientParts) {
    this.#parts = parts;
  }

  get linkCount(): number {
    return this.#links.size;
  }

  request<K extends PeerKind>(to: Address, kind: K, body: PeerRequest<K>, options: PeerCallOptions): Promise<PeerAnswer<K>> {
    if (options.signal?.aborted) return Promise.reject(options.signal.reason);
    if (this.#closed) return Promise.reject(new PeerUnavailable("this broker is shutting down"));
    return this.#linkTo(to, options.lane).call(kind, body, options);
  }

  giveUp(to: Address): void {
    for (const lane of ["control", "replication", "figures"] as const) this.#links.get(keyOf(to, lane))?.close("it is silent");
  }

  /** Every call in flight is rejected with PeerUnavailable. */
  close(): void {
    this.#closed = true;
    for (const link of [...this.#links.values()]) link.close("this broker is shutting down");
  }

  #linkTo(to: Address, lane: PeerLane): PeerLink {
    const key = keyOf(to, lane);
    const known = this.#links.get(key);
    if (known !== undefined) return known;
    const link: PeerLink = new PeerLink(to, this.#parts, () => {
      if (this.#links.get(key) === link) this.#links.delete(key);
    });
    this.#links.set(key, link);
    link.open();
    return link;
  }
}

function keyOf(to: Address, lane: PeerLane): string {
  return `${lane} ${formatAddress(to)}`;
}
