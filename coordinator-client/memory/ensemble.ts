import type { Clock, Timer } from "../../protocol/base/clock.ts";
import { invariant } from "../../protocol/base/invariant.ts";
import type { WriteResult } from "../coordinator.ts";
import type { WireAnswer, WireRequest } from "../session/wire.ts";
import { MemoryTree, type TreeChange } from "./tree.ts";

/** The server's end of a connection. */
export interface ServerSide {
  /** Delivers a message to the client, in order. */
  send(deliver: () => void): void;
  /** The server closes the connection; the client learns of it as far as the network lets it. */
  close(): void;
}

interface ServerSession {
  readonly id: string;
  readonly timeoutMs: number;
  heardMs: number;
  expiry: Timer;
  attached: ServerSide | null;
}

/** A session's one-shot watches live as long as its connection. */
interface ServerWatch {
  readonly kind: TreeChange["kind"];
  readonly path: string;
  readonly connection: ServerSide;
  readonly fired: () => void;
}

export interface EnsembleOptions {
  readonly clock: Clock;
  /** Sessions are granted what they ask for within these bounds. Milliseconds. */
  readonly sessionTimeoutMinMs?: number;
  readonly sessionTimeoutMaxMs?: number;
}

/** Everything an ensemble has on its disks at one moment. */
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

/** A ZooKeeper ensemble seen from outside: one tree, one order of transactions, sessions that expire. Everything happens at once when a message arrives. */
export class MemoryServer {
  readonly tree = new MemoryTree();
  readonly #options: EnsembleOptions;
  readonly #clock: Clock;
  readonly #sessions = new Map<string, ServerSession>();
  #watches: ServerWatch[] = [];
  #isServing = true;
  #sessionsMade = 0;
  #zxid = firstZxid;

  constructor(options: EnsembleOptions) {
    this.#options = options;
    this.#clock = options.clock;
  }

  /** False: connections are closed and refused; sessions wait, as with a majority down. */
  get isServing(): boolean {
    return this.#isServing;
  }

  get sessionIds(): string[] {
    return [...this.#sessions.keys()];
  }

  /** Of the last transaction. */
  get zxid(): number {
    return this.#zxid;
  }

  state(): EnsembleState {
    return {
      tree: this.tree.copy(),
      zxid: this.#zxid,
      sessions: [...this.#sessions.values()].map(({ id, timeoutMs }) => ({ id, timeoutMs })),
    };
  }

  /** All servers lose what they have and come up with this instead. Connections are closed; sessions that are in it get a whole timeout anew, the others are gone. */
  become({ tree, zxid, sessions }: EnsembleState): void {
    for (const { attached, expiry } of [...this.#sessions.values()]) {
      expiry.cancel();
      if (attached !== null) this.#detach(attached);
    }
    this.#sessions.clear();
    this.tree.become(tree);
    this.#zxid = zxid;
    for (const { id, timeoutMs } of sessions) this.#addSession(id, timeoutMs);
  }

  /** A connection asks for a new session, or to continue one. Null: that session has expired. */
  attach(connection: ServerSide, sessionId: string | null, timeoutMs: number): { readonly id: string; readonly timeoutMs: number } | null {
    const session = sessionId === null ? this.#newSession(timeoutMs) : this.#sessions.get(sessionId);
    if (session === undefined) return null;
    if (session.attached !== null) this.#detach(session.attached);
    session.attached = connection;
    session.heardMs = this.#clock.monotonicMs();
    return session;
  }

  /** The client closed the connection; its session goes on. */
  detached(connection: ServerSide): void {
    this.#watches = this.#watches.filter((watch) => watch.connection !== connection);
    for (const session of this.#sessions.values()) if (session.attached === connection) session.attached = null;
  }

  /** Serves one request. The answer is null when the session is not this connection's (any more). */
  serve(sessionId: string, connection: ServerSide, request: WireRequest): WireAnswer | null {
    const session = this.#sessions.get(sessionId);
    if (session === undefined || session.attached !== connection) return null;
    session.heardMs = this.#clock.monotonicMs();
    switch (request.kind) {
      case "exists": {
        const node = this.tree.read(request.path);
        this.#addWatch("data", request.path, connection, request.watch);
        return { kind: "node", node: node === null ? null : { ...node, data: Buffer.alloc(0) } };
      }
      case "read":
        return { kind: "node", node: this.tree.read(request.path) };
      case "children": {
        const list = this.tree.children(request.path);
        if (list !== null) this.#addWatch("children", request.path, connection, request.watch);
        return { kind: "children", list };
      }
      case "write":
        return { kind: "write", result: this.#write(request, session) };
    }
  }

  /** Ends a session: its ephemerals go, in one transaction. */
  endSession(sessionId: string): void {
    const session = this.#sessions.get(sessionId);
    if (session === undefined) return;
    session.expiry.cancel();
    this.#sessions.delete(sessionId);
    const applied = this.tree.apply(
      this.tree.ephemeralsOf(sessionId).map((path) => ({ kind: "delete", path, version: -1 })),
      sessionId,
      ++this.#zxid,
    );
    invariant(applied.kind === "written", "ephemeral nodes have no children and can go");
    this.#fire(applied.changes);
    if (session.attached !== null) this.#detach(session.attached);
  }

  stopServing(): void {
    this.#isServing = false;
    for (const { attached } of [...this.#sessions.values()]) if (attached !== null) this.#detach(attached);
  }

  /** Sessions get a whole timeout anew, as after an election of ZooKeeper's own leader. */
  startServing(): void {
    this.#isServing = true;
    for (const session of this.#sessions.values()) session.heardMs = this.#clock.monotonicMs();
  }

  #newSession(askedMs: number): ServerSession {
    const { sessionTimeoutMinMs = 0, sessionTimeoutMaxMs = Number.MAX_SAFE_INTEGER } = this.#options;
    const timeoutMs = Math.min(Math.max(askedMs, sessionTimeoutMinMs), sessionTimeoutMaxMs);
    return this.#addSession(`1${(++this.#sessionsMade).toString(16).padStart(15, "0")}`, timeoutMs);
  }

  #addSession(id: string, timeoutMs: number): ServerSession {
    const session: ServerSession = {
      id,
      timeoutMs,
      heardMs: this.#clock.monotonicMs(),
      expiry: this.#clock.schedule(timeoutMs, () => this.#checkExpiry(id)),
      attached: null,
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

  #write(request: WireRequest & { kind: "write" }, session: ServerSession): WriteResult {
    const applied = this.tree.apply(request.operations, session.id, ++this.#zxid);
    if (applied.kind === "conflict") return applied;
    this.#fire(applied.changes);
    return { kind: "written", results: applied.results };
  }

  #addWatch(kind: TreeChange["kind"], path: string, connection: ServerSide, fired: (() => void) | null): void {
    if (fired === null) return;
    const known = this.#watches.some((w) => w.kind === kind && w.path === path && w.connection === connection && w.fired === fired);
    if (!known) this.#watches.push({ kind, path, connection, fired });
  }

  #fire(changes: readonly TreeChange[]): void {
    for (const { kind, path } of changes) {
      const hit = this.#watches.filter((watch) => watch.kind === kind && watch.path === path);
      if (hit.length === 0) continue;
      this.#watches = this.#watches.filter((watch) => !hit.includes(watch));
      for (const { connection, fired } of hit) connection.send(fired);
    }
  }

  #detach(connection: ServerSide): void {
    this.detached(connection);
    connection.close();
  }
}
