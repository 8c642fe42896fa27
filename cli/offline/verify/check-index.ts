import { type IndexFormat, type OffsetEntry, offsetIndexFormat, type TimeEntry, timeIndexFormat } from "../../../broker/disk-format.ts";
import { type BatchInfo, noTimestamp } from "../../../protocol/records/batch-header.ts";
import type { Fault } from "./finding.ts";

type Tell = (fault: Fault) => void;

/**
 * The entries of an index file, one after the other. Reports a torn end, and entries that are not above the one before; the latter are
 * skipped.
 */
class EntryCursor<Entry> {
  readonly #format: IndexFormat<Entry>;
  readonly #bytes: Buffer;
  readonly #baseOffset: number;
  readonly #tell: Tell;
  readonly #end: number;
  #at: number;
  #current: Entry | null = null;

  constructor(format: IndexFormat<Entry>, bytes: Buffer, baseOffset: number, tell: Tell) {
    this.#format = format;
    this.#bytes = bytes;
    this.#baseOffset = baseOffset;
    this.#tell = tell;
    this.#end = usedBytes(format, bytes);
    this.#at = -format.entryBytes;
    const torn = bytes.length % format.entryBytes;
    if (torn !== 0) tell({ position: bytes.length - torn, reason: `the last ${torn} bytes are no whole entry of ${format.entryBytes}` });
    this.next();
  }

  get entry(): Entry | null {
    return this.#current;
  }

  /** Of the entry in the file. */
  get position(): number {
    return this.#at;
  }

  next(): void {
    const { entryBytes } = this.#format;
    for (;;) {
      const before = this.#at;
      this.#at += entryBytes;
      if (this.#at + entryBytes > this.#end) {
        this.#current = null;
        return;
      }
      const rises = before < 0 || this.#riseAfter(before);
      if (rises) break;
      this.#tell({ position: this.#at, reason: "the entry does not lie after the one before it" });
    }
    this.#current = this.#format.read(this.#bytes, this.#at, this.#baseOffset);
  }

  #riseAfter(before: number): boolean {
    const { keyAt, secondaryAt } = this.#format;
    return (
      keyAt(this.#bytes, this.#at, this.#baseOffset) > keyAt(this.#bytes, before, this.#baseOffset) &&
      secondaryAt(this.#bytes, this.#at, this.#baseOffset) > secondaryAt(this.#bytes, before, this.#baseOffset)
    );
  }
}

/**
 * Kafka creates an index at its full size and truncates it when the segment is closed: after an unclean stop zeros follow the entries. One
 * zero entry alone is an entry.
 */
export function usedBytes<Entry>({ entryBytes }: IndexFormat<Entry>, bytes: Buffer): number {
  let end = bytes.length - (bytes.length % entryBytes);
  while (end > 0 && bytes.subarray(end - entryBytes, end).every((byte) => byte === 0)) end -= entryBytes;
  return end === 0 && bytes.length === entryBytes ? entryBytes : end;
}

/**
 * Whether every entry of an `.index` leads to the batch with its offset. The entry's offset is the last one of what was appended at its
 * position: one batch in our logs, perhaps several in Kafka's, whose followers and cleaner append more at a time.
 */
export class OffsetIndexCheck {
  readonly #cursor: EntryCursor<OffsetEntry>;
  readonly #tell: Tell;
  /** The entry's position was reached, its offset is further on. */
  #isPlaced = false;

  constructor(bytes: Buffer, baseOffset: number, tell: Tell) {
    this.#tell = tell;
    this.#cursor = new EntryCursor(offsetIndexFormat, bytes, baseOffset, tell);
  }

