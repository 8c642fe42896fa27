import { invariant } from "../../protocol/base/invariant.ts";
import type { SlabPool } from "../../protocol/wire/slab-pool.ts";

/** A connection that wants to read more. */
export interface MemoryWaiter {
  /** Bytes until the request that it has begun is whole; null: more bytes would not complete anything. */
  readonly missingBytes: number | null;
  resume(): void;
}

/** This much may be taken beyond the memory, to complete requests that hold some of it already; but one request of any size. */
const overshootShare = 1 / 8;

/**
 * Fetches that are read while it is spent, until their answers have left: so that consumers make progress, however long others keep the
 * memory. Each gets little (see `RequestMeter.reserve`).
 */
const fetchesWhileSpentMax = 8;

/**
 * What this broker may hold in memory on behalf of all clients together: requests that arrive, wait or are being served, and answers until
 * they have left. No client is refused: a connection that wants to read more while it is spent waits until there is room, and one that
 * holds much without making progress is closed (see `memory-reclaim.ts`).
 *
 * Waiting connections must not wait for each other. Otherwise: (1) many begin large requests, and halves of them fill the memory; (2) all
 * wait for room; (3) there is none before one of them is whole. So a few are let on while it is spent, those first that miss least. But
 * none while requests being served hold what may be taken beyond the memory: they end by themselves.
 */
export class ClientMemory {
  readonly maxBytes: number;
  /** Large requests arrive in them. */
  readonly slabs: SlabPool;
  /** Called whenever more was taken than is left. */
  onSpent: () => void = () => {};
  #usedBytes = 0;
  #underWayBytes = 0;
  readonly #waiting = new Set<MemoryWaiter>();
  /** May read on although it is spent, each with what it missed when it was let on. */
  readonly #letOn = new Map<MemoryWaiter, number>();
  #letOnBytes = 0;
  /** None of the waiting connections misses less: they are all checked only when one could be let on. */
  #leastMissingBytes = Number.POSITIVE_INFINITY;
  readonly #fetching = new Set<MemoryWaiter>();
  /** In the order of arrival. */
  readonly #fetchesWaiting = new Set<MemoryWaiter>();

  constructor(maxBytes: number, slabs: SlabPool) {
    this.maxBytes = maxBytes;
    this.slabs = slabs;
  }

  get usedBytes(): number {
    return this.#usedBytes;
  }

  get freeBytes(): number {
    return Math.max(0, this.maxBytes - this.#usedBytes);
  }

  get isSpent(): boolean {
    return this.#usedBytes >= this.maxBytes;
  }

  /** Of what is used: held by requests being served, and released when they are done. */
  get underWayBytes(): number {
    return this.#underWayBytes;
  }

  take(bytes: number): void {
    this.#usedBytes += bytes;
    if (this.isSpent) this.onSpent();
  }

  giveBack(bytes: number): void {
    this.#usedBytes -= bytes;
    invariant(this.#usedBytes >= 0, "no more is given back than was taken");
    if (this.isSpent) return this.letNextOn();
    if (this.#waiting.size === 0 && this.#fetchesWaiting.size === 0) return;
    const told = [...this.#waiting, ...this.#fetchesWaiting];
    this.#waiting.clear();
    this.#fetchesWaiting.clear();
    for (const waiter of told) waiter.resume();
  }

  /** A negative number: that much of it is done. */
  countUnderWay(bytes: number): void {
    this.#underWayBytes += bytes;
    invariant(this.#underWayBytes >= 0, "no more is done with than was under way", () => ({ bytes }));
    if (bytes < 0) this.letNextOn();
  }

  /** While it is spent. A connection that may not read on is resumed once, when there is room again or its turn has come. */
  mayReadOn(waiter: MemoryWaiter): boolean {
    if (this.#letOn.has(waiter)) return true;
    this.#waiting.add(waiter);
    this.#leastMissingBytes = Math.min(this.#leastMissingBytes, waiter.missingBytes ?? Number.POSITIVE_INFINITY);
    this.letNextOn(waiter);
    return this.#letOn.has(waiter);
  }

  /** Its request is whole, or it does not use its turn: `letNextOn` passes the turn on. */
  passOn(waiter: MemoryWaiter): void {
    this.#letOnBytes -= this.#letOn.get(waiter) ?? 0;
    this.#letOn.delete(waiter);
    invariant(this.#letOn.size > 0 || this.#letOnBytes === 0, "who is let on is counted", () => ({ letOnBytes: this.#letOnBytes }));
  }

  /** False: it is resumed when it may read on, or at least when it should ask again. */
  mayFetch(waiter: MemoryWaiter): boolean {
    if (!this.isSpent || this.#fetching.has(waiter)) return true;
    if (this.#fetching.size < fetchesWhileSpentMax) {
      this.#fetchesWaiting.delete(waiter);
      this.#fetching.add(waiter);
      return true;
    }
    this.#fetchesWaiting.add(waiter);
    return false;
  }

  /** What was read has left, or is released while the fetch waits for records. */
  fetched(waiter: MemoryWaiter): void {
    if (!this.#fetching.delete(waiter)) return;
    for (const next of this.#fetchesWaiting) {
      if (this.#fetching.size >= fetchesWhileSpentMax) return;
      this.#fetchesWaiting.delete(next);
      next.resume();
    }
  }

  forget(waiter: MemoryWaiter): void {
    this.#waiting.delete(waiter);
    this.#fetchesWaiting.delete(waiter);
    this.passOn(waiter);
    this.letNextOn();
    this.fetched(waiter);
  }

  /** `asking` checks itself whether it was let on. */
  letNextOn(asking: MemoryWaiter | null = null): void {
    if (this.#waiting.size === 0 || !this.isSpent) return;
    const overshootMaxBytes = this.maxBytes * overshootShare;
    let roomBytes = overshootMaxBytes - this.#underWayBytes - this.#letOnBytes;
    const mayOne = this.#letOn.size === 0 && roomBytes >= 0;
    if (!mayOne && (roomBytes < overshootMaxBytes / 2 || roomBytes < this.#leastMissingBytes)) return;
    if (this.#leastMissingBytes === Number.POSITIVE_INFINITY) return;
    const next: { readonly waiter: MemoryWaiter; readonly missingBytes: number }[] = [];
    for (const waiter of this.#waiting) {
      const { missingBytes } = waiter;
      if (missingBytes !== null) next.push({ waiter, missingBytes });
    }
    next.sort((a, b) => a.missingBytes - b.missingBytes);
    this.#leastMissingBytes = Number.POSITIVE_INFINITY;
    const resumed: MemoryWaiter[] = [];
    for (const { waiter, missingBytes } of next) {
      if (this.#letOn.size > 0 && missingBytes > roomBytes) {
        this.#leastMissingBytes = missingBytes;
        break;
      }
      roomBytes -= missingBytes;
      this.#waiting.delete(waiter);
      this.#letOn.set(waiter, missingBytes);
      this.#letOnBytes += missingBytes;
      if (waiter !== asking) resumed.push(waiter);
    }
    for (const waiter of resumed) waiter.resume();
  }
}
