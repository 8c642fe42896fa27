import { type FileSystem, replaceFile } from "../../runtime/files.ts";
import { segmentFileName } from "../files/file-names.ts";
import { walkHeaders } from "./batch-walk.ts";
import { encodeEntries, type OffsetEntry, offsetIndexFormat, relativeOffsetMax, type TimeEntry, timeIndexFormat } from "./index-file.ts";
import type { SegmentIo } from "./read-caches.ts";
import { closingEntry, emptyLayout, place } from "./segment-layout.ts";

/** How densely a rebuilt index is filled: Kafka's default, whatever the topic's setting. */
export const rebuiltIndexIntervalBytes = 4096;

export interface IndexEntries {
  readonly offsets: readonly OffsetEntry[];
  readonly times: readonly TimeEntry[];
}

interface SealedSegment {
  readonly folder: string;
  readonly logPath: string;
  readonly baseOffset: number;
  readonly sizeInBytes: number;
}

/** Where a segment's batches are no batches any more. */
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
  const [offsets, times]: [OffsetEntry[], TimeEntry[]] = [[], []];
  let layout = emptyLayout(baseOffset, 0);
  let nextOffset = baseOffset;
  const { damage, endPosition } = await io.openFiles.use(segment.logPath, (file) =>
    walkHeaders(file, 0, sizeInBytes, (batch) => {
      // a header's base offset is not covered by the CRC, and an index must rise
      if (batch.baseOffset < nextOffset || batch.lastOffset < batch.baseOffset || batch.lastOffset - baseOffset > relativeOffsetMax)
        return { refuse: `offsets ${batch.baseOffset} to ${batch.lastOffset} where ${nextOffset} comes next` };
      nextOffset = batch.lastOffset + 1;
      const placed = place(layout, batch, rebuiltIndexIntervalBytes);
      layout = placed.state;
      if (placed.offsetEntry !== null) offsets.push(placed.offsetEntry);
      if (placed.timeEntry !== null) times.push(placed.timeEntry);
      return "on";
    }),
  );
  if (damage !== null) return { position: endPosition, reason: damage };
  const closing = closingEntry(layout);
  if (closing !== null) times.push(closing);
  await replaceIndexes(io, folder, baseOffset, { offsets, times });
  return null;
}

/** Both index files in one step each, durable when it resolves. */
export async function replaceIndexes(
  { files, openFiles, indexes }: Pick<SegmentIo, "openFiles" | "indexes"> & { readonly files: FileSystem },
  folder: string,
  baseOffset: number,
  { offsets, times }: IndexEntries,
): Promise<void> {
  const contents = [
    [`${folder}/${segmentFileName(baseOffset, "index")}`, encodeEntries(offsetIndexFormat, offsets, baseOffset)],
    [`${folder}/${segmentFileName(baseOffset, "timeindex")}`, encodeEntries(timeIndexFormat, times, baseOffset)],
  ] as const;
  for (const [path, content] of contents) {
    await replaceFile(files, path, content);
    indexes.forget(path);
    await openFiles.forget(path);
  }
}
