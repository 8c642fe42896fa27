import type { RecordHeader } from "../../protocol/records/record.ts";
import { BadLine } from "./bad-line.ts";

/** What a line becomes. */
export interface RecordToSend {
  readonly key: Buffer | null;
  /** Null: a tombstone. */
  readonly value: Buffer | null;
  readonly headers?: readonly RecordHeader[];
  /** Instead of the key's choice. */
  readonly partition?: number;
  /** Instead of now. */
  readonly timestampMs?: number;
}

/** Throws BadLine for a line of which no record can be made. */
export type ReadRecord = (line: Buffer) => RecordToSend;

export interface LineFormat {
  /** Ends the key, which begins the line. Null: lines have no key. */
  readonly keySeparator: Buffer | null;
  /** The value is the whole line, key and separator included. */
  readonly keepKey: boolean;
  /** Of each record that has none of its own. */
  readonly key: Buffer | null;
  /** A value of exactly these bytes is null: a tombstone. Null: none is. */
  readonly nullValue: Buffer | null;
}

/** A line's key and value. A line without the separator is all value. */
export function recordOfLine(line: Buffer, { keySeparator, keepKey, key, nullValue }: LineFormat): RecordToSend {
  const at = keySeparator === null ? -1 : line.indexOf(keySeparator);
  const own = keySeparator === null || at < 0 ? null : line.subarray(0, at);
  const rest = keySeparator === null || at < 0 ? line : line.subarray(at + keySeparator.length);
  const value = nullValue?.equals(rest) ? null : keepKey ? line : rest;
  return { key: own ?? key, value };
}

/** What every record gets or must have, whatever the input. */
export interface RecordRules {
  /** Before those that it brings along. */
  readonly headers: readonly RecordHeader[];
  /** Of the topic; null: wherever the record or its key says. */
  readonly partition: number | null;
  readonly partitionsCount: number;
  /** The topic is compacted: brokers refuse a record without key, and all that is sent with it. */
  readonly needsKey: boolean;
}

export function underRules(read: ReadRecord, { headers, partition, partitionsCount, needsKey }: RecordRules): ReadRecord {
  return (line) => {
    const record = read(line);
    if (needsKey && record.key === null) throw new BadLine("has no key, and the topic is compacted: each of its records needs one");
    const into = partition ?? record.partition;
    if (into !== undefined && into >= partitionsCount)
      throw new BadLine(`is for partition ${into}, and the topic has 0 to ${partitionsCount - 1}`);
    return {
      ...record,
      ...(headers.length === 0 ? {} : { headers: [...headers, ...(record.headers ?? [])] }),
      ...(into === undefined ? {} : { partition: into }),
    };
  };
}
