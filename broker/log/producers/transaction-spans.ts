import { invariant } from "../../../protocol/base/invariant.ts";

/** Ended transactions that are told apart; beyond it, neighbours are taken for one. */
export const endedSpansMaxDefault = 4096;
/** First offsets that are no longer open are dropped once there are this many more than open ones. */
const staleMax = 1024;

/**
 * Where a log's transactions begin, and, of those that ended, where: as much as is needed to say up to where every transaction is decided.
 * Each operation takes constant time on average, a question O(log n), however many are open.
 */
export class TransactionSpans {
  readonly #endedMax: number;
  /** First offsets of the open ones; no two transactions begin with the same record. */
  readonly #open = new Set<number>();
  /** The same, ascending, with some that are no longer open; from `#head` on. The one there is open. */
  #order: number[] = [];
  #head = 0;
  /**
   * Of ended transactions, oldest first: first offsets and those of their markers. Both rise: one that begins before others and ends after
   * them is undecided for as long as they are, so they are left out.
   */
  #firsts: number[] = [];
  #markers: number[] = [];

  constructor(endedMax = endedSpansMaxDefault) {
    this.#endedMax = endedMax;
  }

  get openCount(): number {
    return this.#open.size;
  }

  /** First offset of the earliest open transaction. */
  get firstOpen(): number | null {
    return this.#order[this.#head] ?? null;
  }

  /** Transactions begin in the order of their first offsets. */
  begin(firstOffset: number): void {
    invariant(firstOffset > (this.#order.at(-1) ?? -1), "transactions begin one after the other", () => ({ firstOffset }));
    this.#open.add(firstOffset);
    this.#order.push(firstOffset);
  }

  /** The marker at `markerOffset` ended the open transaction that began at `firstOffset`. */
  end(firstOffset: number, markerOffset: number): void {
    const wasOpen = this.#open.delete(firstOffset);
    invariant(wasOpen && markerOffset > firstOffset, "an open transaction ends, after its records", () => ({ firstOffset, markerOffset }));
    while (this.#head < this.#order.length && !this.#open.has(this.#order[this.#head]!)) this.#head++;
    if (this.#order.length > 2 * this.#open.size + staleMax) {
      this.#order = this.#order.slice(this.#head).filter((first) => this.#open.has(first));
      this.#head = 0;
    }
    this.#addEnded(firstOffset, markerOffset);
  }

  /**
   * First offset of the earliest transaction that is open, or whose marker is at or above `highWatermark`; null: there is none. What is
   * committed once stays so: transactions that ended below are forgotten.
   */
  firstUnstable(highWatermark: number): number | null {
    const { firstOpen } = this;
    const decided = this.#endedBelow(highWatermark);
    if (decided > 0) {
      this.#firsts.splice(0, decided);
      this.#markers.splice(0, decided);
    }
    const firstEnded = this.#firsts[0];
    if (firstEnded === undefined) return firstOpen;
    return firstOpen === null ? firstEnded : Math.min(firstOpen, firstEnded);
  }

  /**
   * Those that ended below `endOffset` in the same log, as it was before it was cut there: what is read from a snapshot on knows of none
   * that ended before the snapshot.
   */
  rememberEnded(before: TransactionSpans, endOffset: number): void {
    const known = [...before.#ended(), ...this.#ended()].filter(([, marker]) => marker < endOffset).sort(([, a], [, b]) => a - b);
    this.#firsts = [];
    this.#markers = [];
    for (const [first, marker] of known) if (marker !== this.#markers.at(-1)) this.#addEnded(first, marker);
  }

  clear(): void {
    this.#open.clear();
    this.#order = [];
    this.#head = 0;
    this.#firsts = [];
    this.#markers = [];
  }

  #ended(): [number, number][] {
    return this.#firsts.map((first, i) => [first, this.#markers[i]!]);
  }

  #addEnded(firstOffset: number, markerOffset: number): void {
    while ((this.#firsts.at(-1) ?? -1) >= firstOffset) {
      this.#firsts.pop();
      this.#markers.pop();
    }
    this.#firsts.push(firstOffset);
    this.#markers.push(markerOffset);
    if (this.#firsts.length > this.#endedMax) this.#mergeOlder();
  }

  /**
   * Nobody asked for long, or a high watermark stands still. Two neighbours that are taken for one are undecided for as long as the later
   * one is: that holds readers back, and shows them nothing too early.
   */
  #mergeOlder(): void {
    const merged = Math.floor(this.#firsts.length / 4) * 2;
    const firsts: number[] = [];
    const markers: number[] = [];
    for (let i = 0; i < merged; i += 2) {
      firsts.push(this.#firsts[i]!);
      markers.push(this.#markers[i + 1]!);
    }
    this.#firsts.splice(0, merged, ...firsts);
    this.#markers.splice(0, merged, ...markers);
  }

  /** How many ended below that offset: they come first. */
  #endedBelow(offset: number): number {
    let [low, high] = [0, this.#markers.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#markers[middle]! < offset) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
