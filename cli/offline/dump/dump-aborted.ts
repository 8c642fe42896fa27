import { abortedIndexFormat, type File, refuseEntry } from "../../../broker/disk-format.ts";
import { atPosition, type DumpItem, damage, entry } from "./dump-item.ts";

const entriesPerRead = 2048;

/** The entries of a `.txnindex`: which transactions markers in the segment aborted. As bigint: a damaged number is shown as it is. */
export async function* dumpAbortedIndex(file: File, baseOffset: number): AsyncGenerator<DumpItem> {
  const { entryBytes } = abortedIndexFormat;
  const fileBytes = await file.size();
  const window = Buffer.allocUnsafe(Math.min(entriesPerRead * entryBytes, fileBytes));
  let previous = baseOffset - 1;
  for (let at = 0; at < fileBytes; ) {
    const count = await file.read(window, 0, Math.min(window.length, fileBytes - at), at);
    const whole = count - (count % entryBytes);
    for (let from = 0; from < whole; from += entryBytes) {
      yield entry(fieldsAt(window, from));
      const reason = refuseEntry(window, from, previous);
      if (reason === null) previous = abortedIndexFormat.read(window, from, baseOffset).offset;
      else yield damage(atPosition(at + from), reason);
    }
    if (whole < count || count === 0) {
      yield damage(atPosition(at + whole), `${fileBytes - at - whole} bytes are no whole entry of ${entryBytes}`);
      return;
    }
    at += whole;
  }
}

function fieldsAt(bytes: Buffer, from: number) {
  const int64 = (at: number) => {
    const value = bytes.readBigInt64BE(from + at);
    return Number.isSafeInteger(Number(value)) ? Number(value) : `${value}`;
  };
  return {
    version: bytes.readInt16BE(from),
    producerId: int64(2),
    firstOffset: int64(10),
    lastOffset: int64(18),
    lastStableOffset: int64(26),
  };
}
