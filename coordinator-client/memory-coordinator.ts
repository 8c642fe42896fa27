import type { Clock } from "../protocol/base/clock.ts";
import type { Logger } from "../protocol/base/logger.ts";
import { type EnsembleOptions, type EnsembleState, emptyEnsembleState, MemoryQuorum } from "./memory/ensemble.ts";
import type { MemoryConnection } from "./memory/memory-connection.ts";
import { type ClientNetwork, MemoryWire, type MemoryWireParts } from "./memory/memory-wire.ts";
import type { MemoryServer } from "./memory/server.ts";
import type { MemoryTree } from "./memory/tree.ts";
import { SessionCoordinator } from "./session/session-coordinator.ts";

/**
 * ZooKeeper in memory, for the simulator and for unit tests: sessions, ephemerals, watches, transactions, on an injected clock. Its
 * sessions (`MemoryCoordinator`) run the same code as those on a real server, down to the level of bytes. Deterministic: all time comes
 * from the clock, all latency from `latencyMs`.
 */
export class MemoryEnsemble {
  readonly #clock: Clock;
  readonly #quorum: MemoryQuorum;
  #opened = 0;
  readonly #latencyMs: () => number;

  constructor(options: EnsembleOptions & { readonly latencyMs?: () => number }) {
    this.#clock = options.clock;
    this.#quorum = new MemoryQuorum(options);
    this.#latencyMs = options.latencyMs ?? (() => 1);
  }

  /** What is stored now, for checkers. Do not write to it. */
  get tree(): Pick<MemoryTree, "read" | "children" | "paths" | "transactions"> {
    return this.#quorum.tree;
  }

  /** The number of transactions that changed something: a checker of the tree need not check again before this rises. */
  get transactions(): number {
    return this.#quorum.tree.transactions;
  }

  get sessionIds(): readonly string[] {
    return this.#quorum.sessionIds;
  }

  /** Its servers, for faults and checkers. */
  get servers(): readonly Pick<MemoryServer, "tree" | "stop" | "start">[] {
    return this.#quorum.servers;
  }

  /** Opens a session; it connects by itself. */
  open(options: MemorySessionOptions): MemoryCoordinator {
    return new MemoryCoordinator(this.#clock, this.#quorum, { latencyMs: this.#latencyMs, first: this.#opened++ }, options);
  }

  /** Every connection is closed, and new ones are refused, until `start`. Znodes and sessions stay. */
  stop(): void {
    this.#quorum.stopServing();
  }

  start(): void {
    this.#quorum.startServing();
  }

  /** A snapshot of everything it has now, live sessions included. */
  backup(): EnsembleState {
    return this.#quorum.state();
  }

  /** All of its servers come up with an older state or, without one, with nothing: what happened since is lost, as are the connections. */
  restore(backup: EnsembleState = emptyEnsembleState()): void {
    this.#quorum.become(backup);
  }
}

export interface MemorySessionOptions {
  /** Milliseconds. */
  readonly sessionTimeoutMs: number;
  readonly log: Logger;
  /** Empty, or an absolute path. */
  readonly chroot?: string;
  readonly requestsMax?: number;
  /** The client's own clock, which may be stopped while the ensemble runs on. Default: the ensemble's. */
  readonly clock?: Clock;
}

/** A session on a `MemoryEnsemble`, with hooks for faults. */
export class MemoryCoordinator extends SessionCoordinator {
  readonly #quorum: MemoryQuorum;
  readonly #network: ClientNetwork;
  readonly #parts: { connection: MemoryConnection | null; wire: MemoryWire | null };

  constructor(serverClock: Clock, quorum: MemoryQuorum, way: Pick<MemoryWireParts, "latencyMs" | "first">, options: MemorySessionOptions) {
    const network: ClientNetwork = { isCut: false, nextWrite: "answered" };
    const parts: { connection: MemoryConnection | null; wire: MemoryWire | null } = { connection: null, wire: null };
    const onConnection = (connection: MemoryConnection) => {
      parts.connection = connection;
    };
    const { sessionTimeoutMs, log, chroot = "", requestsMax, clock = serverClock } = options;
    super({
      newWire: (handlers) => {
        parts.wire = new MemoryWire(
          { ...way, clock, serverClock, servers: quorum.servers, network, sessionTimeoutMs, onConnection },
          handlers,
        );
        return parts.wire;
      },
      chroot,
      clock,
      log,
      ...(requestsMax === undefined ? {} : { requestsMax }),
    });
    this.#quorum = quorum;
    this.#network = network;
    this.#parts = parts;
  }

  /** The session's id on the server, in hexadecimal; null before it has one. */
  get sessionId(): string | null {
    return this.#parts.wire?.sessionId ?? null;
  }

  /** Nothing gets through any more, in either direction, without an error. */
  cut(): void {
    this.#network.isCut = true;
  }

  /** What waited on a connection that is still open is delivered now. */
  heal(): void {
    this.#network.isCut = false;
    this.#parts.connection?.releaseHeld();
  }

  /** The connection is reset; the session continues on the next one. */
  breakConnection(): void {
    this.#parts.wire?.dropLink("the connection was reset");
  }

  /** The next write that reaches the server is answered with a broken connection, with the write done or not. */
  loseNextAnswer({ done }: { readonly done: boolean }): void {
    this.#network.nextWrite = done ? "done-unanswered" : "lost";
  }

  /** The server ends the session now. */
  expireSession(): void {
    const { sessionId } = this;
    if (sessionId !== null) this.#quorum.endSession(sessionId);
  }
}
