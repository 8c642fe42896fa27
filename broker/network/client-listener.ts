import type { Timer } from "../../protocol/base/clock.ts";
import type { Address, Link, LinkHandlers, Listener, Transport } from "../../protocol/base/transport.ts";
import type { NetworkConfig } from "../runtime/config/broker-config.ts";
import type { ListenerConfig } from "../runtime/config/listener-config.ts";
import { ByteBudget } from "./byte-budget.ts";
import { Connection, type ConnectionParts } from "./connection.ts";

export interface ClientListenersParts extends Omit<ConnectionParts, "limits" | "budget"> {
  readonly transport: Transport;
  /** In force now: how many connections there may be can change while we run. */
  readonly limits: () => NetworkConfig;
}

/** A listener that is open, as clients are told of it. */
export interface BoundListener {
  readonly name: string;
  readonly bound: Address;
  readonly advertised: Address;
}

/** Refused connections are told of at most this often, however many there are. */
const refusalLineIntervalMs = 10_000;

/** Every listener for clients, and the connections that came in by them. */
export class ClientListeners {
  readonly #parts: ClientListenersParts;
  readonly #budget: ByteBudget;
  readonly #connections = new Set<Connection>();
  readonly #perAddress = new Map<string, number>();
  readonly #listeners: Listener[] = [];
  #nextConnectionId = 1;
  #sweep: Timer | null = null;
  #closing = false;
  #onEmpty: (() => void) | null = null;
  #refused = 0;
  #refusalLineMs = Number.NEGATIVE_INFINITY;

  constructor(parts: ClientListenersParts) {
    this.#parts = parts;
    this.#budget = new ByteBudget(parts.limits().requestBytesInFlightMax);
  }

  get connectionCount(): number {
    return this.#connections.size;
  }

  get requestBytesInFlight(): number {
    return this.#budget.usedBytes;
  }

  /** Rejects when one cannot be opened (its address is in use); those before it are closed again. */
  async listen(configs: readonly ListenerConfig[]): Promise<BoundListener[]> {
    const bound: BoundListener[] = [];
    try {
      for (const { name, bind, advertised } of configs) {
        const listener = await this.#parts.transport.listen(bind, (link) => this.#accept(name, link));
        this.#listeners.push(listener);
        bound.push({
          name,
          bound: listener.address,
          advertised: { host: advertised.host, port: advertised.port || listener.address.port },
        });
      }
    } catch (error) {
      await this.close(0);
      throw error;
    }
    this.#scheduleSweep();
    return bound;
  }

  /** Stops accepting, lets what is under way finish for up to `graceMs`, then closes the rest. */
  async close(graceMs: number): Promise<void> {
    this.#closing = true;
    this.#sweep?.cancel();
    const closed = this.#listeners.splice(0).map((listener) => listener.close()); // may wait for the links to be gone
    for (const connection of [...this.#connections]) connection.drain();
    if (this.#connections.size > 0) await this.#emptied(graceMs);
    await Promise.all(closed);
  }

  #emptied(graceMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = this.#parts.clock.schedule(graceMs, () => {
        for (const connection of [...this.#connections]) connection.destroy("the broker is shutting down");
        resolve();
      });
      this.#onEmpty = () => {
        timer.cancel();
        resolve();
      };
    });
  }

  #accept(listener: string, link: Link): LinkHandlers {
    const address = addressOf(link.remote);
    const fromAddress = this.#perAddress.get(address) ?? 0;
    const { connectionsMax, connectionsPerAddressMax } = this.#parts.limits();
    if (this.#closing || this.#connections.size >= connectionsMax || fromAddress >= connectionsPerAddressMax) return this.#refuse(link);
    const { limits, ...parts } = this.#parts;
    const of = { listener, connectionId: this.#nextConnectionId++ };
    const connection: Connection = new Connection(link, of, { ...parts, limits: limits(), budget: this.#budget }, () =>
      this.#closed(connection, address),
    );
    this.#perAddress.set(address, fromAddress + 1);
    this.#connections.add(connection);
    return connection;
  }

  #closed(connection: Connection, address: string): void {
    this.#connections.delete(connection);
    const left = (this.#perAddress.get(address) ?? 1) - 1;
    if (left === 0) this.#perAddress.delete(address);
    else this.#perAddress.set(address, left);
    if (this.#connections.size === 0) this.#onEmpty?.();
  }

  #refuse(link: Link): LinkHandlers {
    const { clock, log } = this.#parts;
    this.#refused++;
    if (!this.#closing && clock.monotonicMs() - this.#refusalLineMs >= refusalLineIntervalMs) {
      log.warn({ remote: link.remote, refused: this.#refused, open: this.#connections.size }, "too many client connections: refused");
      this.#refusalLineMs = clock.monotonicMs();
      this.#refused = 0;
    }
    link.destroy();
    return { onData: () => {}, onClose: () => {} };
  }

  /** One timer for all connections: an idle one is closed within a quarter more than its time. */
  #scheduleSweep(): void {
    const { connectionIdleMaxMs } = this.#parts.limits();
    this.#sweep = this.#parts.clock.schedule(Math.min(Math.ceil(connectionIdleMaxMs / 4), 60_000), () => {
      const latestMs = this.#parts.clock.monotonicMs() - this.#parts.limits().connectionIdleMaxMs;
      for (const connection of [...this.#connections]) {
        const { idleSinceMs } = connection;
        if (idleSinceMs === null || idleSinceMs > latestMs) continue;
        this.#parts.log.debug({ remote: connection.remote }, "idle client connection closed");
        connection.destroy("idle");
      }
      if (!this.#closing) this.#scheduleSweep();
    });
  }
}

/** `host:port` without the port. */
function addressOf(remote: string): string {
  const colon = remote.lastIndexOf(":");
  return colon < 0 ? remote : remote.slice(0, colon);
}
