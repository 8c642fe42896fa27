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
import { type SlabPool, slabSizeFor } from "../../../protocol/wire/slab-pool.ts";
import type { File } from "../../runtime/files.ts";
import { DamagedBatch, OffsetOutOfLog, type ReadOptions, type ReadResult } from "../log-contract.ts";
import { refuseEpoch } from "../segment/batch-walk.ts";
import type { Segment } from "../segment/segment.ts";
import { refuseJoin } from "../segment/segment-joins.ts";
import type { LogState } from "./log-state.ts";
import { undisturbed } from "./undisturbed.ts";

/** One read takes at most this much memory, whatever is requested; only a single larger batch may exceed it. */
const readBytesMax = 64 * 1024 * 1024;
const offsetBytes = 8;

const nothing: ReadResult = { chunks: [], sizeInBytes: 0 };

/** Reads batches: from the tail in memory or, in one piece and checked, from one segment's file. */
export class LogReader {
  readonly #state: LogState;
  readonly #slabs: SlabPool;

  /** `slabs`: what files are read into. */
  constructor(state: LogState, slabs: SlabPool) {
    this.#state = state;
    this.#slabs = slabs;
  }

  async read(fromOffset: number, options: ReadOptions): Promise<ReadResult> {
    const state = this.#state;
    const cached = this.#fromTailMeanwhile(fromOffset, options);
    if (cached !== null) return cached;
    return undisturbed(state, async () => {
      const { startOffset, writtenEndOffset } = state;
      if (fromOffset < startOffset || fromOffset > writtenEndOffset)
        throw new OffsetOutOfLog(`offset ${fromOffset} is not in [${startOffset}, ${writtenEndOffset}]`);
      const limits = { ...options, endOffsetLimit: Math.min(options.endOffsetLimit, writtenEndOffset) };
      if (fromOffset >= limits.endOffsetLimit) return nothing;
      if (state.tail.covers(fromOffset)) return state.tail.read(fromOffset, limits);
      // where a gap is legitimate, the next segment has the next batch
      const { segments } = state;
      for (let i = state.segmentIndex(fromOffset); i < segments.length; i++) {
        const segment = segments[i]!;
        if (segment.baseOffset >= limits.endOffsetLimit) break;
        const found = await this.#readSegment(segment, segments[i + 1]?.baseOffset ?? null, fromOffset, limits);
        if (found !== null) return found;
      }
      return nothing;
    });
  }

