import type { BatchInfo } from "../../../protocol/records/batch-header.ts";
import { replaceFile } from "../../runtime/files.ts";
import { segmentFileName } from "../files/file-names.ts";
import { walkHeaders } from "./batch-walk.ts";
import { encodeEntries, type OffsetEntry, offsetIndexFormat, relativeOffsetMax, type TimeEntry, timeIndexFormat } from "./index-file.ts";
import { forgetFile, type SegmentIo } from "./read-caches.ts";
import { closingEntry, emptyLayout, type LayoutState, place } from "./segment-layout.ts";

/** How densely a rebuilt index is filled: Kafka's default, whatever the topic's setting. */
const rebuiltIndexIntervalBytes = 4096;

export interface IndexEntries {
  readonly offsets: readonly OffsetEntry[];
  readonly times: readonly TimeEntry[];
}

/** The index entries of a segment whose batches are added one after the other, by the same rule as when they were written. */
export class IndexBuilder {
  readonly #offsets: OffsetEntry[] = [];
  readonly #times: TimeEntry[] = [];
  #layout: LayoutState;

  constructor(baseOffset: number) {
    this.#layout = emptyLayout(baseOffset, 0);
  }

  add(batch: BatchInfo): void {
    const { state, offsetEntry, timeEntry } = place(this.#layout, batch, rebuiltIndexIntervalBytes);
    this.#layout = state;
    if (offsetEntry !== null) this.#offsets.push(offsetEntry);
    if (timeEntry !== null) this.#times.push(timeEntry);
  }

  /** Includes the entry that closes the segment. Nothing is added afterwards. */
  finish(): IndexEntries {
    const closing = closingEntry(this.#layout);
    if (closing !== null) this.#times.push(closing);
    return { offsets: this.#offsets, times: this.#times };
  }
}

interface SealedSegment {
  readonly folder: string;
  readonly logPath: string;
  readonly baseOffset: number;
  readonly sizeInBytes: number;
}

/** Where a segment's batches are damaged. */
export interface SegmentDamage {
  readonly position: number;
  readonly reason: string;
}

/**
 * Builds a segment's indexes from the headers of its batches, as they are when it is sealed. The reason instead, and nothing built, when
 * the batches are damaged.
 */
export async function rebuildIndexes(io: SegmentIo, segment: SealedSegment): Promise<SegmentDamage | null> {
  const { baseOffset, folder, sizeInBytes } = segment;
  const builder = new IndexBuilder(baseOffset);
  let nextOffset = baseOffset;
  const { damage, endPosition } = await io.openFiles.use(segment.logPath, (file) =>
    walkHeaders(file, 0, sizeInBytes, (batch) => {
      // a header's base offset is not covered by the CRC, and an index must rise
      if (batch.baseOffset < nextOffset || batch.lastOffset < batch.baseOffset || batch.lastOffset - baseOffset > relativeOffsetMax)
        return { refuse: `offsets ${batch.baseOffset} to ${batch.lastOffset} where ${nextOffset} comes next` };
      nextOffset = batch.lastOffset + 1;
      builder.add(batch);
      return "on";
    }),
  );
  if (damage !== null) return { position: endPosition, reason: damage };
  await replaceIndexes(io, folder, baseOffset, builder.finish());
  return null;
}

/** Writes both index files, each atomically; durable when this resolves. */
export async function replaceIndexes(
  io: Pick<SegmentIo, "files" | "openFiles" | "indexes">,
  folder: string,
  baseOffset: number,
  { offsets, times }: IndexEntries,
): Promise<void> {
  const contents = [
    [`${folder}/${segmentFileName(baseOffset, "index")}`, encodeEntries(offsetIndexFormat, offsets, baseOffset)],
    [`${folder}/${segmentFileName(baseOffset, "timeindex")}`, encodeEntries(timeIndexFormat, times, baseOffset)],
  ] as const;
  for (const [path, content] of contents) {
    await replaceFile(io.files, path, content);
    await forgetFile(io, path);
  }
}