  /** To be called with each batch of the segment, in order. `isSound`: false when its CRC is wrong. */
  batch(batch: BatchInfo, isSound: boolean): void {
    for (let { entry } = this.#cursor; entry !== null && (this.#isPlaced || entry.position <= batch.position); { entry } = this.#cursor) {
      if (!this.#isPlaced && entry.position < batch.position) {
        this.#wrong(entry, `leads to position ${entry.position}, where no batch begins`);
        continue;
      }
      const isFurther = this.#isPlaced;
      this.#isPlaced = true;
      if (isSound && entry.offset > batch.lastOffset) return;
      const fits = isFurther ? entry.offset === batch.lastOffset : entry.offset >= batch.baseOffset;
      if (fits || !isSound) this.#next();
      else this.#wrong(entry, `leads to position ${entry.position} for offset ${entry.offset}, where another batch begins`);
    }
  }

  /** The segment's end. `isWhole`: all of it could be read. */
  end(fileBytes: number, isWhole: boolean): void {
    for (let { entry } = this.#cursor; entry !== null && isWhole; entry = this.#cursor.entry)
      this.#wrong(
        entry,
        `leads to position ${entry.position} for offset ${entry.offset}, which the segment of ${fileBytes} bytes does not have`,
      );
  }

  #wrong({ offset }: OffsetEntry, what: string): void {
    this.#tell({ position: this.#cursor.position, offset, reason: `the entry ${what}` });
    this.#next();
  }

  #next(): void {
    this.#isPlaced = false;
    this.#cursor.next();
  }
}

/** Whether every entry of a `.timeindex` has the largest timestamp so far, and leads to the batch that has it. */
export class TimeIndexCheck {
  readonly #cursor: EntryCursor<TimeEntry>;
  readonly #tell: Tell;
  #maxTimestampMs = noTimestamp;
  #lastEntryMs = noTimestamp;
  #allSound = true;

  constructor(bytes: Buffer, baseOffset: number, tell: Tell) {
    this.#tell = tell;
    this.#cursor = new EntryCursor(timeIndexFormat, bytes, baseOffset, tell);
  }

  /** As `OffsetIndexCheck.batch`. */
  batch(batch: BatchInfo, isSound: boolean): void {
    for (let { entry } = this.#cursor; entry !== null && entry.offset <= batch.lastOffset; entry = this.#cursor.entry) {
      const fault = isSound ? this.#faultOf(entry, batch) : null;
      if (fault !== null) this.#tell({ position: this.#cursor.position, offset: entry.offset, reason: fault });
      this.#lastEntryMs = entry.timestampMs;
      this.#cursor.next();
    }
    if (!isSound) this.#allSound = false;
    else this.#maxTimestampMs = Math.max(this.#maxTimestampMs, batch.maxTimestampMs);
  }

  #faultOf({ timestampMs, offset }: TimeEntry, batch: BatchInfo): string | null {
    if (offset < batch.baseOffset) return `the entry leads to offset ${offset}, which no batch has`;
    if (timestampMs !== batch.maxTimestampMs)
      return `the entry has timestamp ${timestampMs} for offset ${offset}, whose batch has ${batch.maxTimestampMs}`;
    if (this.#maxTimestampMs > timestampMs)
      return `the entry has timestamp ${timestampMs}, but an earlier batch has ${this.#maxTimestampMs}`;
    return null;
  }

  /** The segment's end. `isComplete`: the segment is closed, so the last entry must have its largest timestamp. */
  end({ isWhole, isComplete }: { readonly isWhole: boolean; readonly isComplete: boolean }): void {
    if (!isWhole) return;
    for (let { entry } = this.#cursor; entry !== null; entry = this.#cursor.entry) {
      this.#tell({
        position: this.#cursor.position,
        offset: entry.offset,
        reason: `the entry leads to offset ${entry.offset}, behind the segment's end`,
      });
      this.#lastEntryMs = entry.timestampMs;
      this.#cursor.next();
    }
    if (isComplete && this.#allSound && this.#lastEntryMs < this.#maxTimestampMs)
      this.#tell({
        position: this.#cursor.position,
        reason: `the last entry has timestamp ${this.#lastEntryMs}, the segment's largest is ${this.#maxTimestampMs}`,
      });
  }
}
