import type { ChildList, Node, WriteOperation, WriteResult } from "../coordinator.ts";

/**
 * What a session needs from the layer below: one ZooKeeper session's connection to the servers. There are two implementations:
 * node-zookeeper-client on real sockets, and the in-memory ensemble.
 * A wire finds a server, opens the session, and finds another server when the link breaks; it never opens a second session. Paths are the
 * server's (chroot included).
 */
export interface SessionWire {
  /** Starts to connect. Called once. */
  start(): void;
  /**
   * Sends a request; only between `linkUp` and `linkDown`. `answered` is called at most once, in order of sending, and never after
   * `linkDown` or `kill`.
   */
  send(request: WireRequest, answered: (answer: WireAnswer) => void): void;
  /**
   * Drops the current link or attempt at once; `linkDown` follows if it was up. What was sent and not answered must not reach the server
   * later.
   */
  dropLink(reason: string): void;
  /** Asks the server to end the session; `done` is called when it has answered. Only while the link is up. */
  endSession(done: () => void): void;
  /** Final: the socket is closed, nothing is sent, no handler is called again. */
  kill(): void;
}

export interface WireHandlers {
  linkUp(session: WireSession): void;
  /** The link broke or was dropped. The wire reconnects by itself. */
  linkDown(reason: string): void;
  /** A server said that the session is over. */
  expired(): void;
  /** A whole packet or message arrived. */
  heard(): void;
}

export interface WireSession {
  /** In hexadecimal. */
  readonly id: string;
  /** As the server granted it. Milliseconds. */
  readonly timeoutMs: number;
  /** When this link's first bytes were sent, or earlier, on the monotonic clock: the session lives at least `timeoutMs` from then on. */
  readonly sentMs: number;
}

export type WireFactory = (handlers: WireHandlers) => SessionWire;

export type WireRequest =
  /** `watch` is called once when the node is created, changed or deleted. */
  | { readonly kind: "exists"; readonly path: string; readonly watch: (() => void) | null }
  | { readonly kind: "read"; readonly path: string }
  /** `watch` is called once when a child is created or deleted or the znode is deleted; it is not armed if the znode is missing. */
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
