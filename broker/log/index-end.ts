import { noTimestamp } from "../../protocol/records/batch-header.ts";
import { codeOf, type File, type FileSystem } from "../runtime/files.ts";
import { walkHeaders } from "./batch-walk.ts";
import { segmentFileName } from "./file-names.ts";
import { type IndexFormat, type OffsetEntry, offsetIndexFormat, type TimeEntry } from "./index-format.ts";
import type { LogDirectory } from "./log-directory.ts";

export interface IndexEnd<Entry> {
  readonly entries: number;
  readonly last: Entry | null;
}

/** How many entries an index file has, and the last of them; null when it is missing or its size is wrong. */
export async function indexEnd<Entry extends OffsetEntry | TimeEntry>(
  files: FileSystem,
  format: IndexFormat<Entry>,
  path: string,
  baseOffset: number,
): Promise<IndexEnd<Entry> | null> {
  let file: File;
  try {
    file = await files.open(path, "read");
  } catch (error) {
    if (codeOf(error) === "ENOENT") return null;
    throw error;
  }
  try {
    const size = await file.size();
    if (size % format.entryBytes !== 0) return null;
    if (size === 0) return { entries: 0, last: null };
    const bytes = Buffer.alloc(format.entryBytes);
    await file.read(bytes, 0, bytes.length, size - bytes.length);
    const last = format.read(bytes, 0, baseOffset);
    return last.offset < baseOffset ? null : { entries: size / format.entryBytes, last };
  } finally {
    await file.close();
  }
}

/** Batches behind an offset index's last entry are looked at up to here: with the largest sensible interval between entries there are no more. */
const lookedAtBytesMax = 4 * 1024 * 1024;

interface ClosedSegment {
  readonly folder: string;
  readonly baseOffset: number;
  readonly sizeInBytes: number;
  use<T>(directory: LogDirectory, work: (file: File) => Promise<T>): Promise<T>;
}

/**
 * Whether a closed segment's time index may end with `last`: no batch at the segment's end is newer, and the batch that the entry names, if it is among those, is as new as the entry says.
 * Where timestamps rise, this finds every index that was cut, at little cost: a segment ends soon behind its last offset entry.
 */
export async function endsWithLargest(directory: LogDirectory, segment: ClosedSegment, last: TimeEntry | null): Promise<boolean> {
  const { folder, baseOffset, sizeInBytes } = segment;
  const offsets = await indexEnd(directory.files, offsetIndexFormat, `${folder}/${segmentFileName(baseOffset, "index")}`, baseOffset);
  const from = offsets?.last?.position ?? 0;
  if (offsets === null || from < 0 || from >= Math.max(sizeInBytes, 1)) return false;
  let fits = true;
  let lastOffset = -1;
  const walked = await segment.use(directory, (file) =>
    walkHeaders(file, from, sizeInBytes, (batch) => {
      lastOffset = batch.lastOffset;
      if (batch.maxTimestampMs > (last?.timestampMs ?? noTimestamp)) fits = false;
      const isNewest = last !== null && batch.baseOffset <= last.offset && last.offset <= batch.lastOffset;
      if (isNewest && batch.maxTimestampMs !== last.timestampMs) fits = false;
      return fits && batch.position - from < lookedAtBytesMax ? "on" : "stop";
    }),
  );
  return fits && walked.damage === null && (last === null || last.offset <= lastOffset);
}
