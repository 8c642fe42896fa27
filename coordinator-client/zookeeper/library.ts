import type { Socket } from "node:net";
import { type Client, createClient } from "node-zookeeper-client";
import { InvariantViolation } from "../../protocol/base/invariant.ts";
import type { Address } from "../../protocol/base/transport.ts";
import { FrameSplitter } from "../../protocol/wire/frame-splitter.ts";

/*
 * The only file that touches the internals of node-zookeeper-client (written against 1.1.3). Each access says what it changes and why;
 * `takeApart` checks that the internals are there, so that another version fails at startup and not later.
 */

/** Events on the library's connections. */
export interface LibraryEvents {
  /** The library wants to connect: call `connect` with the server to try, now or later, once. */
  wantsServer(connect: (server: Address) => void): void;
  /** A server granted or resumed the session. */
  connected(session: { readonly id: string; readonly timeoutMs: number }): void;
  /** The connection, or the attempt at one, is over. `wantsServer` follows. */
  disconnected(): void;
  expired(): void;
  /** The socket has closed after `endSession`. */
  ended(): void;
  /** A whole packet arrived. */
  heard(): void;
  /** What arrived could not be decoded; the connection was dropped. */
  garbled(error: unknown): void;
}

/** ConnectionManager's own names and states. */
interface ConnectionManager {
  servers: readonly Address[];
  state: number;
  sessionId: Buffer;
  sessionTimeout: number;
  xid: number;
  socket?: Socket;
  connectTimeoutHandler: NodeJS.Timeout | null;
  pendingQueue: unknown[];
  packetQueue: { queue: unknown[] };
  watcherManager: { dataWatchers: object; childWatchers: object; existenceWatchers: object };
  connect(): void;
  updateTimeout(sessionTimeoutMs: number): void;
  findNextServer(callback: (server: Address) => void): void;
  onSocketData(chunk: Buffer): void;
  on(event: "state", listener: (state: number) => void): void;
}

/** The connection manager's numbers; the client has other states of its own. */
const states = { disconnected: 0, connected: 2, closed: -2, expired: -3 } as const;

/** A response beyond this size is an error: a listing of a million children is about 30 MB. */
const packetMaxBytes = 64 * 1024 * 1024;

/** For the packets of one connection, as the library takes them: with their length in front. */
export function packetSplitter(): FrameSplitter {
  return new FrameSplitter({ frameMaxBytes: packetMaxBytes, keepsPrefix: true });
}

/** Transaction numbers on the wire are signed 32-bit, and the library counts on and on. */
const xidMax = 2 ** 31 - 1_000_000;

/** One library client, good for one session, with the library's gaps filled. */
export class LibraryClient {
  readonly client: Client;
  readonly #manager: ConnectionManager;
  readonly #events: LibraryEvents;
  #splitter = packetSplitter();
  #isDead = false;

  constructor(servers: readonly Address[], sessionTimeoutMs: number, events: LibraryEvents) {
    // `retries: 0`: with more, a write is re-sent after CONNECTION_LOSS and our own success comes back as a conflict.
    // The address is a placeholder: the library's parser knows no IPv6, and its order is drawn from Math.random.
    this.client = createClient("127.0.0.1:2181", { sessionTimeout: sessionTimeoutMs, retries: 0 });
    this.#manager = takeApart(this.client);
    this.#events = events;
    this.#manager.servers = servers;
    this.#manager.updateTimeout(sessionTimeoutMs);
    this.#takeOverServerChoice();
    this.#takeOverFraming();
    this.#manager.on("state", (state) => this.#onState(state));
  }

  start(): void {
    this.client.connect();
  }

