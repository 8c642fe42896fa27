import type { CompressionCodec } from "../../../protocol/records/batch-header.ts";

/** A record as every client knows it. */
export interface PlainRecord {
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers: readonly (readonly [name: string, value: Buffer | null])[];
  /** Milliseconds since 1970. */
  readonly timestampMs: number;
}

export interface PlacedRecord extends PlainRecord {
  readonly partition: number;
  readonly offset: number;
}

export interface ProduceOrder {
  readonly topic: string;
  readonly codec: CompressionCodec;
  readonly records: readonly PlainRecord[];
}

/** Something that speaks the Kafka protocol and is not ours (or is, for comparison). */
export interface OutsideClient {
  readonly name: string;
  /** What its producer can compress with. Empty: it only reads. */
  readonly codecs: readonly CompressionCodec[];
  /** What it cannot carry (kcat cannot give each record its own time), so that records for it are made without. */
  readonly cannotSend?: { readonly timestamps?: boolean; readonly nullHeaders?: boolean };
  /** Sends them by key, as its default partitioner for keys says, with acks=all. Resolves when all are acknowledged. */
  produce(order: ProduceOrder): Promise<void>;
  /** Everything that is in the topic, in any order of partitions. Null: it cannot read without a group. */
  readonly consume: ((topic: string, partitions: number) => Promise<readonly PlacedRecord[]>) | null;
}

/** For messages and comparisons: the whole record in one line of text. */
export function describeRecord({ key, value, headers, timestampMs }: PlainRecord, withTimestamp: boolean): string {
  const bytes = (of: Buffer | null) => (of === null ? "null" : of.toString("base64"));
  const names = headers.map(([name, header]) => `${name}=${bytes(header)}`).join(",");
  return `${bytes(key)} ${bytes(value)} [${names}]${withTimestamp ? ` ${timestampMs}` : ""}`;
}

/**
 * Records of all sorts, the same ones for the same arguments: binary and empty and missing values, missing keys aside (their partition is
 * anyone's guess).
 */
export function sampleRecords(
  label: string,
  count: number,
  { cannotSend }: Pick<OutsideClient, "cannotSend"> = {},
  firstTimestampMs = 1_700_000_000_000,
): PlainRecord[] {
  return Array.from({ length: count }, (_, index) => ({
    key: Buffer.from(`${label}-key-${index % 37}`),
    value: sampleValue(label, index),
    headers: [
      ["from", Buffer.from(label)],
      ["empty", Buffer.alloc(0)],
      ...(cannotSend?.nullHeaders === true ? [] : ([["none", null]] as const)),
    ],
    timestampMs: firstTimestampMs + index,
  }));
}

function sampleValue(label: string, index: number): Buffer | null {
  if (index % 11 === 3) return null;
  if (index % 11 === 5) return Buffer.from([0, 255, 10, 13, 0x80, index & 0xff]);
  return Buffer.from(`${label} value ${index} ${"abc ".repeat(index % 40)}`);
}

/**
 * One record as a line, the form in which programs in other languages take and give them: timestamp, key, value and headers
 * (`name:value,name:value`), separated by tabs; bytes are base64, null is `-`.
 */
export function recordToLine({ key, value, headers, timestampMs }: PlainRecord): string {
  const bytes = (of: Buffer | null) => of?.toString("base64") ?? "-";
  return [timestampMs, bytes(key), bytes(value), headers.map(([name, header]) => `${name}:${bytes(header)}`).join(",")].join("\t");
}

/** What they give has partition and offset in front. */
export function recordFromLine(line: string): PlacedRecord {
  const [partition, offset, timestamp, key = "-", value = "-", headers = ""] = line.split("\t");
  const bytes = (of: string) => (of === "-" ? null : Buffer.from(of, "base64"));
  return {
    partition: Number(partition),
    offset: Number(offset),
    timestampMs: Number(timestamp),
    key: bytes(key),
    value: bytes(value),
    headers:
      headers === ""
        ? []
        : headers.split(",").map((pair) => [pair.slice(0, pair.indexOf(":")), bytes(pair.slice(pair.indexOf(":") + 1))] as const),
  };
}
