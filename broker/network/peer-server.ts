import type { Address, Link, LinkHandlers, Listener, Transport } from "../../protocol/base/transport.ts";
import { PeerConnection, type PeerServerLimits, type PeerServerParts } from "./peer-connection.ts";

export const peerServerDefaults = {
  requestsInFlightMax: 1000,
  unsentMaxBytes: 64 * 1024 * 1024,
  helloTimeoutMs: 10_000,
  linksMax: 10_000,
} as const satisfies Omit<PeerServerLimits, "frameMaxBytes">;

/** Where the other brokers of the cluster reach this one. */
export class PeerServer {
  readonly #transport: Transport;
  readonly #parts: PeerServerParts;
  readonly #connections = new Set<PeerConnection>();
  #listener: Listener | null = null;
  #closed = false;

  constructor(transport: Transport, parts: PeerServerParts) {
    this.#transport = transport;
    this.#parts = parts;
  }

  get linkCount(): number {
    return this.#connections.size;
  }

  /** The address that was bound. Rejects when it is in use. */
  async listen(address: Address): Promise<Address> {
    this.#listener = await this.#transport.listen(address, (link) => this.#accept(link));
    return this.#listener.address;
  }

  /** Stops accepting and closes every link; requests in flight are not answered. */
  async close(): Promise<void> {
    this.#closed = true;
    const closed = this.#listener?.close(); // may wait until the links are closed
    for (const connection of [...this.#connections]) connection.destroy("the broker is shutting down");
    await closed;
  }

  #accept(link: Link): LinkHandlers {
    if (this.#closed || this.#connections.size >= this.#parts.limits.linksMax) {
      link.destroy();
      return { onData: () => {}, onClose: () => {} };
    }
    const connection: PeerConnection = new PeerConnection(link, this.#parts, () => this.#connections.delete(connection));
    this.#connections.add(connection);
    return connection;
  }
}
