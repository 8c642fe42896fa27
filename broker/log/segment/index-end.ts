import { noTimestamp } from "../../../protocol/records/batch-header.ts";
import { codeOf, type File, type FileSystem } from "../../runtime/files.ts";
import { segmentFileName } from "../file-names.ts";
import type { LogDirectory } from "../log-directory.ts";
import { walkHeaders } from "./batch-walk.ts";
import { type IndexFormat, type OffsetEntry, offsetIndexFormat, type TimeEntry } from "./index-format.ts";

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

interface ClosedSegment {
  readonly folder: string;
  readonly baseOffset: number;
  readonly sizeInBytes: number;
  use<T>(directory: LogDirectory, work: (file: File) => Promise<T>): Promise<T>;
  floorPosition(offset: number, directory: LogDirectory): Promise<number>;
}

/**
 * Whether a closed segment's time index may end with `last`: the batch that the entry names is as new as it says, and none behind that is
 * newer. Entries rise, and each is the newest of all batches up to its own: so this finds every index that was cut, and every last entry
 * that was changed. Retention deletes by it. It costs little where timestamps rise, as that batch is near the segment's end then.
 */
export async function endsWithLargest(directory: LogDirectory, segment: ClosedSegment, last: TimeEntry | null): Promise<boolean> {
  const { sizeInBytes } = segment;
  const from = last === null ? 0 : await nearEnd(directory, segment, last.offset);
  if (from === null) return false;
  let fits = true;
  let isFound = last === null;
  const walked = await segment.use(directory, (file) =>
    walkHeaders(file, from, sizeInBytes, (batch) => {
      if (batch.maxTimestampMs > (last?.timestampMs ?? noTimestamp)) fits = false;
      // Kafka's entries may name any record of the batch
      if (last !== null && batch.baseOffset <= last.offset && last.offset <= batch.lastOffset) {
        isFound = true;
        if (batch.maxTimestampMs !== last.timestampMs) fits = false;
      }
      return fits ? "on" : "stop";
    }),
  );
  return fits && isFound && walked.damage === null;
}

/**
 * Where a batch starts, at or before the one with `offset`. As a rule that is in the last part of the segment, for which the end of the
 * offset index is enough. Null: that is missing or damaged.
 */
async function nearEnd(directory: LogDirectory, segment: ClosedSegment, offset: number): Promise<number | null> {
  const { folder, baseOffset, sizeInBytes } = segment;
  const end = await indexEnd(directory.files, offsetIndexFormat, `${folder}/${segmentFileName(baseOffset, "index")}`, baseOffset);
  if (end === null) return null;
  if (end.last === null) return 0;
  if (end.last.position < 0 || end.last.position >= sizeInBytes) return null;
  return offset >= end.last.offset ? end.last.position : segment.floorPosition(offset, directory);
}