  /** Compaction renames files, and reads of files wait: those of the tail need no file. */
  #fromTailMeanwhile(fromOffset: number, options: ReadOptions): ReadResult | null {
    const { renaming, truncating, closed, directory, startOffset, tail, writtenEndOffset } = this.#state;
    const isPossible = renaming !== null && truncating === null && !closed && directory.health.offline === null;
    if (!isPossible || fromOffset < startOffset || !tail.covers(fromOffset)) return null;
    return tail.read(fromOffset, { ...options, endOffsetLimit: Math.min(options.endOffsetLimit, writtenEndOffset) });
  }

  /** Null when the segment has no batch that ends at or above `fromOffset`. */
  async #readSegment(segment: Segment, nextBase: number | null, fromOffset: number, options: ReadOptions): Promise<ReadResult | null> {
    const { io, settings, epochs, believedGaps } = this.#state;
    // before the first await, so that they belong together
    const endOffset = nextBase ?? this.#state.writtenEndOffset;
    const { sizeInBytes } = segment;
    const bookmark = segment.bookmarks.at(fromOffset);
    const floor = bookmark === null ? await segment.floor(fromOffset, io) : null;
    const check = new RunCheck({
      firstOffset: bookmark === null ? segment.baseOffset : fromOffset,
      endOffset,
      firstBatchLastOffset: floor?.offset ?? null,
      epochAt: (offset) => epochs.epochAt(offset),
    });
    return segment.use(io, async (file) => {
      const run = new SegmentRun({ file, sizeInBytes, check, fromOffset, options, trust: this.#trust(segment, options) });
      const windowBytes = windowSize(options.maxBytes, settings.indexIntervalBytes);
      for (let at = bookmark ?? floor?.position ?? 0; at < sizeInBytes; ) {
        const length = Math.min(windowBytes, sizeInBytes - at);
        const slab = this.#slabs.take(length);
        const window = await readExactly(file, at, length, slab.bytes);
        const start = run.skip(window, at);
        if (start + batchHeaderBytes > window.length) {
          if (start === 0) throw run.damaged(at, `${window.length} bytes are too few for a batch`);
          at += start;
          slab.release();
          continue;
        }
        const taken = await run.take(window, start, at);
        if (typeof taken === "number") {
          slab.release();
          return this.#readOne(run, taken, at + start);
        }
        if (taken.sizeInBytes > 0) return { ...taken, release: slab.release, keptBytes: slab.bytes.length };
        slab.release();
        return taken;
      }
      const refused = nextBase === null ? null : refuseJoin(check.nextOffset, nextBase, believedGaps);
      if (refused !== null) throw run.damaged(sizeInBytes, refused);
      return null;
    });
  }

  async #readOne(run: SegmentRun, length: number, at: number): Promise<ReadResult> {
    const slab = this.#slabs.take(length);
    return { ...(await run.takeOne(slab.bytes.subarray(0, length), at)), release: slab.release, keptBytes: slab.bytes.length };
  }

  /** Once damage is known, nothing in this log is trusted: where there was one wrong bit there may be more. */
  #trust({ checked, bookmarks }: Segment, { trustsRemembered = false }: ReadOptions): Trust {
    const { damage, directory } = this.#state;
    const { remembering } = directory;
    return {
      reachFrom: (position) => (trustsRemembered && damage.first === null ? checked.reachFrom(position, remembering) : position),
      taken: (checkedFrom, end, nextOffset) => {
        checked.note(checkedFrom, end, remembering);
        bookmarks.note(nextOffset, end);
      },
    };
  }
}

/**
 * What is between the index entry and the batch is read in addition to what was requested, as far as that makes the slab no larger: it
 * would be twice as large, and half empty, for the sizes that clients usually ask for.
 */
function windowSize(maxBytes: number, indexIntervalBytes: number): number {
  const wantedBytes = Math.min(Math.max(maxBytes, batchHeaderBytes), readBytesMax);
  return Math.min(wantedBytes + indexIntervalBytes + batchHeaderBytes, slabSizeFor(wantedBytes));
}

/** What need not be checked, and what will not have to be. */
interface Trust {
  reachFrom(position: number): number;
  /**
   * Batches up to `end` were taken, those from `checkedFrom` on because they were checked: what was only trusted does not become any newer.
   * The file may have been cut meanwhile: then the segment that this is noted for is no longer the log's.
   */
  taken(checkedFrom: number, end: number, nextOffset: number): void;
}

interface RunParts {
  readonly file: File;
  readonly sizeInBytes: number;
  readonly check: RunCheck;
  readonly fromOffset: number;
  readonly options: ReadOptions;
  readonly trust: Trust;
}

/** One pass over a segment's batches, from a position that an index gave. */
class SegmentRun {
  readonly #file: File;
  readonly #sizeInBytes: number;
  readonly #check: RunCheck;
  readonly #fromOffset: number;
  readonly #options: ReadOptions;
  readonly #trust: Trust;

  constructor({ file, sizeInBytes, check, fromOffset, options, trust }: RunParts) {
    this.#file = file;
    this.#sizeInBytes = sizeInBytes;
    this.#check = check;
    this.#fromOffset = fromOffset;
    this.#options = options;
    this.#trust = trust;
  }

