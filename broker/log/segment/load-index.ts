import { codeOf } from "../../runtime/files.ts";
import type { LogDirectory } from "../log-directory.ts";
import { type IndexFormat, isSoundIndex } from "./index-format.ts";

export interface IndexExtent {
  readonly baseOffset: number;
  /** How many entries are wanted, or null for all that the file has. */
  readonly entries: number | null;
  /** What secondary values (positions, offsets) must stay below. */
  readonly secondaryEnd?: number;
}

/** The first `entries` of an index file, from the cache where possible. Null when the file is missing, too short or damaged. */
export async function loadIndex<Entry>(
  directory: Pick<LogDirectory, "openFiles" | "indexes">,
  format: IndexFormat<Entry>,
  path: string,
  { baseOffset, entries, secondaryEnd = Number.POSITIVE_INFINITY }: IndexExtent,
): Promise<Buffer | null> {
  const { indexes, openFiles } = directory;
  const cached = indexes.get(path);
  const wantedBytes = entries === null ? null : entries * format.entryBytes;
  if (cached !== null && cached.length >= (wantedBytes ?? 0)) return wantedBytes === null ? cached : cached.subarray(0, wantedBytes);
  const { version } = indexes;
  const content = await openFiles
    .use(path, async (file) => {
      const size = wantedBytes ?? (await file.size());
      const bytes = Buffer.allocUnsafeSlow(size);
      return (await file.read(bytes, 0, size, 0)) === size ? bytes : null;
    })
    .catch((error: unknown) => {
      if (codeOf(error) === "ENOENT") return null;
      throw error;
    });
  if (content === null || !isSoundIndex(format, content, baseOffset, secondaryEnd)) return null;
  if (indexes.version === version) indexes.set(path, content);
  return content;
}
