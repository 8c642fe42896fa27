import { readInt64, writeInt64 } from "../../../protocol/records/batch-header.ts";
import type { File } from "../../runtime/files.ts";
import type { IndexFormat } from "./index-file.ts";

/** A transaction that was aborted, by its marker in the log. */
export interface AbortedTransaction {
  readonly producerId: number;
  readonly firstOffset: number;
  /** Of the marker. */
  readonly offset: number;
  /** Up to there every transaction had its marker when this one got its own. */
  readonly lastStableOffset: number;
}

const version = 0;
const at = { version: 0, producerId: 2, firstOffset: 10, lastOffset: 18, lastStableOffset: 26 } as const;

/**
 * `.txnindex`: of each segment, the aborted transactions whose markers are in it, in their order. Kafka's: version int16, producer id
 * int64, first offset int64, the marker's offset int64, last stable offset int64. A segment without any has no such file.
 */
export const abortedIndexFormat: IndexFormat<AbortedTransaction> = {
  entryBytes: 34,
  keyAt: (bytes, from) => readInt64(bytes, from + at.lastOffset),
  secondaryAt: (bytes, from) => readInt64(bytes, from + at.lastOffset),
  read: (bytes, from) => ({
    producerId: readInt64(bytes, from + at.producerId),
    firstOffset: readInt64(bytes, from + at.firstOffset),
    offset: readInt64(bytes, from + at.lastOffset),
    lastStableOffset: readInt64(bytes, from + at.lastStableOffset),
  }),
  write: (bytes, from, { producerId, firstOffset, offset, lastStableOffset }) => {
    bytes.writeInt16BE(version, from + at.version);
    writeInt64(bytes, from + at.producerId, producerId);
    writeInt64(bytes, from + at.firstOffset, firstOffset);
    writeInt64(bytes, from + at.lastOffset, offset);
    writeInt64(bytes, from + at.lastStableOffset, lastStableOffset);
  },
};

/** Read at a time, at most. */
const windowEntries = 2048;

/** Entries of a file that cannot be those of its segment. */
export class AbortedIndexDamaged extends Error {
  override readonly name = "AbortedIndexDamaged";
}

/**
 * Visits the entries [from, entries) of a file in order, until `visit` returns false; its result is the last visit's. Memory is bounded
 * whatever the file has. Throws AbortedIndexDamaged.
 */
export async function visitEntries(
  file: File,
  { from, entries, baseOffset }: { readonly from: number; readonly entries: number; readonly baseOffset: number },
  visit: (entry: AbortedTransaction) => boolean,
): Promise<boolean> {
  const { entryBytes } = abortedIndexFormat;
  const window = Buffer.allocUnsafe(Math.min(Math.max(entries - from, 0), windowEntries) * entryBytes);
  let previous = baseOffset - 1;
  for (let next = from; next < entries; ) {
    const wanted = Math.min(window.length, (entries - next) * entryBytes);
    if ((await file.read(window, 0, wanted, next * entryBytes)) < wanted) throw new AbortedIndexDamaged("the file is shorter than it was");
    for (let at = 0; at < wanted; at += entryBytes, next++) {
      const refused = refuseEntry(window, at, previous);
      if (refused !== null) throw new AbortedIndexDamaged(`entry ${next}: ${refused}`);
      const entry = abortedIndexFormat.read(window, at, baseOffset);
      previous = entry.offset;
      if (!visit(entry)) return false;
    }
  }
  return true;
}

/** Why the bytes at `from` cannot be an entry after that of the marker at `previous`; null: they can. */
export function refuseEntry(bytes: Buffer, from: number, previous: number): string | null {
  if (bytes.readInt16BE(from) !== version) return `version ${bytes.readInt16BE(from)}, known is ${version}`;
  const { producerId, firstOffset, offset, lastStableOffset } = abortedIndexFormat.read(bytes, from, 0);
  if (![producerId, firstOffset, offset, lastStableOffset].every((value) => Number.isSafeInteger(value) && value >= 0))
    return "a negative number, or one beyond 2^53";
  if (offset <= previous) return `a marker at ${offset} after ${previous}`;
  if (firstOffset >= offset) return `a transaction from ${firstOffset} that ended at ${offset}`;
  return lastStableOffset > offset + 1 ? `stable up to ${lastStableOffset} at its marker at ${offset}` : null;
}

/** The first of a file's entries whose marker is at or above `offset`. */
export async function firstEntryFrom(file: File, entries: number, offset: number): Promise<number> {
  const { entryBytes } = abortedIndexFormat;
  const bytes = Buffer.allocUnsafe(entryBytes);
  let [low, high] = [0, entries];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((await file.read(bytes, 0, entryBytes, middle * entryBytes)) < entryBytes)
      throw new AbortedIndexDamaged("the file is shorter than it was");
    if (abortedIndexFormat.keyAt(bytes, 0, 0) < offset) low = middle + 1;
    else high = middle;
  }
  return low;
}
