import type { Timer } from "../../protocol/base/clock.ts";
import { invariant } from "../../protocol/base/invariant.ts";
import type { Address, Link, LinkHandlers, Listener, Transport } from "../../protocol/base/transport.ts";
import type { SlabPool } from "../../protocol/wire/slab-pool.ts";
import type { DeclaredListener } from "../runtime/config/listeners.ts";
import type { NetworkSettings } from "../runtime/config/start-settings.ts";
import { Turns } from "../runtime/turns.ts";
import { ClientConnection, type ConnectionParts } from "./client-connection.ts";
import { ClientMemory } from "./client-memory.ts";
import { MemoryReclaim } from "./memory-reclaim.ts";

export interface ClientListenersParts extends Omit<ConnectionParts, "limits" | "memory" | "turns"> {
  readonly transport: Transport;
  /** In force now: how many connections there may be can change while we run. */
  readonly limits: () => NetworkSettings;
  /** For everything that is held on behalf of clients. */
  readonly memoryMaxBytes: number;
  readonly slabs: SlabPool;
}

/** An open listener, as advertised to clients. */
export interface BoundListener {
  readonly name: string;
  readonly bound: Address;
  readonly advertised: Address;
}

/**
 * Connections from the broker's own machine that are allowed beyond the bounds: an administrator who set too low a bound at run time must
 * be able to change it. Brokers talk to each other over a listener of their own, which has no bound.
 */
const reservedConnections = 16;

/** Refused connections are logged at most this often, however many there are. */
const refusalLineIntervalMs = 10_000;

/** Every listener for clients, and the connections accepted on them. */
export class ClientListeners {
  readonly #parts: ClientListenersParts;
  readonly #memory: ClientMemory;
  readonly #turns: Turns;
  readonly #reclaim: MemoryReclaim;
  readonly #connections = new Set<ClientConnection>();
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
    const { clock, log } = parts;
    this.#memory = new ClientMemory(parts.memoryMaxBytes, parts.slabs);
    this.#turns = new Turns(clock);
    this.#reclaim = new MemoryReclaim({ memory: this.#memory, holders: () => this.#connections, clock, log });
  }

  get connectionCount(): number {
    return this.#connections.size;
  }

  /** Held on behalf of clients: requests, and answers until they have left. */
  get heldBytes(): number {
    return this.#memory.usedBytes;
  }

  /** How much that may be. */
  get heldBytesMax(): number {
    return this.#memory.maxBytes;
  }

  /** Rejects when one cannot be opened (its address is in use); those before it are closed again. */
  async listen(configs: readonly DeclaredListener[]): Promise<BoundListener[]> {
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

  /** Stops accepting, lets requests in flight finish for up to `graceMs`, then closes the rest. */
  async close(graceMs: number): Promise<void> {
    this.#closing = true;
    this.#sweep?.cancel();
    this.#reclaim.close();
    const closed = this.#listeners.splice(0).map((listener) => listener.close()); // may wait until the links are closed
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
    const reserved = isOwnMachine(address) ? reservedConnections : 0;
    const isFull = this.#connections.size >= connectionsMax + reserved || fromAddress >= connectionsPerAddressMax + reserved;
    if (this.#closing || isFull) return this.#refuse(link);
    const { limits, memoryMaxBytes, ...parts } = this.#parts;
    const of = { listener, connectionId: this.#nextConnectionId++ };
    const connection: ClientConnection = new ClientConnection(
      link,
      of,
      { ...parts, limits: { ...limits(), answerMaxBytes: answerMaxBytes(memoryMaxBytes) }, memory: this.#memory, turns: this.#turns },
      () => this.#closed(connection, address),
    );
    this.#perAddress.set(address, fromAddress + 1);
    this.#connections.add(connection);
    return connection;
  }

  #closed(connection: ClientConnection, address: string): void {
    const wasOpen = this.#connections.delete(connection);
    const left = (this.#perAddress.get(address) ?? 0) - 1;
    invariant(wasOpen && left >= 0, "a connection that closes was counted, and closes once", () => ({ address, left }));
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

function isOwnMachine(address: string): boolean {
  return /^(::ffff:)?127\./.test(address.replace(/^\[/, "")) || address === "::1" || address === "[::1]";
}

/** A quarter of all memory for one answer, within what clients take at all (librdkafka: 100 MB). */
function answerMaxBytes(memoryMaxBytes: number): number {
  return Math.min(Math.max(memoryMaxBytes / 4, 1024 * 1024), 64 * 1024 * 1024);
}

/** `host:port` without the port. */
function addressOf(remote: string): string {
  const colon = remote.lastIndexOf(":");
  return colon < 0 ? remote : remote.slice(0, colon);
}
