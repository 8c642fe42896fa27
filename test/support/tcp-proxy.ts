import { connect, createServer, type Server, type Socket } from "node:net";

/** What happens to bytes in transit: returns the bytes to pass on, or null to hold them back for good. */
export type ProxyFilter = (direction: "to-server" | "to-client", bytes: Buffer, connection: ProxyConnection) => Buffer | null;

export interface ProxyConnection {
  /** For the filter's use: what it must remember of this connection. */
  readonly memory: Map<string, unknown>;
  /** Resets both ends. */
  reset(): void;
  /** Sends to the client what the server did not. */
  injectToClient(bytes: Buffer): void;
}

interface Pair extends ProxyConnection {
  readonly client: Socket;
  readonly server: Socket;
}

export interface ProxyTarget {
  readonly host: string;
  readonly port: number;
}

/** Sits between a client and a server and misbehaves on demand. */
export class TcpProxy {
  readonly #listener: Server;
  readonly #target: ProxyTarget;
  readonly #pairs = new Set<Pair>();
  #isCut = false;
  #accepted = 0;
  filter: ProxyFilter | null = null;

  private constructor(listener: Server, target: ProxyTarget) {
    this.#listener = listener;
    this.#target = target;
    listener.on("connection", (socket) => this.#accept(socket));
  }

  static async listen(target: ProxyTarget): Promise<TcpProxy> {
    const listener = createServer();
    await new Promise<void>((resolve, reject) => {
      listener.once("error", reject);
      listener.listen(0, "127.0.0.1", resolve);
    });
    return new TcpProxy(listener, target);
  }

  get port(): number {
    const address = this.#listener.address();
    return address !== null && typeof address === "object" ? address.port : 0;
  }

  get address(): string {
    return `127.0.0.1:${this.port}`;
  }

  /** Connections ever accepted. */
  get accepted(): number {
    return this.#accepted;
  }

  get openConnections(): number {
    return this.#pairs.size;
  }

  /**
   * Nothing is passed on any more, in either direction; sockets stay open, and new ones are accepted and just as dead. The end of a
   * connection is not passed on either.
   */
  cut(): void {
    this.#isCut = true;
    for (const { client, server } of this.#pairs) {
      client.pause();
      server.pause();
    }
  }

  /**
   * What waited is passed on, the end of connections too. Not what a client sent before it reset its connection: as over a real network,
   * its system does not send that again. Such a reset may have been sent in this very turn of the event loop, and is known here after the
   * loop has looked at the sockets once, so the network is back between the first and the second turn from here.
   */
  heal(): void {
    this.#isCut = false;
    setImmediate(() => setImmediate(() => this.#resume()));
  }

  #resume(): void {
    if (this.#isCut) return;
    for (const pair of this.#pairs) {
      if (pair.client.destroyed) pair.server.resetAndDestroy();
      pair.client.resume();
      pair.server.resume();
    }
  }

  /** Resets every connection, towards both ends. */
  resetAll(): void {
    for (const pair of [...this.#pairs]) pair.reset();
  }

  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.#listener.close(resolve));
    this.resetAll();
    await closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #accept(client: Socket): void {
    this.#accepted++;
    const server = connect(this.#target);
    const pair: Pair = {
      client,
      server,
      memory: new Map(),
      reset: () => {
        this.#pairs.delete(pair);
        for (const socket of [client, server]) {
          if (socket.connecting) socket.destroy();
          else socket.resetAndDestroy();
        }
      },
      injectToClient: (bytes) => client.write(bytes),
    };
    this.#pairs.add(pair);
    client.setNoDelay();
    server.setNoDelay();
    this.#pipe(pair, "to-server", client, server);
    this.#pipe(pair, "to-client", server, client);
    if (this.#isCut) {
      client.pause();
      server.pause();
    }
  }

  #pipe(pair: Pair, direction: "to-server" | "to-client", from: Socket, to: Socket): void {
    from.on("data", (chunk) => {
      const bytes = this.filter === null ? chunk : this.filter(direction, chunk, pair);
      if (bytes !== null && !to.destroyed) to.write(bytes);
    });
    from.on("end", () => to.end());
    from.on("error", () => undefined);
    from.on("close", () => {
      // A cut network hides this too.
      if (!this.#isCut) pair.reset();
    });
  }
}
