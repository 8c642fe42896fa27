import {
  baseOffsetAt,
  batchHeaderBytes,
  batchSizeAt,
  currentMagic,
  hasValidCrc,
  lastOffsetAt,
  leaderEpochAt,
  magicAt,
} from "../../../protocol/records/batch-header.ts";
import { refuseEpoch } from "./batch-walk.ts";

export interface RunBounds {
  /** Offsets of the run's batches lie in [firstOffset, endOffset). */
  readonly firstOffset: number;
  readonly endOffset: number;
  /** Last offset of the first batch, where an index gives it. */
  readonly firstBatchLastOffset: number | null;
  /** Leader epoch of the record at an offset, as the log knows it; null: not known. */
  readonly epochAt: (offset: number) => number | null;
}

/**
 * Whether bytes from the disk are the batches that were written there. The CRC does not cover base offset, length, leader epoch and magic:
 * a changed length or magic shows as a wrong CRC, a wrong offset by the neighbours, a wrong epoch by what the log knows of its epochs.
 */
export class RunCheck {
  readonly #bounds: RunBounds;
  #nextOffset: number;
  #expectedLastOffset: number | null;

  constructor(bounds: RunBounds) {
    this.#bounds = bounds;
    this.#nextOffset = bounds.firstOffset;
    this.#expectedLastOffset = bounds.firstBatchLastOffset;
  }

  /** The lowest offset that the next batch may begin with. */
  get nextOffset(): number {
    return this.#nextOffset;
  }

  /** Why the header at `at` is not that of the run's next batch, or null. `bytesLeft`: of the file, from there on. */
  refuseHeader(bytes: Buffer, at: number, bytesLeft: number): string | null {
    const sizeInBytes = batchSizeAt(bytes, at);
    if (magicAt(bytes, at) !== currentMagic) return `message format ${magicAt(bytes, at)}`;
    if (sizeInBytes < batchHeaderBytes || sizeInBytes > bytesLeft) return `batch of ${sizeInBytes} bytes with ${bytesLeft} bytes left`;
    const [baseOffset, lastOffset] = [baseOffsetAt(bytes, at), lastOffsetAt(bytes, at)];
    const { endOffset } = this.#bounds;
    if (baseOffset < this.#nextOffset || lastOffset < baseOffset || lastOffset >= endOffset)
      return `offsets ${baseOffset} to ${lastOffset}, where they must be from ${this.#nextOffset} to ${endOffset - 1}`;
    if (this.#expectedLastOffset !== null && lastOffset !== this.#expectedLastOffset)
      return `batch ends with offset ${lastOffset}, by the index with ${this.#expectedLastOffset}`;
    return null;
  }

  /** Why the batch, all of it in `bytes`, is not what was written, or null. Its header was not refused. */
  refuseBatch(bytes: Buffer, at: number): string | null {
    if (!hasValidCrc(bytes, at, batchSizeAt(bytes, at))) return "CRC-32C does not match the batch";
    const [epoch, known] = [leaderEpochAt(bytes, at), this.#bounds.epochAt(baseOffsetAt(bytes, at))];
    if (epoch >= 0 && known !== null && epoch !== known) return `leader epoch ${epoch}, where it must be ${known}`;
    return refuseEpoch(epoch);
  }

  /** The batch at `at` is passed; the next one follows it. */
  pass(bytes: Buffer, at: number): void {
    this.#nextOffset = lastOffsetAt(bytes, at) + 1;
    this.#expectedLastOffset = null;
  }
}
