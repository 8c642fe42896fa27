import type { ChildList, Node, WriteOperation, WriteResult } from "../coordinator.ts";

/**
 * What a session needs from below: one ZooKeeper session's way to the servers. Two exist: node-zookeeper-client on real sockets, and the
 * in-memory ensemble.
 * A wire finds a server, opens the session, and finds another server when the link breaks; it never opens a second session. Paths are the
 * server's (chroot included).
 */
export interface SessionWire {
  /** Begins to connect. Called once. */
  start(): void;
  /**
   * Sends a request; only between `linkUp` and `linkDown`. `answered` is called at most once, in order of sending, and never after
   * `linkDown` or `kill`.
   */
  send(request: WireRequest, answered: (answer: WireAnswer) => void): void;
  /**
   * Gives the current link or attempt up at once; `linkDown` follows if it was up. Nothing sent and unanswered may still reach the server
   * later.
   */
  dropLink(reason: string): void;
  /** Asks the server to end the session; `done` when it has answered. Only while the link is up. */
  endSession(done: () => void): void;
  /** Dead for good: the socket is gone, nothing is sent, no handler is called again. */
  kill(): void;
}

export interface WireHandlers {
  linkUp(session: WireSession): void;
  /** The link broke or was dropped. The wire tries to connect again by itself. */
  linkDown(reason: string): void;
  /** A server said that the session is over. */
  expired(): void;
  /** Something whole arrived. */
  heard(): void;
}

export interface WireSession {
  /** In hexadecimal. */
  readonly id: string;
  /** As the server granted it. Milliseconds. */
  readonly timeoutMs: number;
  /** When this link's first bytes were sent, or earlier, on the monotonic clock: the session lives at least `timeoutMs` from there. */
  readonly sentMs: number;
}

export type WireFactory = (handlers: WireHandlers) => SessionWire;

export type WireRequest =
  /** `watch` is called once when the node is created, changed or deleted. */
  | { readonly kind: "exists"; readonly path: string; readonly watch: (() => void) | null }
  | { readonly kind: "read"; readonly path: string }
  /** `watch` is called once when a child comes or goes or the node is deleted; it is not armed when the node is missing. */
  | { readonly kind: "children"; readonly path: string; readonly watch: (() => void) | null }
  | { readonly kind: "write"; readonly operations: readonly WriteOperation[] };

export type WireNode = Omit<Node, "ownedByUs">;

export type WireAnswer =
  /** To `exists` (data is empty) and `read`. */
  | { readonly kind: "node"; readonly node: WireNode | null }
  | { readonly kind: "children"; readonly list: ChildList | null }
  | { readonly kind: "write"; readonly result: WriteResult }
  /** The server refused, or what it said makes no sense. */
  | { readonly kind: "failed"; readonly error: Error };
