import type { Clock, Timer } from "../../protocol/base/clock.ts";
import type { SessionWire, WireAnswer, WireHandlers, WireRequest } from "../session/wire.ts";
import { MemoryConnection, type NetworkPath } from "./memory-connection.ts";
import type { MemoryServer, ServerSide } from "./server.ts";

/** What the network does to one client's messages; changed by fault hooks while it runs. */
export interface ClientNetwork extends NetworkPath {
  /** The next write's answer is lost with the link: after the write was done, or before it was. */
  nextWrite: "answered" | "done-unanswered" | "lost";
}

export interface MemoryWireParts {
  /** The client's. */
  readonly clock: Clock;
  readonly serverClock: Clock;
  /** Tried one after the other, from `first` on. */
  readonly servers: readonly MemoryServer[];
  readonly first: number;
  readonly network: ClientNetwork;
  readonly latencyMs: () => number;
  readonly sessionTimeoutMs: number;
  /** Called with each connection while it is in use, so that a heal can release what it held. */
  readonly onConnection: (connection: MemoryConnection) => void;
}

/** Between attempts to connect. Milliseconds. */
const retryMs = 100;

/** One session's connection to the in-memory ensemble. */
export class MemoryWire implements SessionWire {
  readonly #parts: MemoryWireParts;
  readonly #handlers: WireHandlers;
  #connection: MemoryConnection | null = null;
  #serverSide: ServerSide | null = null;
  #server: MemoryServer | null = null;
  #attempts = 0;
  #sessionId: string | null = null;
  /** Of the newest transaction that it has seen: a server that does not have it is refused, as by ZooKeeper itself. */
  #seenZxid = 0;
  #linkIsUp = false;
  #retry: Timer | null = null;
  #isDead = false;

  constructor(parts: MemoryWireParts, handlers: WireHandlers) {
    this.#parts = parts;
    this.#handlers = handlers;
  }

  get sessionId(): string | null {
    return this.#sessionId;
  }

  start(): void {
    this.#connect();
  }

  send(request: WireRequest, answered: (answer: WireAnswer) => void): void {
    const { network } = this.#parts;
    const connection = this.#connection;
    const serverSide = this.#serverSide;
    const server = this.#server;
    const sessionId = this.#sessionId;
    if (connection === null || serverSide === null || server === null || sessionId === null) return;
    connection.carry("to-server", () => {
      const fate = request.kind === "write" ? network.nextWrite : "answered";
      if (request.kind === "write") network.nextWrite = "answered";
      if (fate === "lost") return this.#breakFromServer(server, serverSide);
      server.serve(sessionId, serverSide, request, (answer, zxid) => {
        if (fate === "done-unanswered") return;
        if (answer === null) return this.#breakFromServer(server, serverSide);
        serverSide.send(() => {
          this.#seenZxid = zxid;
          answered(answer);
        });
      });
      // the write is on its way to the leader, or done
      if (fate === "done-unanswered") this.#breakFromServer(server, serverSide);
    });
  }

  dropLink(reason: string): void {
    this.#closeConnection();
    this.#retryLater();
    if (!this.#linkIsUp) return;
    this.#linkIsUp = false;
    this.#handlers.linkDown(reason);
  }

  endSession(done: () => void): void {
    const connection = this.#connection;
    const serverSide = this.#serverSide;
    const server = this.#server;
    const sessionId = this.#sessionId;
    if (connection === null || serverSide === null || server === null || sessionId === null) return;
    connection.carry("to-server", () =>
      server.endSession(sessionId, () => {
        serverSide.send(done);
        server.detached(serverSide); // so that the end of the session does not cut off this answer
      }),
    );
  }

  kill(): void {
    this.#isDead = true;
    this.#linkIsUp = false;
    this.#closeConnection();
  }

  #connect(): void {
    if (this.#isDead) return;
    const { clock, serverClock, servers, first, network, latencyMs, sessionTimeoutMs } = this.#parts;
    const server = servers[(first + this.#attempts++) % servers.length]!;
    this.#server = server;
    this.#retryLater(sessionTimeoutMs); // there may never be an answer
    if (!server.isServing) return this.#retryLater();
    const connection = new MemoryConnection({ "to-server": serverClock, "to-client": clock }, network, latencyMs);
    this.#connection = connection;
    this.#parts.onConnection(connection);
    const sentMs = clock.monotonicMs();
    const serverSide: ServerSide = {
      send: (deliver) =>
        connection.carry("to-client", () => {
          this.#handlers.heard();
          deliver();
        }),
      close: () => connection.carry("to-client", () => this.dropLink("the server closed the connection")),
    };
    this.#serverSide = serverSide;
    connection.carry("to-server", () => {
      if (!server.isServing || server.zxid < this.#seenZxid) return serverSide.close();
      server.attach(serverSide, this.#sessionId, sessionTimeoutMs, (session) =>
        connection.carry("to-client", () => {
          if (session === null) return this.#handlers.expired();
          this.#retry?.cancel();
          this.#sessionId = session.id;
          this.#linkIsUp = true;
          this.#handlers.linkUp({ id: session.id, timeoutMs: session.timeoutMs, sentMs });
        }),
      );
    });
  }

  #breakFromServer(server: MemoryServer, serverSide: ServerSide): void {
    server.detached(serverSide);
    serverSide.close();
  }

  #retryLater(delayMs: number = retryMs): void {
    this.#retry?.cancel();
    if (this.#isDead) return;
    this.#retry = this.#parts.clock.schedule(delayMs, () => {
      this.#closeConnection();
      this.#connect();
    });
  }

  #closeConnection(): void {
    this.#retry?.cancel();
    this.#connection?.close();
    this.#connection = null;
    if (this.#serverSide === null) return;
    // A cut network hides the end of the connection from the server; it finds out when the session moves or expires.
    if (!this.#parts.network.isCut) this.#server?.detached(this.#serverSide);
    this.#serverSide = null;
  }
}
