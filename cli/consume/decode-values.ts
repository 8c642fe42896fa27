import { msgpackSerde } from "../../client/serialization/serde.ts";
import { parseJson } from "../output/exact-json.ts";
import type { RecordToFormat, ValueFormat } from "../output/record-format.ts";

const msgpack = msgpackSerde<unknown>();
const utf8 = new TextDecoder("utf-8", { fatal: true });

/** The record with its value decoded. One that is not in the format stays as it is. */
export function decodeValue<R extends RecordToFormat>(record: R, format: ValueFormat): R {
  const { value } = record;
  if (value === null) return record;
  try {
    if (format === "json") return { ...record, decoded: { format, value: parseJson(utf8.decode(value)) } };
    const text = JSON.stringify(msgpack.deserialize(value), beyondJson);
    return { ...record, value: Buffer.from(text), decoded: { format, value: parseJson(text) } };
  } catch {
    return record;
  }
}

/** What MessagePack has and JSON has not: bytes, whole numbers of 64 bits. Dates have a text of their own. */
function beyondJson(this: unknown, key: string, shown: unknown): unknown {
  const value = (this as Readonly<Record<string, unknown>>)[key];
  if (value instanceof Uint8Array) return { base64: Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString("base64") };
  if (typeof value === "bigint") return (JSON as unknown as { rawJSON(text: string): unknown }).rawJSON(String(value));
  if (value instanceof Map) return Object.fromEntries(value);
  return shown;
}
