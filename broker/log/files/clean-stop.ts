import { crc32c } from "@node-rs/crc32";
import { type FileSystem, replaceFile } from "../../runtime/files.ts";
import { decodeChecked, encodeChecked, readIfThere } from "./checkpoint-file.ts";
import { type CleanShutdown, encodeCleanShutdown } from "./directory-notes.ts";
import { fileNames } from "./file-names.ts";

/** Bytes in a segment's files; -1: not known. A file that may be missing has 0. */
export interface SegmentSizes {
  readonly baseOffset: number;
  readonly log: number;
  readonly index: number;
  readonly timeindex: number;
  readonly txnindex: number;
}

/** By the name of a log's folder; each log's by base offset, ascending. */
export type ClosedLogs = ReadonlyMap<string, readonly SegmentSizes[]>;

/**
 * `ottla-clean-stop`: which segments each log of a directory had when it was closed, and how large their files were. A file that was cut or
 * lost while no broker ran is not noticed otherwise: a hole in the offsets looks as if compaction had left it, an index that ends early as
 * if nothing came after. And it says that the names of those files are on the disk.
 *
 * One file for all logs of a directory: with thousands of them, a note in each folder would be most of what a stop costs. It counts only
 * beside the marker of the same stop, which has its checksum, and is removed with the marker before anything is written. Otherwise:
 * (1) Ottla stops; (2) a Kafka runs on the directory, appends, and stops; (3) to Ottla, what was appended would look as if it were not
 * ours.
 *
 * A log that was set aside has such a file in its own folder, with nothing but itself in it.
 */
export function encodeCleanStop(logs: ClosedLogs): Buffer {
  const lines: string[] = [];
  for (const [name, segments] of logs) {
    lines.push(`log ${name}`);
    for (const { baseOffset, log, index, timeindex, txnindex } of segments)
      lines.push(`${baseOffset} ${log} ${index} ${timeindex} ${txnindex}`);
  }
  return encodeChecked(lines);
}

/** Null when it is damaged. */
export function decodeCleanStop(content: Buffer): ClosedLogs | null {
  const logs = new Map<string, SegmentSizes[]>();
  let segments: SegmentSizes[] | null = null;
  for (const line of decodeChecked(content) ?? ["damaged"]) {
    if (line.startsWith("log ")) {
      segments = [];
      logs.set(line.slice("log ".length), segments);
      continue;
    }
    // stops before there were transactions say nothing of the last one
    const [baseOffset, log, index, timeindex, txnindex = -1] = line.split(" ").map(Number);
    if (segments === null || ![baseOffset, log, index, timeindex, txnindex].every(Number.isSafeInteger)) return null;
    segments.push({ baseOffset: baseOffset!, log: log!, index: index!, timeindex: timeindex!, txnindex });
  }
  return logs;
}

/** For the marker of the stop. */
export function checksumOfCleanStop(content: Buffer): number {
  return crc32c(content);
}

export interface CleanStop extends Pick<CleanShutdown, "doubt"> {
  readonly brokerEpoch: number;
  readonly closed: ClosedLogs;
}

/** The last thing that a stop writes into a log directory: the note, and the marker that counts. Durable when it resolves. */
export async function markCleanStop(files: FileSystem, root: string, { brokerEpoch, doubt, closed }: CleanStop): Promise<void> {
  const note = encodeCleanStop(closed);
  await replaceFile(files, `${root}/${fileNames.cleanStop}`, note);
  const marker = encodeCleanShutdown(brokerEpoch, { doubt, closedChecksum: checksumOfCleanStop(note) });
  await replaceFile(files, `${root}/${fileNames.cleanShutdown}`, marker);
}

/** Of the stop whose marker has this checksum; null: there is none, it is another stop's, or damaged. */
export async function readCleanStop(files: FileSystem, folder: string, checksum: number | null): Promise<ClosedLogs | null> {
  const content = checksum === null ? null : await readIfThere(files, `${folder}/${fileNames.cleanStop}`);
  return content === null || checksumOfCleanStop(content) !== checksum ? null : decodeCleanStop(content);
}

/**
 * The segments of a log that begins at `startOffset`: from the one that holds it on. Not by the first file found, since any file may be
 * missing.
 */
export function fromStart(sizes: readonly SegmentSizes[], startOffset: number): readonly SegmentSizes[] {
  const first = sizes.findLastIndex(({ baseOffset }) => baseOffset <= startOffset);
  return sizes.slice(Math.max(first, 0));
}
