import { randomInt } from "../../protocol/base/random.ts";
import { type Address, formatAddress } from "../../protocol/base/transport.ts";
import { abortable } from "../base/abort.ts";
import { messageOf } from "../base/as-error.ts";
import { backoffMs } from "../base/backoff.ts";
import { ClientCounters } from "../base/client-counters.ts";
import type { ConnectionPurpose } from "../base/client-event-map.ts";
import { ClientEvents } from "../base/client-events.ts";
import type { ClientSettings } from "../base/client-options.ts";
import type { ClientRuntime } from "../base/client-runtime.ts";
import { ClientClosed, ConnectionLost } from "../base/errors.ts";
import { BrokerConnection } from "./broker-connection.ts";
import { hedged } from "./hedge.ts";
import { type NamedBy, unreachable } from "./unreachable.ts";

/** One attempt of a request that any broker can answer. */
export type AskOne<T> = (connection: BrokerConnection, signal: AbortSignal) => Promise<T>;

/** Brokers that get the same request at the same time. */
const askedAtOnceMax = 3;

/** After this many failures in a row at an address that the cluster advertises, and that never accepted a connection, a line is logged. */
const unreachableAfter = 5;

/** A broker that answered within this time is considered healthy. */
const recentlyMs = 2_000;

/** Of an address that does not answer, or is not known to. */
const doubtfulRank = 3;

interface Slot {
  readonly address: Address;
  readonly purpose: ConnectionPurpose;
  /** As last named by the metadata; null: it never was. */
  broker: number | null;
  connection: BrokerConnection | null;
  opening: Promise<BrokerConnection> | null;
  failures: number;
  /** Until then an attempt fails at once, with the last error. Monotonic. */
  notBeforeMs: number;
  lastError: ConnectionLost | null;
}

/**
 * One connection per broker and purpose, opened when first needed and reopened, with pauses, after it was lost. A broker answers a
 * connection's requests in order, so what may take long has one of its own.
 */
export class ConnectionPool {
  readonly #runtime: ClientRuntime;
  readonly #settings: ClientSettings;
  readonly #events: ClientEvents;
  readonly #counters: ClientCounters;
  readonly #slots = new Map<string, Slot>();
  readonly #closing = new AbortController();
  /** By address: when it was last asked what any broker can answer. */
  readonly #askedAtMs = new Map<string, number>();
  #brokers: ReadonlyMap<number, Address> = new Map();
  /** Addresses that accepted a connection once, or that were logged as unreachable. */
  readonly #settled = new Set<string>();

  constructor(
    runtime: ClientRuntime,
    settings: ClientSettings,
    events: ClientEvents = new ClientEvents(runtime.log),
    counters: ClientCounters = new ClientCounters(),
  ) {
    this.#runtime = runtime;
    this.#settings = settings;
    this.#events = events;
    this.#counters = counters;
  }

