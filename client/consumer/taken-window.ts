import type { Place } from "../fetch/assigned-partition.ts";
import { Fifo } from "./fifo.ts";

/** A record that was taken to be handled. */
export interface TakenEntry {
  /** The partition's position before it was taken: where its next reader begins if it is not processed. */
  readonly before: Place;
  readonly offset: number;
  readonly bytes: number;
  isProcessed: boolean;
}

/** How much one partition may have in its window. One record is always allowed. */
export interface WindowLimits {
  readonly recordsMax: number;
  readonly bytesMax: number;
}

/**
 * The records of one partition from the oldest that is not processed to the last one taken, those processed in between included: handlers
 * that run in parallel finish in any order. Nothing at or after the oldest may be committed.
 */
export class TakenWindow {
  readonly #entries = new Fifo<TakenEntry>();
  #begunTo = -1;
  #failedAt = Number.POSITIVE_INFINITY;
  #bytes = 0;
  #isFull = false;

  /** Null: everything taken was processed. */
  get oldest(): Place | null {
    return this.#entries.first?.before ?? null;
  }

  /** A record from there comes after those in the window. If not, the position was moved back, or the topic is another of the same name. */
  isContinuedBy({ offset, topicId }: Place): boolean {
    const last = this.#entries.last;
    return last === undefined || (offset > last.offset && topicId === last.before.topicId);
  }

  take(entry: TakenEntry): void {
    this.#entries.push(entry);
    this.#bytes += entry.bytes;
  }

  begun({ offset }: TakenEntry): void {
    this.#begunTo = Math.max(this.#begunTo, offset);
  }

  /** It is not handled any more: nothing from it on can be committed. */
  failed({ offset }: TakenEntry): void {
    this.#failedAt = Math.min(this.#failedAt, offset);
  }

  /** Once it is processed, more can be committed: what was begun after it. */
  holdsUp({ offset }: TakenEntry): boolean {
    return offset < this.#begunTo && offset < this.#failedAt;
  }

  processed(entry: TakenEntry): void {
    entry.isProcessed = true;
    this.#pass();
  }

  /** The application committed this itself: everything before counts as processed. */
  committedTo(offset: number): void {
    for (let entry = this.#entries.first; entry !== undefined && entry.offset < offset; entry = this.#entries.first) this.#drop();
    this.#pass();
  }

  get isFull(): boolean {
    return this.#isFull;
  }

  /** Once it is full, half of it has to be processed first: a batch that was opened in part has to be opened again. */
  mayTake({ recordsMax, bytesMax }: WindowLimits): boolean {
    const records = this.#entries.length;
    const part = this.#isFull ? 0.5 : 1;
    this.#isFull = records > 0 && (records >= recordsMax * part || this.#bytes >= bytesMax * part);
    return !this.#isFull;
  }

  #pass(): void {
    while (this.#entries.first?.isProcessed) this.#drop();
  }

  #drop(): void {
    this.#bytes -= this.#entries.shift()?.bytes ?? 0;
  }
}
