/**
 * ZooKeeper in the broker's terms. Two implementations: a session on a real server (`zookeeper-coordinator.ts`) and one in memory
 * (`memory-coordinator.ts`, for the simulator); one test suite runs on both. Paths are absolute and below the connection string's chroot.
 */
export interface Coordinator {
  /**
   * `connected`: requests are served. `suspended`: the link broke, the session may still be alive. `lost`: expired, or nothing was heard
   * for a whole session timeout (act as if expired). `closed`: by us, final.
   */
  readonly state: SessionState;
  /**
   * Rises by one with each session; 0 before the first. An answer that belongs to an earlier number says nothing about what this session
   * owns.
   */
  readonly sessionNumber: number;
  /**
   * Until when, in milliseconds on the monotonic clock, the session is *proved* to be alive: the send time of the last request that the
   * server answered, plus the session timeout. A leader past this stops acknowledging (I8).
   */
  readonly provedUntilMs: number;
  /**
   * Called at each change of state, in order. Returns the function to unsubscribe. A new session after `lost` arrives as `connected` with a
   * higher `sessionNumber`: ephemerals and watches of the old one are gone.
   */
  onState(listener: (state: SessionState, sessionNumber: number) => void): () => void;
  /** Resolves at the next (or current) `connected`. Rejects when `signal` aborts or the coordinator is closed. */
  connected(signal?: AbortSignal): Promise<void>;

  /** The znode's data and stat, or null if there is none. Rejects with CoordinatorUnavailable. A read may be stale. */
  read(path: string): Promise<Node | null>;
  /** Children's names, sorted; null if the znode is missing. Rejects with CoordinatorUnavailable. */
  children(path: string): Promise<ChildList | null>;
  /**
   * All or nothing. `conflict`: nothing was written; `failedIndex` and `reason` say which condition did not hold. `unknown`: the answer was
   * lost; read to find out.
   * Never retried inside. Never rejects.
   */
  write(operations: readonly WriteOperation[]): Promise<WriteResult>;
  /**
   * Creates missing persistent znodes from the root down to `path`, including those of the chroot; existing ones are fine. Only for a new
   * cluster: a znode that is missing later is lost, and must not be re-created silently. Rejects with CoordinatorUnavailable.
   */
  ensurePath(path: string): Promise<void>;

  /**
   * Watches a znode's data and existence (`node`) or its children's names (`children`) until the returned function is called. `changed` is
   * called after each change that was seen and at least once after each (re)connection, and may be called without a change: read then.
   * Re-armed automatically, in every later session too. Watch few paths, never one per partition.
   */
  watch(path: string, kind: "node" | "children", changed: () => void): () => void;

  /**
   * Ends the session (ephemerals are deleted at once) and settles every pending call. Resolves within a bound even if no server answers.
   */
  close(): Promise<void>;
}

export type SessionState = "connecting" | "connected" | "suspended" | "lost" | "closed";

export interface Node {
  readonly data: Buffer;
  /** Data version: rises by one with each write. */
  readonly version: number;
  /** Transaction that created the znode: a registration's broker epoch. Below 2^53. */
  readonly createdZxid: number;
  /** Transaction of the last change to its data. */
  readonly modifiedZxid: number;
  /** Session that owns an ephemeral znode, in hexadecimal; null for a persistent one. */
  readonly ephemeralOwner: string | null;
  readonly ownedByUs: boolean;
}

export interface ChildList {
  readonly names: readonly string[];
  /** Version of the child list. */
  readonly childVersion: number;
}

export type WriteOperation =
  | {
      readonly kind: "create";
      readonly path: string;
      readonly data: Buffer;
      readonly mode: "persistent" | "ephemeral" | "persistent-sequential";
    }
  /** `version`: the expected data version; -1 for any. */
  | { readonly kind: "set"; readonly path: string; readonly data: Buffer; readonly version: number }
  | { readonly kind: "delete"; readonly path: string; readonly version: number }
  /** Writes nothing; the transaction fails unless the znode's data version is `version`. */
  | { readonly kind: "check"; readonly path: string; readonly version: number };

export type WriteResult =
  | { readonly kind: "written"; readonly results: readonly WriteOperationResult[] }
  | { readonly kind: "conflict"; readonly failedIndex: number; readonly reason: ConflictReason }
  | { readonly kind: "unknown"; readonly error: Error };

export interface WriteOperationResult {
  /** The created path (with its sequence number), or the operation's own path. */
  readonly path: string;
  /** Data version after a `set`, 0 after a `create`, -1 otherwise. */
  readonly version: number;
}

/** `too-large`: more than fits into one packet (a little under 1 MiB over all operations); refused before it is sent. */
export type ConflictReason = "node-exists" | "no-node" | "bad-version" | "not-empty" | "no-parent" | "too-large" | "other";

/** No answer: not connected, the link broke with the call in flight, or the session ended. The message names the path and what to check. */
export class CoordinatorUnavailable extends Error {
  override readonly name = "CoordinatorUnavailable";
}
