import type { Address } from "../../protocol/base/transport.ts";
import type { PeerKind, PeerRequest, PeerResponse } from "../../protocol/peer/messages.ts";

/**
 * How a broker sends requests to another. One link per peer and `lane`, opened when needed; requests of a lane are pipelined and answered
 * in order of completion.
 */
export interface PeerRequester {
  /**
   * Rejects with PeerUnavailable: not reachable, link lost, no answer within `timeoutMs`, or an answer of the wrong shape. Whether the
   * request was carried out is then unknown.
   */
  request<K extends PeerKind>(to: Address, kind: K, body: PeerRequest<K>, options: PeerCallOptions): Promise<PeerAnswer<K>>;
}

/** Ends links whose other end is silent: TCP itself takes minutes to give them up, and tries ever more rarely meanwhile. */
export interface SilentLinks {
  /** All links to that address but those of heartbeats; what waits for an answer on them is rejected, the next request connects anew. */
  giveUp(to: Address): void;
}

/** `figures`: what only fills in metrics. */
export type PeerLane = "control" | "replication" | "heartbeat" | "figures";

export interface PeerCallOptions {
  readonly timeoutMs: number;
  /** Sent after the body. */
  readonly payload?: readonly Buffer[];
  /** Calls in different lanes do not wait for each other's bytes: replication must not delay control requests. */
  readonly lane: PeerLane;
  readonly signal?: AbortSignal;
  /**
   * Called once the request is sent: from then on it may be carried out, whatever happens to the call. A call that failed before that has
   * not reached the peer.
   */
  readonly onSent?: () => void;
}

export interface PeerAnswer<K extends PeerKind> {
  readonly body: PeerResponse<K>;
  readonly payload: Buffer;
  /**
   * Nothing reads the payload any more: its memory is used again. At most once; for an answer whose payload is kept, or whose use did not
   * end well, never.
   */
  readonly release?: (() => void) | undefined;
}

/**
 * Why a request failed: nobody listens at that address; the link broke; or there is no answer (yet), for whatever reason.
 */
export type Unavailability = "refused" | "broken" | "unanswered";

export class PeerUnavailable extends Error {
  override readonly name = "PeerUnavailable";
  readonly why: Unavailability;

  constructor(message: string, why: Unavailability = "unanswered") {
    super(message);
    this.why = why;
  }
}

/** What all brokers of a cluster know and nobody else may: it is stored in the coordinator. */
export interface PeerSecret {
  readonly value: string;
  /**
   * Checks whether it was changed, after a proof that does not match. Resolves once that is known, or cannot be found out now. Reads only
   * now and then, however often it is called.
   */
  reread(): Promise<void>;
}

/** Serves one kind. A rejection closes the link it came on. `release`: called once nothing reads the payload any more. */
export type PeerHandler<K extends PeerKind> = (
  body: PeerRequest<K>,
  payload: Buffer,
  remote: string,
) => Promise<{ readonly body: PeerResponse<K>; readonly payload?: readonly Buffer[]; readonly release?: () => void }>;

export type PeerHandlers = { readonly [K in PeerKind]: PeerHandler<K> };