  /** To be called before each request. */
  beforeRequest(): void {
    // A counter beyond 2^31 throws when written. Only equality with the oldest request in flight matters, so it may start over.
    if (this.#manager.xid > xidMax) this.#manager.xid = 1;
  }

  /**
   * The expected version of the transaction's last operation: the library turns 0 into -1, "any version", and so a compare-and-set at
   * version 0 into a plain set.
   */
  setLastVersion(transaction: object, version: number): void {
    const { ops } = transaction as { ops: { version?: number }[] };
    const last = ops.at(-1);
    if (last !== undefined) last.version = version;
  }

  /** Drops the current connection, or the attempt at one, at once. The library then wants another server. */
  drop(): void {
    this.#forgetRequests();
    this.#destroySocket();
  }

  /**
   * The library's `close`: asks the server to end the session. Only when connected; otherwise it would write to a socket that does not
   * exist.
   */
  endSession(): void {
    this.client.close();
  }

  /** From here on no event is delivered and nothing is sent. */
  kill(): void {
    this.#isDead = true;
    // It must not reconnect: a client of a lost session would resume it and keep its ephemerals alive.
    this.#manager.connect = () => undefined;
    this.#forgetRequests();
    this.#forgetWatches();
    this.#destroySocket();
  }

  /**
   * The library waits with its own timers and Math.random, and would reconnect after its owner dropped it. The owner decides when and where
   * to connect.
   */
  #takeOverServerChoice(): void {
    const manager = this.#manager;
    manager.findNextServer = (connect) => {
      if (this.#isDead) return;
      this.#events.wantsServer((server) => {
        if (this.#isDead) return;
        // Queued requests would be sent on the new connection though their callers were told that there is no answer.
        this.#forgetRequests();
        // Otherwise all watches go out in one SetWatches packet, which has a size limit; they are armed one by one instead.
        this.#forgetWatches();
        // A partial packet of the last connection would be glued in front of this one's first.
        this.#splitter = packetSplitter();
        connect(server);
        // Its timer for the attempt is not cleared when the socket closes without an error, and then kills the next connection. The owner
        // times the attempt.
        this.#clearConnectTimer();
      });
    };
  }

  /**
   * Hands the library one whole packet at a time. Its own framing keeps `pendingBuffer` across a reconnection, recurses once per packet of
   * a chunk, and believes any length. On error codes that it does not know (SESSION_MOVED is one) it also throws from inside the socket's
   * event, after it has dropped the request: here that ends the connection.
   */
  #takeOverFraming(): void {
    const manager = this.#manager;
    const takePacket = manager.onSocketData.bind(manager);
    manager.onSocketData = (chunk) => {
      const { socket } = manager;
      try {
        this.#splitter.push(chunk, (packet) => {
          if (this.#isDead || socket?.destroyed) return;
          this.#events.heard();
          takePacket(packet);
        });
      } catch (error) {
        if (error instanceof InvariantViolation) throw error;
        if (!this.#isDead) this.#events.garbled(error);
      }
    };
  }

  #onState(state: number): void {
    if (this.#isDead) return;
    const { sessionId, sessionTimeout } = this.#manager;
    switch (state) {
      case states.connected:
        return this.#events.connected({ id: sessionId.toString("hex"), timeoutMs: sessionTimeout });
      case states.disconnected:
        return this.#events.disconnected();
      case states.expired:
        return this.#events.expired();
      case states.closed:
        return this.#events.ended();
    }
  }

  /** The library never calls back unsent requests, and sent ones only when the socket closes: the owner settles both itself. */
  #forgetRequests(): void {
    this.#manager.packetQueue.queue.length = 0;
    this.#manager.pendingQueue.length = 0;
  }

  #forgetWatches(): void {
    const { watcherManager } = this.#manager;
    watcherManager.dataWatchers = {};
    watcherManager.childWatchers = {};
    watcherManager.existenceWatchers = {};
  }

  #clearConnectTimer(): void {
    const { connectTimeoutHandler } = this.#manager;
    if (connectTimeoutHandler !== null) clearTimeout(connectTimeoutHandler);
  }

  #destroySocket(): void {
    this.#clearConnectTimer();
    const { socket } = this.#manager;
    if (socket === undefined || socket.destroyed) return;
    // With a reset, and not an orderly close: the kernel would still deliver what is in its buffer, possibly a write, once the network
    // heals.
    if (socket.connecting) socket.destroy();
    else socket.resetAndDestroy();
  }
}

/** The library's internals, checked to be what this file was written against. Throws otherwise. */
export function takeApart(client: Client): ConnectionManager {
  const manager = (client as unknown as { connectionManager?: ConnectionManager }).connectionManager;
  const { ops } = client.transaction() as unknown as { ops?: unknown };
  const isAsExpected =
    manager !== undefined &&
    [manager.connect, manager.updateTimeout, manager.findNextServer, manager.onSocketData, manager.on].every(
      (f) => typeof f === "function",
    ) &&
    [manager.servers, manager.pendingQueue, manager.packetQueue?.queue, ops].every((list) => Array.isArray(list)) &&
    [manager.watcherManager?.dataWatchers, manager.watcherManager?.childWatchers, manager.watcherManager?.existenceWatchers].every(
      (watchers) => typeof watchers === "object",
    ) &&
    [manager.xid, manager.sessionTimeout].every((value) => typeof value === "number") &&
    manager.state === states.disconnected &&
    Buffer.isBuffer(manager.sessionId);
  if (!isAsExpected) {
    throw new Error(
      "node-zookeeper-client is not the version this was written against (1.1.3): its insides differ; install exactly that one",
    );
  }
  return manager;
}
