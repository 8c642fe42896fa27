import { msgpackSerde } from "../../client/serialization/serde.ts";
import type { RecordHeader } from "../../protocol/records/record.ts";
import { parseJson } from "../output/exact-json.ts";
import { BadLine } from "./bad-line.ts";
import type { RecordToSend } from "./record-of-line.ts";

const msgpack = msgpackSerde<unknown>();

/**
 * A record as `ottla consume --json` prints it: `value`, and where they are given `key`, `headers`, `timestampMs`, and with
 * `keepsPartition` also `partition`. Everything else is where it came from, and says nothing about where it goes.
 */
export function recordOfJson(line: Buffer, { keepsPartition }: { readonly keepsPartition: boolean }): RecordToSend {
  const record = objectOf(line);
  if (!("value" in record)) throw new BadLine('has no "value" (null is a tombstone)');
  const { partition, timestampMs } = record;
  if (keepsPartition && !isCount(partition)) throw new BadLine('has no "partition" to keep');
  // -1: the record had no time
  const hasTime = timestampMs !== undefined && timestampMs !== null && timestampMs !== -1;
  if (hasTime && !isCount(timestampMs)) throw new BadLine('has a "timestampMs" that is not milliseconds since 1970');
  return {
    key: bytesOf(record.key ?? null, "key"),
    value: valueBytes(record),
    headers: headersOf(record.headers ?? []),
    ...(keepsPartition ? { partition: partition as number } : {}),
    ...(hasTime ? { timestampMs: timestampMs as number } : {}),
  };
}

function objectOf(line: Buffer): Readonly<Record<string, unknown>> {
  let parsed: unknown;
  try {
    parsed = parseJson(line.toString("utf8"));
  } catch (error) {
    throw new BadLine(`is not JSON: ${(error as Error).message}`);
  }
  if (!isObject(parsed)) throw new BadLine('is JSON, but not an object with "value"');
  return parsed;
}

function valueBytes({ value, valueFormat }: Readonly<Record<string, unknown>>): Buffer | null {
  if (valueFormat === "msgpack") return Buffer.from(msgpack.serialize(JSON.parse(JSON.stringify(value))));
  if (valueFormat === "json") return Buffer.from(JSON.stringify(value));
  if (valueFormat !== undefined) throw new BadLine('has a "valueFormat" other than json and msgpack');
  // written by hand: what is no text is meant as JSON
  if (value === null || typeof value === "string" || base64Of(value) !== null) return bytesOf(value, "value");
  return Buffer.from(JSON.stringify(value));
}

function bytesOf(value: unknown, what: string): Buffer | null {
  if (value === null) return null;
  if (typeof value === "string") return Buffer.from(value, "utf8");
  const base64 = base64Of(value);
  if (base64 === null) throw new BadLine(`has a ${what} that is not text, null or {"base64": "…"}`);
  return base64;
}

/** Null: it is not `{"base64": "…"}`. */
function base64Of(value: unknown): Buffer | null {
  if (!isObject(value) || typeof value.base64 !== "string" || Object.keys(value).length !== 1) return null;
  if (!/^[A-Za-z0-9+/]*={0,2}$/.test(value.base64)) throw new BadLine("has a base64 with other characters in it");
  return Buffer.from(value.base64, "base64");
}

/** As printed, a list of `{"key", "value"}`; an object of names and values is easier to write by hand. */
function headersOf(headers: unknown): RecordHeader[] {
  if (Array.isArray(headers)) return headers.map(headerOf);
  if (!isObject(headers)) throw new BadLine('has "headers" that are no list of {"key", "value"}');
  return Object.entries(headers).map(([key, value]) => ({ key, value: bytesOf(value, "header") }));
}

function headerOf(header: unknown): RecordHeader {
  if (!isObject(header) || typeof header.key !== "string") throw new BadLine('has a header that is not {"key", "value"}');
  return { key: header.key, value: bytesOf(header.value ?? null, "header") };
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && Number(value) >= 0;
}
