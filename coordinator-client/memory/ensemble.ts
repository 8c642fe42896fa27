import type { Clock, Timer } from "../../protocol/base/clock.ts";
import { invariant } from "../../protocol/base/invariant.ts";
import type { WriteOperation, WriteResult } from "../coordinator.ts";
import { type GrantedSession, type Leader, MemoryServer, type ServerDelayMs, type ServerSide, type Transaction } from "./server.ts";
import { MemoryTree } from "./tree.ts";

interface Session extends GrantedSession {
  heardMs: number;
  expiry: Timer;
  /** Null: the session waits for its client to reconnect. */
  attached: { readonly server: MemoryServer; readonly connection: ServerSide } | null;
  /** The last connection that it was attached to: requests on an earlier one are ignored. */
  owner: ServerSide | null;
}

export interface EnsembleOptions {
  readonly clock: Clock;
  /** Sessions are granted the timeout they request within these bounds. Milliseconds. */
  readonly sessionTimeoutMinMs?: number;
  readonly sessionTimeoutMaxMs?: number;
  /** One if not given. */
  readonly servers?: number;
  /** None if not given: then all servers have every transaction as soon as it is decided. */
  readonly serverDelayMs?: ServerDelayMs;
}

/** Everything that an ensemble has on its disks at one moment. */
export interface EnsembleState {
  readonly tree: MemoryTree;
  readonly zxid: number;
  readonly sessions: readonly { readonly id: string; readonly timeoutMs: number }[];
}

/** Epoch 1 in the upper half, as a fresh ensemble's. */
const firstZxid = 2 ** 32;

export function emptyEnsembleState(): EnsembleState {
  return { tree: new MemoryTree(), zxid: firstZxid, sessions: [] };
}

/**
 * What a ZooKeeper ensemble decides: one tree, one order of transactions, sessions that expire. A transaction is decided when it reaches
 * the leader; each server learns of it then, or some time later.
 * A server tells the leader at once which sessions it has heard from. A server that does not would keep expired sessions alive for their
 * clients, and no client can know.
 */
export class MemoryQuorum implements Leader {
  readonly tree = new MemoryTree();
  readonly servers: readonly MemoryServer[];
  readonly #options: EnsembleOptions;
  readonly #clock: Clock;
  readonly #sessions = new Map<string, Session>();
  #isServing = true;
  #sessionsMade = 0;
  #zxid = firstZxid;

  constructor(options: EnsembleOptions) {
    this.#options = options;
    const { clock, servers = 1, serverDelayMs: delayMs = () => 0 } = options;
    this.#clock = clock;
    this.servers = Array.from({ length: servers }, (_, number) => new MemoryServer(this, { clock, number, zxid: firstZxid, delayMs }));
  }

  /** False: connections are closed and refused; sessions wait, as when a majority is down. */
  get isServing(): boolean {
    return this.#isServing;
  }

