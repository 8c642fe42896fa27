import type { TopicPartition } from "../../protocol/base/ids.ts";
import type { Now } from "../state-machine/contract.ts";
import type { StateMemory } from "../state-machine/state-memory.ts";
import { isPrepared, placesOf, type Transaction } from "./transaction.ts";
import { memoryOf } from "./transaction-memory.ts";

/** One transactional id here. */
export interface Entry {
  readonly transaction: Transaction;
  /** Since when it is as it is, monotonic. */
  readonly sinceMs: number;
  /** Since when its transaction is open here, monotonic. */
  readonly openSinceMs: number;
  /** While it is being ended; by `topic-partition`. */
  readonly unmarked: Map<string, TopicPartition>;
  readonly bytes: number;
}

/** Shared by all that are not being ended. */
const noneUnmarked: Map<string, TopicPartition> = new Map();

/** The transactional ids of a shard: what the records say of them, and since when this broker knows it. */
export class TransactionBook {
  readonly #entries = new Map<string, Entry>();
  readonly #ongoing = new Set<string>();
  readonly #memory: StateMemory;
  #bytes = 0;

  constructor(memory: StateMemory) {
    this.#memory = memory;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** Those with an open transaction. */
  get ongoing(): ReadonlySet<string> {
    return this.#ongoing;
  }

  get(transactionalId: string): Entry | undefined {
    return this.#entries.get(transactionalId);
  }

  ids(): Iterable<string> {
    return this.#entries.keys();
  }

  values(): Iterable<Entry> {
    return this.#entries.values();
  }

  set(transaction: Transaction, monotonicMs: number): void {
    const { transactionalId, state } = transaction;
    const before = this.#entries.get(transactionalId);
    const bytes = memoryOf(transaction);
    this.#count(bytes - (before?.bytes ?? 0));
    this.#entries.set(transactionalId, {
      transaction,
      sinceMs: monotonicMs,
      openSinceMs: before?.transaction.state === "Ongoing" ? before.openSinceMs : monotonicMs,
      unmarked: isPrepared(state) ? placesOf(transaction) : noneUnmarked,
      bytes,
    });
    if (state === "Ongoing") this.#ongoing.add(transactionalId);
    else this.#ongoing.delete(transactionalId);
  }

  /** What the record does not say. */
  remember(transactionalId: string, lastProducerEpoch: number): void {
    const entry = this.#entries.get(transactionalId);
    if (entry === undefined) return;
    this.#entries.set(transactionalId, { ...entry, transaction: { ...entry.transaction, lastProducerEpoch } });
  }

  delete(transactionalId: string): void {
    const entry = this.#entries.get(transactionalId);
    if (entry === undefined) return;
    this.#entries.delete(transactionalId);
    this.#ongoing.delete(transactionalId);
    this.#count(-entry.bytes);
  }

  /** The log was loaded: how old its records are is told by the wall clock, once. */
  loaded({ monotonicMs, wallMs }: Now): void {
    for (const [id, entry] of this.#entries) {
      const idleMs = Math.max(0, wallMs - entry.transaction.updatedMs);
      this.#entries.set(id, { ...entry, sinceMs: monotonicMs - idleMs, openSinceMs: monotonicMs });
    }
  }

  /** What `next` would take is there, beside all others. */
  hasRoomFor(next: Transaction): boolean {
    return this.#memory.hasRoomFor(memoryOf(next) - (this.#entries.get(next.transactionalId)?.bytes ?? 0));
  }

  clear(): void {
    this.#count(-this.#bytes);
    this.#entries.clear();
    this.#ongoing.clear();
  }

  #count(bytes: number): void {
    this.#bytes += bytes;
    this.#memory.change(bytes);
  }
}
