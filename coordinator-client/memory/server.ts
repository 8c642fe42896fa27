import type { Clock } from "../../protocol/base/clock.ts";
import type { WriteOperation, WriteResult } from "../coordinator.ts";
import type { WireAnswer, WireRequest } from "../session/wire.ts";
import { Lane } from "./lane.ts";
import { MemoryTree, type TreeChange } from "./tree.ts";

/** The server's end of a connection. */
export interface ServerSide {
  /** Delivers a message to the client, in order. */
  send(deliver: () => void): void;
  /** The server closes the connection; the client learns of it if the network lets it. */
  close(): void;
}

export interface GrantedSession {
  readonly id: string;
  readonly timeoutMs: number;
  readonly createdZxid: number;
}

/** What the servers are told of a decided transaction. */
export interface Transaction {
  readonly zxid: number;
  readonly sessionId: string;
  /** None: it failed. */
  readonly operations: readonly WriteOperation[];
  /** The session that it ends. */
  readonly ends: string | null;
}

/** What a server requests from its leader. */
export interface Leader {
  readonly isServing: boolean;
  attach(server: MemoryServer, connection: ServerSide, sessionId: string | null, timeoutMs: number): GrantedSession | null;
  detached(connection: ServerSide): void;
  heard(sessionId: string): void;
  /** Null: the session is over, or has moved. */
  write(
    sessionId: string,
    connection: ServerSide,
    operations: readonly WriteOperation[],
  ): { readonly zxid: number; readonly result: WriteResult } | null;
  endSession(sessionId: string): void;
}

/** How long a message from a server to its ensemble's leader takes, and how far a server is behind with a transaction. Milliseconds. */
export type ServerDelayMs = (server: number, way: "to-leader" | "behind") => number;

/** A session's one-shot watches live as long as its connection. */
interface ServerWatch {
  readonly kind: TreeChange["kind"];
  readonly path: string;
  readonly connection: ServerSide;
  readonly fired: () => void;
}

/** `zxid`: that of the server's state when it answered. Null: the session is over, or belongs to another connection by now. */
export type Answered = (answer: WireAnswer | null, zxid: number) => void;

/** A request that was not answered yet: a connection's requests are answered in order, and its reads see its writes. */
interface Pending {
  /** Null: a write that this server does not have yet. */
  answer: (() => void) | null;
}

/**
 * One server of the ensemble. It has a prefix of the one order of transactions, perhaps a short one: a read may show an older state than
 * another session's last write left, and watches fire when this server reaches what they wait for. It promises what ZooKeeper promises:
 * reads see the session's own earlier writes on the same connection.
 */
export class MemoryServer {
  readonly tree = new MemoryTree();
  readonly #leader: Leader;
  readonly #toLeader: Lane;
  readonly #fromLeader: Lane;
  readonly #pending = new Map<ServerSide, Pending[]>();
  /** Answers to writes that this server has not reached. */
  #due: { readonly zxid: number; readonly ready: () => void }[] = [];
  /** By session: its connection to this server. */
  readonly #connections = new Map<string, ServerSide>();
  #watches: ServerWatch[] = [];
  #isUp = true;
  #zxid: number;

  constructor(leader: Leader, { clock, number, zxid, delayMs }: ServerParts) {
    this.#leader = leader;
    this.#zxid = zxid;
    this.#toLeader = new Lane(clock, () => delayMs(number, "to-leader"));
    this.#fromLeader = new Lane(clock, () => delayMs(number, "behind"));
  }

  get isServing(): boolean {
    return this.#isUp && this.#leader.isServing;
  }

  /** Of the last transaction that it has. */
  get zxid(): number {
    return this.#zxid;
  }