  get sessionIds(): string[] {
    return [...this.#sessions.keys()];
  }

  state(): EnsembleState {
    return {
      tree: this.tree.copy(),
      zxid: this.#zxid,
      sessions: [...this.#sessions.values()].map(({ id, timeoutMs }) => ({ id, timeoutMs })),
    };
  }

  /**
   * All servers lose what they have and come up with this instead. Connections are closed; sessions that are in it get a whole new timeout,
   * the others are gone.
   */
  become(state: EnsembleState): void {
    for (const { expiry } of this.#sessions.values()) expiry.cancel();
    for (const server of this.servers) server.become(state);
    this.#sessions.clear();
    this.tree.become(state.tree);
    this.#zxid = state.zxid;
    for (const { id, timeoutMs } of state.sessions) this.#addSession(id, timeoutMs);
  }

  /** See `MemoryServer`. */
  attach(server: MemoryServer, connection: ServerSide, sessionId: string | null, timeoutMs: number): GrantedSession | null {
    const session = sessionId === null ? this.#newSession(timeoutMs) : this.#sessions.get(sessionId);
    if (session === undefined) return null;
    const before = session.attached;
    session.attached = { server, connection };
    session.owner = connection;
    session.heardMs = this.#clock.monotonicMs();
    before?.server.closeConnection(before.connection);
    return session;
  }

  detached(connection: ServerSide): void {
    for (const session of this.#sessions.values()) if (session.attached?.connection === connection) session.attached = null;
  }

  /** A server has heard from a session. */
  heard(sessionId: string): void {
    const session = this.#sessions.get(sessionId);
    if (session !== undefined) session.heardMs = this.#clock.monotonicMs();
  }

  write(
    sessionId: string,
    connection: ServerSide,
    operations: readonly WriteOperation[],
  ): { readonly zxid: number; readonly result: WriteResult } | null {
    const session = this.#sessions.get(sessionId);
    if (session === undefined || session.owner !== connection || !this.#isServing) return null;
    const zxid = ++this.#zxid;
    const applied = this.tree.apply(operations, sessionId, zxid);
    this.#tell({ zxid, sessionId, operations: applied.kind === "written" ? operations : [], ends: null });
    return { zxid, result: applied.kind === "written" ? { kind: "written", results: applied.results } : applied };
  }

  /** Ends a session: its ephemerals are deleted, in one transaction. */
  endSession(sessionId: string): void {
    const session = this.#sessions.get(sessionId);
    if (session === undefined) return;
    session.expiry.cancel();
    this.#sessions.delete(sessionId);
    const operations = this.tree.ephemeralsOf(sessionId).map((path) => ({ kind: "delete", path, version: -1 }) as const);
    const zxid = ++this.#zxid;
    const applied = this.tree.apply(operations, sessionId, zxid);
    invariant(applied.kind === "written", "ephemeral nodes have no children and can go");
    this.#tell({ zxid, sessionId, operations, ends: sessionId });
  }

  stopServing(): void {
    this.#isServing = false;
    for (const server of this.servers) server.closeAll();
  }

  /** Sessions get a whole new timeout, as after an election of ZooKeeper's own leader. */
  startServing(): void {
    this.#isServing = true;
    for (const session of this.#sessions.values()) session.heardMs = this.#clock.monotonicMs();
  }

  #tell(transaction: Transaction): void {
    for (const server of this.servers) server.learn(transaction);
  }

  #newSession(askedMs: number): Session {
    const { sessionTimeoutMinMs = 0, sessionTimeoutMaxMs = Number.MAX_SAFE_INTEGER } = this.#options;
    const timeoutMs = Math.min(Math.max(askedMs, sessionTimeoutMinMs), sessionTimeoutMaxMs);
    const session = this.#addSession(`1${(++this.#sessionsMade).toString(16).padStart(15, "0")}`, timeoutMs, ++this.#zxid);
    this.#tell({ zxid: session.createdZxid, sessionId: session.id, operations: [], ends: null });
    return session;
  }

  #addSession(id: string, timeoutMs: number, createdZxid = this.#zxid): Session {
    const session: Session = {
      id,
      timeoutMs,
      createdZxid,
      heardMs: this.#clock.monotonicMs(),
      expiry: this.#clock.schedule(timeoutMs, () => this.#checkExpiry(id)),
      attached: null,
      owner: null,
    };
    this.#sessions.set(id, session);
    return session;
  }

  #checkExpiry(sessionId: string): void {
    const session = this.#sessions.get(sessionId);
    if (session === undefined) return;
    const leftMs = session.heardMs + session.timeoutMs - this.#clock.monotonicMs();
    if (leftMs <= 0 && this.#isServing) return this.endSession(sessionId);
    session.expiry = this.#clock.schedule(leftMs > 0 ? leftMs : session.timeoutMs, () => this.#checkExpiry(sessionId));
  }
}
