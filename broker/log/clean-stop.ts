import { crc32c } from "@node-rs/crc32";
import type { FileSystem } from "../runtime/files.ts";
import { replaceFile } from "../runtime/files.ts";
import { decodeCheckpoint, encodeCheckpoint, readIfThere } from "./checkpoint-file.ts";
import { fileNames } from "./file-names.ts";

/** Bytes in a segment's files; -1: not known. */
export interface SegmentSizes {
  readonly baseOffset: number;
  readonly log: number;
  readonly index: number;
  readonly timeindex: number;
}

/**
 * Which segments a log had when it was closed, and how large their files were. A file that was cut or lost while no broker ran is not
 * noticed otherwise: a hole in the offsets looks as if compaction had left it, an index that ends early as if nothing came after. Taken
 * away when the log is opened or recovered, so that what is found is never old.
 */
export function writeCleanStop(files: FileSystem, folder: string, sizes: readonly SegmentSizes[]): Promise<void> {
  const lines = sizes.map(({ baseOffset, log, index, timeindex }) => `${baseOffset} ${log} ${index} ${timeindex}`);
  return replaceFile(files, `${folder}/${fileNames.cleanStop}`, encodeCheckpoint([...lines, checkLine(lines)]));
}

/** By base offset, rising. Null: there is none, or it is damaged and says nothing. */
export async function takeCleanStop(files: FileSystem, folder: string): Promise<readonly SegmentSizes[] | null> {
  const path = `${folder}/${fileNames.cleanStop}`;
  const content = await readIfThere(files, path);
  if (content === null) return null;
  await files.remove(path);
  return decodeCleanStop(content);
}

/**
 * The segments that a log has which begins at `startOffset`: from the one that holds it on. Not by the first file found, which may be gone
 * as well as any other.
 */
export function fromStart(sizes: readonly SegmentSizes[], startOffset: number): readonly SegmentSizes[] {
  const first = sizes.findLastIndex(({ baseOffset }) => baseOffset <= startOffset);
  return sizes.slice(Math.max(first, 0));
}

/** Null when it is damaged. */
export function decodeCleanStop(content: Buffer): readonly SegmentSizes[] | null {
  const lines = decodeCheckpoint(content);
  const entries = lines?.slice(0, -1) ?? [];
  if (lines === null || lines.at(-1) !== checkLine(entries)) return null;
  return entries.map((line) => {
    const [baseOffset, log, index, timeindex] = line.split(" ").map(Number);
    return { baseOffset: baseOffset!, log: log!, index: index!, timeindex: timeindex! };
  });
}

function checkLine(lines: readonly string[]): string {
  return `crc32c ${crc32c(lines.join("\n"))}`;
}