  /** A connection asks for a new session, or to continue one. Null: that session has expired. */
  attach(connection: ServerSide, sessionId: string | null, timeoutMs: number, answered: (session: GrantedSession | null) => void): void {
    this.#toLeader.carry(() => {
      const session = this.#leader.attach(this, connection, sessionId, timeoutMs);
      if (session === null) return answered(null);
      this.#connections.set(session.id, connection);
      // a new one is a transaction: its server has all that was decided before
      if (sessionId === null) this.#whenAt(session.createdZxid, () => answered(session));
      else answered(session);
    });
  }

  /** The client closed the connection; its session continues. */
  detached(connection: ServerSide): void {
    this.#watches = this.#watches.filter((watch) => watch.connection !== connection);
    this.#pending.delete(connection);
    for (const [id, known] of this.#connections) if (known === connection) this.#connections.delete(id);
    this.#leader.detached(connection);
  }

  /**
   * A write goes to the leader at once, whatever happens to the connection; it counts there unless the session has moved to another server
   * meanwhile.
   */
  serve(sessionId: string, connection: ServerSide, request: WireRequest, answered: Answered): void {
    if (this.#connections.get(sessionId) !== connection) return answered(null, this.#zxid);
    this.#leader.heard(sessionId);
    const pending: Pending = { answer: request.kind === "write" ? null : () => answered(this.#read(connection, request), this.#zxid) };
    const queue = this.#pending.get(connection) ?? [];
    this.#pending.set(connection, queue);
    queue.push(pending);
    if (request.kind !== "write") return this.#answer(queue);
    this.#toLeader.carry(() => {
      const written = this.#leader.write(sessionId, connection, request.operations);
      const { zxid, result } = written ?? { zxid: 0, result: null };
      this.#whenAt(zxid, () => {
        pending.answer = () => answered(result === null ? null : { kind: "write", result }, zxid);
        if (this.#pending.get(connection) === queue) this.#answer(queue);
      });
    });
  }

  /** Ends a session at its client's request. */
  endSession(sessionId: string, done: () => void): void {
    this.#toLeader.carry(() => {
      done();
      this.#leader.endSession(sessionId);
    });
  }

  /** What the leader decided; applied after this server's lag. */
  learn(transaction: Transaction): void {
    this.#fromLeader.carry(() => this.#apply(transaction));
  }

  become({ tree, zxid }: { readonly tree: MemoryTree; readonly zxid: number }): void {
    this.closeAll();
    this.#toLeader.clear();
    this.#fromLeader.clear();
    this.#due = [];
    this.tree.become(tree);
    this.#zxid = zxid;
  }

  /** It closes its connections and accepts no new ones. */
  stop(): void {
    this.#isUp = false;
    this.closeAll();
  }

  start(): void {
    this.#isUp = true;
  }

  closeConnection(connection: ServerSide): void {
    this.detached(connection);
    connection.close();
  }

  closeAll(): void {
    for (const connection of [...this.#connections.values()]) this.closeConnection(connection);
  }

  #apply({ zxid, sessionId, operations, ends }: Transaction): void {
    const applied = this.tree.apply(operations, sessionId, zxid);
    this.#zxid = zxid;
    if (applied.kind === "written") this.#fire(applied.changes);
    const connection = ends === null ? undefined : this.#connections.get(ends);
    if (connection !== undefined) this.closeConnection(connection);
    const ready = this.#due.filter((due) => due.zxid <= zxid);
    this.#due = this.#due.filter((due) => due.zxid > zxid);
    for (const due of ready) due.ready();
  }

  #whenAt(zxid: number, ready: () => void): void {
    if (this.#zxid >= zxid) ready();
    else this.#due.push({ zxid, ready });
  }

  #answer(queue: Pending[]): void {
    for (let [first] = queue; first != null && first.answer !== null; [first] = queue) {
      queue.shift();
      first.answer();
    }
  }

  #read(connection: ServerSide, request: Exclude<WireRequest, { kind: "write" }>): WireAnswer {
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
    }
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
}

export interface ServerParts {
  readonly clock: Clock;
  readonly number: number;
  readonly zxid: number;
  readonly delayMs: ServerDelayMs;
}
