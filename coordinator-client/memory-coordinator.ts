import type { Clock } from "../protocol/base/clock.ts";
import type { Logger } from "../protocol/base/logger.ts";
import type { MemoryConnection } from "./memory/connection.ts";
import { type EnsembleOptions, type EnsembleState, emptyEnsembleState, MemoryServer } from "./memory/ensemble.ts";
import { type ClientNetwork, MemoryWire } from "./memory/memory-wire.ts";
import type { MemoryTree } from "./memory/tree.ts";
import { SessionCoordinator } from "./session/session-coordinator.ts";

/**
 * ZooKeeper in memory, for the simulator and for unit tests: sessions, ephemerals, watches, transactions, on an injected clock. The sessions on it
 * (`MemoryCoordinator`) run the same code as those on a real server, down to where bytes begin. Deterministic: all time comes from the clock, all latency from `latencyMs`.
 */
export class MemoryEnsemble {
  readonly #clock: Clock;
  readonly #server: MemoryServer;
  readonly #latencyMs: () => number;

  constructor(options: EnsembleOptions & { readonly latencyMs?: () => number }) {
    this.#clock = options.clock;
    this.#server = new MemoryServer(options);
    this.#latencyMs = options.latencyMs ?? (() => 1);
  }

  /** What is stored now, for checkers. Do not write through it. */
  get tree(): Pick<MemoryTree, "read" | "children" | "paths"> {
    return this.#server.tree;
  }

  /** Transactions that changed something: whoever looks at the tree need not look again before this rises. */
  get transactions(): number {
    return this.#server.tree.transactions;
  }

  get sessionIds(): readonly string[] {
    return this.#server.sessionIds;
  }

  /** Opens a session; it connects by itself. */
  open(options: MemorySessionOptions): MemoryCoordinator {
    return new MemoryCoordinator(this.#clock, this.#server, this.#latencyMs, options);
  }

  /** Every connection is closed, and new ones are refused, until `start`. Nodes and sessions stay. */
  stop(): void {
    this.#server.stopServing();
  }

  start(): void {
    this.#server.startServing();
  }

  /** A backup of everything it has now, live sessions included. */
  backup(): EnsembleState {
    return this.#server.state();
  }

  /** All of its servers come up with an older state, or, without one, with nothing: what happened since is lost, as are the connections. */
  restore(backup: EnsembleState = emptyEnsembleState()): void {
    this.#server.become(backup);
  }
}

export interface MemorySessionOptions {
  /** Milliseconds. */
  readonly sessionTimeoutMs: number;
  readonly log: Logger;
  /** Empty, or an absolute path. */
  readonly chroot?: string;
  readonly requestsMax?: number;
  /** The client's own, which may be stopped while the ensemble goes on. Default: the ensemble's. */
  readonly clock?: Clock;
}

/** A session on a `MemoryEnsemble`, with hooks for faults. */
export class MemoryCoordinator extends SessionCoordinator {
  readonly #server: MemoryServer;
  readonly #network: ClientNetwork;
  readonly #parts: { connection: MemoryConnection | null; wire: MemoryWire | null };

  constructor(serverClock: Clock, server: MemoryServer, latencyMs: () => number, options: MemorySessionOptions) {
    const network: ClientNetwork = { isCut: false, nextWrite: "answered" };
    const parts: { connection: MemoryConnection | null; wire: MemoryWire | null } = { connection: null, wire: null };
    const onConnection = (connection: MemoryConnection) => {
      parts.connection = connection;
    };
    const { sessionTimeoutMs, log, chroot = "", requestsMax, clock = serverClock } = options;
    super({
      newWire: (handlers) => {
        parts.wire = new MemoryWire({ clock, serverClock, server, network, latencyMs, sessionTimeoutMs, onConnection }, handlers);
        return parts.wire;
      },
      chroot,
      clock,
      log,
      ...(requestsMax === undefined ? {} : { requestsMax }),
    });
    this.#server = server;
    this.#network = network;
    this.#parts = parts;
  }

  /** The session's id at the server, in hexadecimal; null before it has one. */
  get sessionId(): string | null {
    return this.#parts.wire?.sessionId ?? null;
  }

  /** Nothing gets through any more, in either direction, silently. */
  cut(): void {
    this.#network.isCut = true;
  }

  /** What waited on a connection that is still open gets through now. */
  heal(): void {
    this.#network.isCut = false;
    this.#parts.connection?.releaseHeld();
  }

  /** The connection is reset; the session goes on over the next one. */
  breakConnection(): void {
    this.#parts.wire?.dropLink("the connection was reset");
  }

  /** The next write that reaches the server is answered by a broken connection, with the write done or not. */
  loseNextAnswer({ done }: { readonly done: boolean }): void {
    this.#network.nextWrite = done ? "done-unanswered" : "lost";
  }

  /** The server ends the session now. */
  expireSession(): void {
    const { sessionId } = this;
    if (sessionId !== null) this.#server.endSession(sessionId);
  }
}
