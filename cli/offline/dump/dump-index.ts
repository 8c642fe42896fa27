import { type File, type IndexFormat, offsetIndexFormat, timeIndexFormat } from "../../../broker/disk-format.ts";
import { atPosition, type DumpItem, damage, entry } from "./dump-item.ts";

const entriesPerRead = 8192;

/** One of the two numbers of an entry. As bigint: a damaged one may be beyond 2^53, and is shown as it is. */
interface Field {
  readonly name: "offset" | "position" | "timestampMs";
  valueAt(bytes: Buffer, at: number, baseOffset: number): bigint;
}

/** The entry's fields in the order of `IndexFormat`: the key, then the other, which rise from entry to entry. */
interface IndexLayout {
  readonly entryBytes: IndexFormat<unknown>["entryBytes"];
  readonly fields: readonly [Field, Field];
}

const offsetAt = (within: number): Field => ({
  name: "offset",
  valueAt: (bytes, at, baseOffset) => BigInt(baseOffset) + BigInt(bytes.readInt32BE(at + within)),
});

const offsetIndex: IndexLayout = {
  entryBytes: offsetIndexFormat.entryBytes,
  fields: [offsetAt(0), { name: "position", valueAt: (bytes, at) => BigInt(bytes.readInt32BE(at + 4)) }],
};

const timeIndex: IndexLayout = {
  entryBytes: timeIndexFormat.entryBytes,
  fields: [{ name: "timestampMs", valueAt: (bytes, at) => bytes.readBigInt64BE(at) }, offsetAt(8)],
};

/**
 * The entries of an `.index`: at which position each batch, given by its last offset, starts. `baseOffset` is the segment's, from the
 * file's name.
 */
export function dumpOffsetIndex(file: File, baseOffset: number): AsyncGenerator<DumpItem> {
  return dumpIndex(file, baseOffset, offsetIndex);
}

/** The entries of a `.timeindex`: up to which offset no record is newer than a time. */
export function dumpTimeIndex(file: File, baseOffset: number): AsyncGenerator<DumpItem> {
  return dumpIndex(file, baseOffset, timeIndex);
}

async function* dumpIndex(file: File, baseOffset: number, { entryBytes, fields }: IndexLayout): AsyncGenerator<DumpItem> {
  const fileBytes = await file.size();
  const window = Buffer.allocUnsafe(entriesPerRead * entryBytes);
  // the last valid entry: an invalid one says nothing about where the next must be
  let previous: readonly bigint[] | null = null;
  for (let at = 0; at < fileBytes; ) {
    const count = await file.read(window, 0, Math.min(window.length, fileBytes - at), at);
    const whole = count - (count % entryBytes);
    for (let from = 0; from < whole; from += entryBytes) {
      const values = fields.map((field) => field.valueAt(window, from, baseOffset));
      const rises = previous === null || (values[0]! > previous[0]! && values[1]! > previous[1]!);
      if (isZero(window.subarray(from, from + entryBytes)) && previous !== null && values[0]! <= previous[0]!) {
        // Kafka creates an index at its full size and truncates it when the segment is closed
        yield entry({ unusedBytes: fileBytes - at - from });
        return;
      }
      yield entry(Object.fromEntries(fields.map(({ name }, i) => [name, shown(values[i]!)])));
      const faults = fields.flatMap(({ name }, i) => faultOf(name, values[i]!, baseOffset) ?? []);
      if (faults.length > 0) yield damage(atPosition(at + from), faults.join("; "));
      else {
        if (!rises) yield damage(atPosition(at + from), "the entry does not lie after the one before it");
        previous = values;
      }
    }
    if (whole < count || count === 0) {
      yield damage(atPosition(at + whole), `${fileBytes - at - whole} bytes are no whole entry of ${entryBytes}`);
      return;
    }
    at += whole;
  }
}

/** What is wrong with the value, whatever the other entries have. */
function faultOf(name: Field["name"], value: bigint, baseOffset: number): string | null {
  if (value > Number.MAX_SAFE_INTEGER) return `${name} ${value} is beyond 2^53`;
  if (name === "offset") return value < baseOffset ? `offset ${value} is below the segment's first, ${baseOffset}` : null;
  return value < 0 ? `${name} ${value} is negative` : null;
}

/** In exact JSON: beyond 2^53 as a string of its digits. */
function shown(value: bigint): number | string {
  return Number.isSafeInteger(Number(value)) ? Number(value) : `${value}`;
}

function isZero(bytes: Buffer): boolean {
  return bytes.every((byte) => byte === 0);
}
