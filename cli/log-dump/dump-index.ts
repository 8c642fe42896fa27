import { type IndexFormat, type OffsetEntry, offsetIndexFormat, type TimeEntry, timeIndexFormat } from "../../broker/log/index-format.ts";
import type { File } from "../../broker/runtime/files.ts";
import { atPosition, type DumpItem, damage, entry } from "./dump-item.ts";

const entriesPerRead = 8192;

/** The entries of an `.index`: which batch, by its last offset, starts where. `baseOffset` is the segment's, from the file's name. */
export function dumpOffsetIndex(file: File, baseOffset: number): AsyncGenerator<DumpItem> {
  return dumpIndex(file, baseOffset, offsetIndexFormat, ({ offset, position }: OffsetEntry) => ({ offset, position }));
}

/** The entries of a `.timeindex`: up to which offset no record is newer than a time. */
export function dumpTimeIndex(file: File, baseOffset: number): AsyncGenerator<DumpItem> {
  return dumpIndex(file, baseOffset, timeIndexFormat, ({ timestampMs, offset }: TimeEntry) => ({ timestampMs, offset }));
}

async function* dumpIndex<Entry>(
  file: File,
  baseOffset: number,
  format: IndexFormat<Entry>,
  fields: (entry: Entry) => Readonly<Record<string, number>>,
): AsyncGenerator<DumpItem> {
  const fileBytes = await file.size();
  const window = Buffer.allocUnsafe(entriesPerRead * format.entryBytes);
  let [previousKey, previousSecondary] = [-1, -1];
  for (let at = 0; at < fileBytes; ) {
    const count = await file.read(window, 0, Math.min(window.length, fileBytes - at), at);
    const whole = count - (count % format.entryBytes);
    for (let from = 0; from < whole; from += format.entryBytes) {
      const [key, secondary] = [format.keyAt(window, from, baseOffset), format.secondaryAt(window, from, baseOffset)];
      if (isZero(window.subarray(from, from + format.entryBytes)) && previousKey >= 0 && key <= previousKey) {
        // Kafka makes an index at its full size and cuts it when the segment is closed
        yield entry({ unusedBytes: fileBytes - at - from });
        return;
      }
      yield entry(fields(format.read(window, from, baseOffset)));
      if (key <= previousKey || secondary <= previousSecondary)
        yield damage(atPosition(at + from), "the entry does not lie after the one before it");
      [previousKey, previousSecondary] = [key, secondary];
    }
    if (whole < count || count === 0) {
      yield damage(atPosition(at + whole), `${fileBytes - at - whole} bytes are no whole entry of ${format.entryBytes}`);
      return;
    }
    at += whole;
  }
}

function isZero(bytes: Buffer): boolean {
  return bytes.every((byte) => byte === 0);
}
