import { batchHeaderBytes, batchSizeAt, currentMagic, lastOffsetAt, magicAt } from "../../protocol/records/batch-header.ts";
import type { File } from "../runtime/files.ts";
import { LogOffline, OffsetOutOfLog, type ReadOptions, type ReadResult } from "./log-contract.ts";
import type { LogState } from "./log-state.ts";
import type { Segment } from "./segment.ts";

/** One read takes at most this much memory, whatever is asked for; only a single larger batch may exceed it. */
const readBytesMax = 64 * 1024 * 1024;

const nothing: ReadResult = { chunks: [], sizeInBytes: 0 };

/** Reads batches: from the tail in memory or, in one piece, from one segment's file. */
export class LogReader {
  readonly #state: LogState;

  constructor(state: LogState) {
    this.#state = state;
  }

  async read(fromOffset: number, options: ReadOptions): Promise<ReadResult> {
    const state = this.#state;
    return undisturbed(state, async () => {
      const { startOffset, writtenEndOffset } = state;
      if (fromOffset < startOffset || fromOffset > writtenEndOffset)
        throw new OffsetOutOfLog(`offset ${fromOffset} is not in [${startOffset}, ${writtenEndOffset}]`);
      const limits = { ...options, endOffsetLimit: Math.min(options.endOffsetLimit, writtenEndOffset) };
      if (fromOffset >= limits.endOffsetLimit) return nothing;
      if (state.tail.covers(fromOffset)) return state.tail.read(fromOffset, limits);
      // compaction may have taken a segment's last batches: then the next segment has the next one
      for (const segment of state.segments.slice(state.segmentIndex(fromOffset))) {
        if (segment.baseOffset >= limits.endOffsetLimit) break;
        const found = await this.#readSegment(segment, fromOffset, limits);
        if (found !== null) return found;
      }
      return nothing;
    });
  }

  /** Null when the segment has no batch that ends at or above `fromOffset`. */
  async #readSegment(segment: Segment, fromOffset: number, options: ReadOptions): Promise<ReadResult | null> {
    const { directory, settings } = this.#state;
    // both before the first await, so that they belong together
    const { sizeInBytes } = segment;
    let at = await segment.floorPosition(fromOffset, directory);
    return segment.use(directory, async (file) => {
      // what lies between the index entry and the batch comes on top of what is asked for
      const windowBytes = Math.min(Math.max(options.maxBytes, 0), readBytesMax) + settings.indexIntervalBytes + batchHeaderBytes;
      while (at < sizeInBytes) {
        const window = await readExactly(file, at, Math.min(windowBytes, sizeInBytes - at));
        const start = skipTo(window, fromOffset);
        if (start + batchHeaderBytes > window.length) {
          if (start === 0) throw new Error(`${file.path} is damaged at ${at}`);
          at += start;
          continue;
        }
        const whole = wholeBatches(window, start, options);
        if (whole.length > 0) return { chunks: [whole], sizeInBytes: whole.length };
        const firstBytes = batchSizeAt(window, start);
        const wanted = options.minOneBatch || firstBytes <= options.maxBytes;
        if (!wanted || lastOffsetAt(window, start) >= options.endOffsetLimit) return nothing;
        const first = await readExactly(file, at + start, firstBytes);
        return { chunks: [first], sizeInBytes: firstBytes };
      }
      return null;
    });
  }
}

/**
 * Runs a read that may be overtaken by a truncation. (a) It looks up a position; (b) the log is cut below it and grows again; (c) it reads bytes of other records, or none.
 * So whatever came out is dropped, and asked for again, when the log was cut meanwhile. Failures of the files take the directory offline.
 */
export async function undisturbed<T>(state: LogState, read: () => Promise<T>): Promise<T> {
  for (;;) {
    while (state.truncating !== null) await state.truncating;
    state.directory.health.assertOnline();
    if (state.closed) throw new LogOffline(`log ${state.folder} is closed`);
    const { generation } = state;
    try {
      const result = await read();
      if (state.generation === generation) return result;
    } catch (error) {
      if (error instanceof OffsetOutOfLog) throw error;
      if (state.closed) throw new LogOffline(`log ${state.folder} is closed`, { cause: error });
      if (state.generation === generation) throw state.directory.health.failed(error);
    }
  }
}

export async function readExactly(file: File, position: number, length: number): Promise<Buffer> {
  const bytes = Buffer.allocUnsafe(length);
  const count = await file.read(bytes, 0, length, position);
  if (count < length) throw new Error(`${file.path} ends at ${position + count}, ${length} bytes were to be at ${position}`);
  return bytes;
}

/** Where the first batch starts that ends at or above `offset`; may be behind the window. */
function skipTo(window: Buffer, offset: number): number {
  let at = 0;
  while (at + batchHeaderBytes <= window.length && lastOffsetAt(window, at) < offset) at += checkedSize(window, at);
  return at;
}

function wholeBatches(window: Buffer, start: number, { maxBytes, endOffsetLimit, minOneBatch }: ReadOptions): Buffer {
  let end = start;
  while (end + batchHeaderBytes <= window.length) {
    const next = end + checkedSize(window, end);
    if (next > window.length || lastOffsetAt(window, end) >= endOffsetLimit) break;
    if (next - start > maxBytes && !(minOneBatch && end === start)) break;
    end = next;
  }
  return window.subarray(start, end);
}

/** Our own files, but disks rot: a size that cannot be would have us walk in circles. */
function checkedSize(window: Buffer, at: number): number {
  const sizeInBytes = batchSizeAt(window, at);
  if (sizeInBytes < batchHeaderBytes || magicAt(window, at) !== currentMagic)
    throw new Error(`no batch where one should be (offset ${lastOffsetAt(window, at)})`);
  return sizeInBytes;
}