  damaged(position: number, reason: string): DamagedBatch {
    const offset = Math.max(this.#check.nextOffset, this.#fromOffset);
    return new DamagedBatch({ kind: "batch", path: this.#file.path, position, offset, reason });
  }

  /**
   * Where in the window (which is from `at` on) the first batch starts that ends at or above the wanted offset; may be past the window.
   * Only headers are read.
   */
  skip(window: Buffer, at: number): number {
    let start = 0;
    while (start + batchHeaderBytes <= window.length) {
      this.#checkHeader(window, start, at);
      if (lastOffsetAt(window, start) >= this.#fromOffset) break;
      this.#check.pass(window, start);
      start += batchSizeAt(window, start);
    }
    return start;
  }

  /**
   * The whole, sound batches from `start` on, within the requested limits. A damaged one ends them; when it is the first, DamagedBatch is
   * thrown. A number: the window is too small for the first one, which has that many bytes.
   */
  async take(window: Buffer, start: number, at: number): Promise<ReadResult | number> {
    const { maxBytes, endOffsetLimit, minOneBatch } = this.#options;
    const trustedTo = this.#trust.reachFrom(at + start);
    let end = start;
    while (end + batchHeaderBytes <= window.length) {
      const isFirst = end === start;
      const refusedHeader = this.#check.refuseHeader(window, end, this.#sizeInBytes - at - end);
      if (refusedHeader !== null) {
        if (isFirst) throw this.damaged(at + end, refusedHeader);
        break;
      }
      const next = end + batchSizeAt(window, end);
      if (lastOffsetAt(window, end) >= endOffsetLimit) break;
      if (next - start > maxBytes && !(minOneBatch && isFirst)) break;
      if (next > window.length) {
        if (isFirst) return next - end;
        break;
      }
      const refused = at + next <= trustedTo ? null : await this.#refuse(window, end, next, at);
      if (refused !== null) {
        if (isFirst) throw this.damaged(at + end, refused);
        break;
      }
      this.#check.pass(window, end);
      end = next;
    }
    if (end === start) return nothing;
    this.#trust.taken(Math.max(at + start, trustedTo), at + end, this.#check.nextOffset);
    return { chunks: [window.subarray(start, end)], sizeInBytes: end - start };
  }

  /** The batch at `at`, which is as long as `batch`: it is read into it. */
  async takeOne(batch: Buffer, at: number): Promise<ReadResult> {
    await readExactly(this.#file, at, batch.length, batch);
    const trustedTo = this.#trust.reachFrom(at);
    const end = at + batch.length;
    const refused = end <= trustedTo ? null : await this.#refuse(batch, 0, batch.length, at);
    if (refused !== null) throw this.damaged(at, refused);
    this.#check.pass(batch, 0);
    this.#trust.taken(Math.max(at, trustedTo), end, this.#check.nextOffset);
    return { chunks: [batch], sizeInBytes: batch.length };
  }

  async #refuse(window: Buffer, batchAt: number, next: number, at: number): Promise<string | null> {
    return this.#check.refuseBatch(window, batchAt) ?? (await this.#refuseNeighbour(window, batchAt, next, at));
  }

  #checkHeader(window: Buffer, start: number, at: number): void {
    const refused = this.#check.refuseHeader(window, start, this.#sizeInBytes - at - start);
    if (refused !== null) throw this.damaged(at + start, refused);
  }

  /** A batch whose last offset is not below the next one's first: one of the two has a wrong offset. */
  async #refuseNeighbour(window: Buffer, batchAt: number, next: number, at: number): Promise<string | null> {
    if (at + next + offsetBytes > this.#sizeInBytes) return null;
    const bytes = next + offsetBytes <= window.length ? window.subarray(next) : await readExactly(this.#file, at + next, offsetBytes);
    const [lastOffset, nextOffset] = [lastOffsetAt(window, batchAt), baseOffsetAt(bytes, 0)];
    return nextOffset > lastOffset ? null : `ends with offset ${lastOffset}, but the next batch begins with ${nextOffset}`;
  }
}

/** Bytes that must exist: a file that has become shorter is damaged. */
export async function readExactly(
  file: File,
  position: number,
  length: number,
  into: Buffer = Buffer.allocUnsafe(length),
): Promise<Buffer> {
  const bytes = into.subarray(0, length);
  const count = await file.read(bytes, 0, length, position);
  if (count === length) return bytes;
  const reason = `the file ends at ${position + count}, and should have ${length} bytes from ${position} on`;
  throw new DamagedBatch({ kind: "batch", path: file.path, position: position + count, offset: -1, reason });
}

export interface RunBounds {
  /** Offsets of the run's batches are in [firstOffset, endOffset). */
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
