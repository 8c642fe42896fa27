import { randomInt } from "../../protocol/base/random.ts";
import { type Address, formatAddress } from "../../protocol/base/transport.ts";
import { backoffMs } from "../backoff.ts";
import { ClientClosed, ConnectionLost } from "../errors.ts";
import type { ClientSettings } from "../options.ts";
import type { ClientRuntime } from "../runtime.ts";
import { Connection } from "./connection.ts";

/** Long polls have connections of their own: a broker answers a connection's requests in order, and nothing else should wait behind them. */
export type ConnectionPurpose = "requests" | "fetches";

interface Slot {
  readonly address: Address;
  connection: Connection | null;
  opening: Promise<Connection> | null;
  failures: number;
  /** Until then an attempt fails at once, with the last error. Monotonic. */
  notBeforeMs: number;
  lastError: ConnectionLost | null;
}

/** One connection per broker and purpose, opened when first needed and again, with pauses, after it was lost. */
export class ConnectionPool {
  readonly #runtime: ClientRuntime;
  readonly #settings: ClientSettings;
  readonly #slots = new Map<string, Slot>();
  readonly #closing = new AbortController();
  #brokers: ReadonlyMap<number, Address> = new Map();

  constructor(runtime: ClientRuntime, settings: ClientSettings) {
    this.#runtime = runtime;
    this.#settings = settings;
  }

  /** Where the brokers are now. Connections to addresses that are nobody's any more are closed once idle. */
  setBrokers(brokers: ReadonlyMap<number, Address>): void {
    this.#brokers = brokers;
    const current = new Set([...brokers.values(), ...this.#settings.bootstrap].map(formatAddress));
    for (const [key, slot] of this.#slots) {
      if (current.has(formatAddress(slot.address)) || slot.opening !== null || (slot.connection?.pending ?? 0) > 0) continue;
      slot.connection?.close();
      this.#slots.delete(key);
    }
  }

  /** Throws ConnectionLost when the broker is unknown or cannot be reached, ClientClosed after `close`. */
  async toBroker(brokerId: number, purpose: ConnectionPurpose = "requests"): Promise<Connection> {
    const address = this.#brokers.get(brokerId);
    if (address === undefined) throw new ConnectionLost(`broker ${brokerId} is not known to be alive`);
    return this.#connect(address, purpose);
  }

  /** Some broker: one that is connected already if any, the least busy of them; else whoever can be reached. */
  async toAny(): Promise<Connection> {
    let best: Connection | null = null;
    for (const [key, { connection }] of this.#slots) {
      if (connection === null || !connection.isOpen || !key.endsWith("requests")) continue;
      if (best === null || connection.pending < best.pending) best = connection;
    }
    if (best !== null) return best;
    const failures: string[] = [];
    for (const address of this.#candidates()) {
      try {
        return await this.#connect(address, "requests");
      } catch (error) {
        if (!(error instanceof ConnectionLost)) throw error;
        failures.push(error.message);
      }
    }
    throw new ConnectionLost(`no broker can be reached: ${[...new Set(failures)].join("; ")}`);
  }

  close(): void {
    this.#closing.abort(new ClientClosed("the client was closed"));
    for (const slot of this.#slots.values()) slot.connection?.close();
    this.#slots.clear();
  }

  /** Every known address once, from a random one on: the brokers of the metadata, then the bootstrap list. */
  #candidates(): readonly Address[] {
    const rotated = (addresses: readonly Address[]) => {
      const from = randomInt(this.#runtime.random, Math.max(addresses.length, 1));
      return [...addresses.slice(from), ...addresses.slice(0, from)];
    };
    const all = [...rotated([...this.#brokers.values()]), ...rotated(this.#settings.bootstrap)];
    return [...new Map(all.map((address) => [formatAddress(address), address])).values()];
  }

  #connect(address: Address, purpose: ConnectionPurpose): Promise<Connection> {
    if (this.#closing.signal.aborted) return Promise.reject(this.#closing.signal.reason);
    const key = `${formatAddress(address)} ${purpose}`;
    let slot = this.#slots.get(key);
    if (slot === undefined) {
      slot = { address, connection: null, opening: null, failures: 0, notBeforeMs: 0, lastError: null };
      this.#slots.set(key, slot);
    }
    if (slot.connection?.isOpen) return Promise.resolve(slot.connection);
    if (slot.opening !== null) return slot.opening;
    if (slot.lastError !== null && this.#runtime.clock.monotonicMs() < slot.notBeforeMs) return Promise.reject(slot.lastError);
    slot.opening = this.#open(slot);
    return slot.opening;
  }

  async #open(slot: Slot): Promise<Connection> {
    const { clock, random, log } = this.#runtime;
    try {
      const connection = await Connection.open(slot.address, this.#runtime, this.#settings, this.#closing.signal);
      if (this.#closing.signal.aborted) {
        connection.close();
        throw this.#closing.signal.reason;
      }
      slot.connection = connection;
      slot.failures = 0;
      slot.lastError = null;
      return connection;
    } catch (error) {
      if (this.#closing.signal.aborted) throw this.#closing.signal.reason;
      slot.failures++;
      slot.notBeforeMs = clock.monotonicMs() + backoffMs(slot.failures, this.#settings, random);
      const lost = error instanceof ConnectionLost ? error : new ConnectionLost(describe(error), { cause: error });
      slot.lastError = lost;
      log.debug({ address: formatAddress(slot.address), err: error }, "connecting failed");
      throw lost;
    } finally {
      slot.opening = null;
    }
  }
}

function describe(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
