import { codeOf, type FileSystem, replaceFile } from "../../runtime/files.ts";
import { segmentFileName } from "../files/file-names.ts";
import { AbortedIndexDamaged, type AbortedTransaction, abortedIndexFormat, visitEntries } from "./aborted-index.ts";
import { encodeEntries } from "./index-file.ts";
import { forgetFile, type SegmentIo } from "./read-caches.ts";

interface SegmentPlace {
  readonly folder: string;
  readonly baseOffset: number;
}

/**
 * How many entries a segment's `.txnindex` has, after checking all of them; 0 where there is no such file. `expectedBytes`: -1, or what it
 * must have. Throws AbortedIndexDamaged.
 */
export async function countAborted(io: SegmentIo, { folder, baseOffset }: SegmentPlace, expectedBytes: number): Promise<number> {
  const { entryBytes } = abortedIndexFormat;
  const path = pathOf({ folder, baseOffset });
  const bytes = await sizeIfThere(io.files, path);
  if (expectedBytes >= 0 && bytes !== expectedBytes) throw new AbortedIndexDamaged(`${bytes} bytes, it had ${expectedBytes}`);
  if (bytes % entryBytes !== 0) throw new AbortedIndexDamaged(`${bytes} bytes are no whole entries`);
  const entries = bytes / entryBytes;
  if (entries > 0) await io.openFiles.use(path, (file) => visitEntries(file, { from: 0, entries, baseOffset }, () => true));
  return entries;
}

/** The segment has these, in a file of their own unless there is none. Durable when this resolves. */
export async function replaceAborted(
  io: Pick<SegmentIo, "files" | "openFiles" | "indexes">,
  { folder, baseOffset }: SegmentPlace,
  entries: readonly AbortedTransaction[],
): Promise<void> {
  const path = pathOf({ folder, baseOffset });
  if (entries.length > 0) await replaceFile(io.files, path, encodeEntries(abortedIndexFormat, entries, baseOffset));
  else if (await io.files.exists(path)) {
    await io.files.remove(path);
    await io.files.syncDirectory(folder);
  }
  await forgetFile(io, path);
}

/** Entries were cut: a segment without any has no such file. */
export async function removeIfEmpty(io: Pick<SegmentIo, "files" | "openFiles" | "indexes">, place: SegmentPlace): Promise<void> {
  if ((await sizeIfThere(io.files, pathOf(place))) === 0) await replaceAborted(io, place, []);
}

function pathOf({ folder, baseOffset }: SegmentPlace): string {
  return `${folder}/${segmentFileName(baseOffset, "txnindex")}`;
}

async function sizeIfThere(files: FileSystem, path: string): Promise<number> {
  try {
    return await files.size(path);
  } catch (error) {
    if (codeOf(error) === "ENOENT") return 0;
    throw error;
  }
}
