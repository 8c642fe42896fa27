import { types } from "node:util";
import type { RecordHeader } from "../../protocol/records/record.ts";
import { InvalidArgument } from "../base/errors.ts";
import { kindOf } from "../base/kind-of.ts";

/** What `send` takes. */
export interface ProducerRecord<K = Uint8Array | string, V = Uint8Array | string> {
  readonly topic: string;
  /** Null or absent: no key. Records of one key go to one partition, in the order they were sent. */
  readonly key?: K | null;
  /** Null: a tombstone. It must be said: a record without a value is refused. */
  readonly value: V | null;
  /** By name; an array for a name that repeats. Or a list of names and values, in which their order is kept whatever they are. */
  readonly headers?: Readonly<Record<string, HeaderValue | readonly HeaderValue[]>> | readonly RecordHeader[];
  /** Instead of the partitioner's choice. */
  readonly partition?: number;
  /** Milliseconds since 1970; now by default. */
  readonly timestampMs?: number;
}

export interface SendOptions {
  /** Stops waiting for room or metadata. A record that is already in flight is not cancelled. */
  readonly signal?: AbortSignal;
}

export type HeaderValue = Uint8Array | string | null;

const recordForm = "send({topic, key, value})";
const manyForm = "sendMany([{topic, key, value}, …])";
const headerForms = "headers are an object {name: text, bytes, null or a list of them}, or a list of {key: text, value: Buffer or null}";

/**
 * What types forbid, but JavaScript and other clients' habits bring: it would be stored as something else. Other properties are passed
 * over, so that a record that was read can be sent elsewhere as it is. Throws InvalidArgument.
 */
export function checkRecord(record: unknown): void {
  if (typeof record !== "object" || record === null) throw new InvalidArgument(`a record is an object, as in ${recordForm}`);
  const { topic, value, messages, timestamp, acks, compression } = record as Readonly<Record<string, unknown>>;
  if (messages !== undefined) throw new InvalidArgument(`a record has no messages: it is ${recordForm}, or for several ${manyForm}`);
  if (timestamp !== undefined) throw new InvalidArgument("a record has no timestamp: it is called timestampMs here, a number");
  if (acks !== undefined || compression !== undefined)
    throw new InvalidArgument(`a record has no ${acks === undefined ? "compression" : "acks"}: that is an option of the Producer`);
  if (typeof topic !== "string" || topic === "") throw new InvalidArgument(`a record needs a topic, as in ${recordForm}`);
  if (value === undefined)
    throw new InvalidArgument(`the record has no value: it is ${recordForm}, with the value null where a tombstone is meant`);
}

export function checkRecords(records: unknown): void {
  if (!Array.isArray(records)) throw new InvalidArgument(`sendMany takes a list of records, as in ${manyForm}; send takes one`);
}

/** Throws InvalidArgument for what is no header. */
export function encodeHeaders(headers: NonNullable<ProducerRecord["headers"]>): readonly RecordHeader[] {
  if (Array.isArray(headers)) {
    for (const header of headers) checkListed(header);
    return headers as readonly RecordHeader[];
  }
  if (!isPlain(headers)) throw new InvalidArgument(`headers is ${kindOf(headers)}: ${headerForms}`);
  const encoded: RecordHeader[] = [];
  for (const [key, values] of Object.entries(headers)) {
    for (const value of Array.isArray(values) ? (values as readonly HeaderValue[]) : [values as HeaderValue])
      encoded.push({ key, value: encodeValue(key, value) });
  }
  return encoded;
}

function checkListed(header: unknown): void {
  if (typeof header !== "object" || header === null) throw new InvalidArgument(`one of the headers is ${kindOf(header)}: ${headerForms}`);
  const { key, value } = header as { key?: unknown; value?: unknown };
  if (typeof key !== "string") throw new InvalidArgument(`the key of one of the headers is ${kindOf(key)}: ${headerForms}`);
  if (value !== null && !Buffer.isBuffer(value))
    throw new InvalidArgument(`the value of one of the headers is ${kindOf(value)}: ${headerForms}`);
}

/** Of a Map, for example, no entry would be seen. */
function isPlain(headers: unknown): boolean {
  return Object.prototype.toString.call(headers) === "[object Object]";
}

function encodeValue(key: string, value: unknown): Buffer | null {
  if (value === null) return null;
  if (typeof value === "string") return Buffer.from(value);
  if (types.isUint8Array(value)) return Buffer.from(value);
  throw new InvalidArgument(`header ${key} is ${kindOf(value)}: ${headerForms}`);
}