  /** Requests that are not answered yet. */
  get pending(): number {
    let pending = 0;
    for (const { connection } of this.#slots.values()) pending += connection?.pending ?? 0;
    return pending;
  }

  /** Where nobody has answered yet, of the addresses that were tried. */
  get unanswered(): readonly string[] {
    const silent = [...this.#slots.values()].filter(({ connection }) => connection === null);
    return [...new Set(silent.map(({ address }) => formatAddress(address)))];
  }

  /** The brokers' present addresses. Connections to addresses of no broker are closed once idle. */
  setBrokers(brokers: ReadonlyMap<number, Address>): void {
    for (const [id, address] of brokers) if (!this.#brokers.has(id)) this.#mayBeBack(address);
    this.#brokers = brokers;
    for (const slot of this.#slots.values()) slot.broker = this.#brokerAt(slot.address) ?? slot.broker;
    const current = new Set([...brokers.values(), ...this.#settings.bootstrap].map(formatAddress));
    for (const [key, slot] of this.#slots) {
      if (current.has(formatAddress(slot.address)) || slot.opening !== null || (slot.connection?.pending ?? 0) > 0) continue;
      // whoever was given the connection and has not used it yet may try again, elsewhere: the client itself is not closed
      slot.connection?.close(new AddressLeft(`the metadata names no broker at ${formatAddress(slot.address)} any more`));
      this.#slots.delete(key);
    }
    for (const address of this.#settled) if (!current.has(address)) this.#settled.delete(address);
    for (const address of this.#askedAtMs.keys()) if (!current.has(address)) this.#askedAtMs.delete(address);
  }

  /** The metadata names it again: what failed before says nothing any more. */
  #mayBeBack(address: Address): void {
    for (const slot of this.#slots.values()) if (isSame(slot.address, address)) slot.notBeforeMs = 0;
  }

  /** An answer over one of its connections is late. */
  isSilent(brokerId: number): boolean {
    const address = this.#brokers.get(brokerId);
    const nowMs = this.#runtime.clock.monotonicMs();
    const isOverdue = (slot: Slot) => slot.connection?.isOpen === true && slot.connection.isOverdue(nowMs);
    return address !== undefined && [...this.#slots.values()].some((slot) => isSame(slot.address, address) && isOverdue(slot));
  }

  /**
   * Throws ConnectionLost when the broker is unknown or cannot be reached, ClientClosed after `close`, the signal's reason (a connection
   * that is being opened is still opened).
   */
  async toBroker(brokerId: number, purpose: ConnectionPurpose = "requests", signal?: AbortSignal): Promise<BrokerConnection> {
    const address = this.#brokers.get(brokerId);
    if (address === undefined) throw new ConnectionLost(`broker ${brokerId} is not known to be alive`);
    return abortable(this.#connect(address, purpose), signal);
  }

  /** A connection that nothing is waiting on. */
  probe(address: Address, signal: AbortSignal): Promise<BrokerConnection> {
    return abortable(this.#connect(address, "probes"), signal);
  }

  /** Some broker: one that answered lately if any, the least busy of them; else the first that can be reached. */
  toAny(): Promise<BrokerConnection> {
    return this.#ofAny((address) => this.#connect(address, "requests"));
  }

  /**
   * The first good answer of some broker: another one is asked, too, as soon as one is late or fails. For requests that every broker
   * answers alike. `inTurns`: the one that was asked longest ago comes first, of those that are well.
   */
  askAny<T>(ask: AskOne<T>, signal?: AbortSignal, { inTurns = false } = {}): Promise<T> {
    const attempt = async (address: Address, settled: AbortSignal) => {
      const nowMs = this.#runtime.clock.monotonicMs();
      this.#askedAtMs.set(formatAddress(address), nowMs);
      // records that wait for their replicas hold up whatever comes behind them, on a broker that is perfectly well
      const mustWait = this.#slot(address, "requests").connection?.isOverdue(nowMs, this.#settings.slowAfterMs / 20) ?? false;
      return ask(await this.#connect(address, mustWait ? "probes" : "requests"), settled);
    };
    return this.#ofAny(attempt, signal, inTurns);
  }

  async #ofAny<T>(attempt: (address: Address, signal: AbortSignal) => Promise<T>, signal?: AbortSignal, inTurns = false): Promise<T> {
    const limits = { slowAfterMs: this.#settings.slowAfterMs / (inTurns ? 10 : 1), atOnceMax: askedAtOnceMax };
    try {
      return await hedged(this.#runtime.clock, this.#candidates(inTurns), limits, attempt, signal);
    } catch (error) {
      if (!(error instanceof AggregateError)) throw error;
      const final = error.errors.find((failure) => !(failure instanceof ConnectionLost));
      throw final ?? new ConnectionLost(`no broker can be reached: ${[...new Set(error.errors.map(messageOf))].join("; ")}`);
    }
  }

  close(): void {
    const reason = new ClientClosed("the client was closed");
    this.#closing.abort(reason);
    for (const slot of this.#slots.values()) slot.connection?.close(reason);
    this.#slots.clear();
  }

  /**
   * Every known address once, the most promising first; otherwise from a random one on, the brokers of the metadata before the bootstrap
   * list.
   */
  #candidates(inTurns: boolean): readonly Address[] {
    const rotated = (addresses: readonly Address[]) => {
      const from = randomInt(this.#runtime.random, Math.max(addresses.length, 1));
      return [...addresses.slice(from), ...addresses.slice(0, from)];
    };
    const all = [...rotated([...this.#brokers.values()]), ...rotated(this.#settings.bootstrap)];
    const unique = new Map(all.map((address) => [formatAddress(address), address]));
    const ranked = [...unique.values()].map((address) => ({ address, ...this.#promise(address) }));
    const byPromise = ranked.sort((a, b) => a.rank - b.rank || a.pending - b.pending);
    if (!inTurns) return byPromise.map(({ address }) => address);
    const known = new Set([...this.#brokers.values()].map(formatAddress));
    // an address of the bootstrap list that the metadata does not have may be another name of one that it has
    const turnOf = ({ address, rank }: { readonly address: Address; readonly rank: number }) =>
      Number(rank >= doubtfulRank) * 2 + Number(!known.has(formatAddress(address)));
    const askedAtMs = ({ address }: { readonly address: Address }) => this.#askedAtMs.get(formatAddress(address)) ?? 0;
    return byPromise.sort((a, b) => turnOf(a) - turnOf(b) || askedAtMs(a) - askedAtMs(b)).map(({ address }) => address);
  }

  /**
   * How likely the address is to answer soon (low ranks first). It only orders: a slow broker is still asked when the others do not answer.
   */
  #promise(address: Address): { readonly rank: number; readonly pending: number } {
    const nowMs = this.#runtime.clock.monotonicMs();
    const slots = [...this.#slots.values()].filter((slot) => isSame(slot.address, address));
    const open = slots.flatMap(({ connection }) => (connection?.isOpen ? [connection] : []));
    const pending = slots.find(({ purpose }) => purpose === "requests")?.connection?.pending ?? 0;
    const isDoubtful = slots.some(({ failures, opening }) => failures > 0 || opening !== null);
    const isRecent = open.some((one) => nowMs - one.answeredAtMs < recentlyMs && !one.isOverdue(nowMs));
    const isOverdue = !isRecent && open.some((one) => one.isOverdue(nowMs));
    if (isDoubtful || isOverdue) return { rank: doubtfulRank, pending };
    if (open.length === 0) return { rank: 2, pending };
    return { rank: isRecent ? 0 : 1, pending };
  }

  #brokerAt(address: Address): number | null {
    for (const [id, one] of this.#brokers) if (isSame(one, address)) return id;
    return null;
  }

  /** Null: an address given by the application. */
  #namedBy(address: Address): NamedBy | null {
    if (this.#settings.bootstrap.some((one) => isSame(one, address))) return null;
    const broker = this.#brokerAt(address);
    if (broker === null) return null;
    const open = [...this.#slots.values()].flatMap((slot) => (slot.connection?.isOpen ? [slot.address] : []));
    const reached = [...new Map(open.map((one) => [formatAddress(one), one])).values()];
    return { broker, isItself: this.#brokers.size === 1, reached };
  }

  #slot(address: Address, purpose: ConnectionPurpose): Slot {
    const key = `${formatAddress(address)} ${purpose}`;
    let slot = this.#slots.get(key);
    if (slot === undefined) {
      const broker = this.#brokerAt(address);
      slot = { address, purpose, broker, connection: null, opening: null, failures: 0, notBeforeMs: 0, lastError: null };
      this.#slots.set(key, slot);
    }
    return slot;
  }

  #connect(address: Address, purpose: ConnectionPurpose): Promise<BrokerConnection> {
    if (this.#closing.signal.aborted) return Promise.reject(this.#closing.signal.reason);
    const slot = this.#slot(address, purpose);
    if (slot.connection?.isOpen) return Promise.resolve(slot.connection);
    if (slot.opening !== null) return slot.opening;
    if (slot.lastError !== null && this.#runtime.clock.monotonicMs() < slot.notBeforeMs) return Promise.reject(slot.lastError);
    slot.opening = this.#open(slot);
    return slot.opening;
  }

  #connected(slot: Slot, connection: BrokerConnection, tookMs: number): void {
    const { address, purpose } = slot;
    const openedAtMs = this.#runtime.clock.monotonicMs();
    this.#counters.connectionsOpened++;
    if (this.#events.has("connected"))
      this.#events.emit("connected", { broker: slot.broker, address: formatAddress(address), purpose, tookMs });
    connection.whenEnded((error, unanswered) => {
      this.#counters.connectionsClosed++;
      const isWanted = this.#closing.signal.aborted || error instanceof AddressLeft;
      if (!isWanted) this.#counters.connectionsLost++;
      if (!this.#events.has("disconnected")) return;
      const openMs = this.#runtime.clock.monotonicMs() - openedAtMs;
      const { broker } = slot;
      const reason = error.message;
      this.#events.emit("disconnected", { broker, address: formatAddress(address), purpose, reason, error, unanswered, openMs });
    });
  }

  #throttled({ broker, address }: Slot, api: string, throttleMs: number): void {
    if (!this.#events.has("throttled")) return;
    this.#events.emit("throttled", { broker, address: formatAddress(address), api, throttleMs });
  }

  async #open(slot: Slot): Promise<BrokerConnection> {
    const { clock, random, log, transport } = this.#runtime;
    const beganAtMs = clock.monotonicMs();
    const onThrottled = (api: string, throttleMs: number) => this.#throttled(slot, api, throttleMs);
    const parts = { clock, transport, counters: this.#counters, onThrottled };
    try {
      const connection = await BrokerConnection.open(slot.address, parts, this.#settings, this.#closing.signal);
      if (this.#closing.signal.aborted) {
        connection.close();
        throw this.#closing.signal.reason;
      }
      slot.connection = connection;
      slot.failures = 0;
      slot.lastError = null;
      this.#settled.add(formatAddress(slot.address));
      this.#connected(slot, connection, clock.monotonicMs() - beganAtMs);
      return connection;
    } catch (error) {
      if (this.#closing.signal.aborted) throw this.#closing.signal.reason;
      slot.failures++;
      slot.notBeforeMs = clock.monotonicMs() + backoffMs(slot.failures, this.#settings, random);
      const lost = unreachable(slot.address, error, this.#namedBy(slot.address));
      slot.lastError = lost;
      log.debug({ address: formatAddress(slot.address), err: error }, "connecting failed");
      if (lost.namedBroker !== null && slot.failures >= unreachableAfter && !this.#settled.has(formatAddress(slot.address))) {
        this.#settled.add(formatAddress(slot.address));
        log.warn({}, lost.message);
      }
      throw lost;
    } finally {
      slot.opening = null;
    }
  }
}

/** Closed by us, because nobody is there any more. */
class AddressLeft extends ConnectionLost {}

function isSame(a: Address, b: Address): boolean {
  return a.host === b.host && a.port === b.port;
}
