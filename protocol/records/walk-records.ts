import { MalformedFrame } from "../wire/reader.ts";
import { type BatchInfo, noTimestamp } from "./batch-header.ts";
import { RecordCursor } from "./record-cursor.ts";

export interface RecordRules {
  /** The topic is compacted: a record without a key could never be replaced. */
  readonly keysRequired: boolean;
  /** What a record's own timestamp may be, both inclusive; a record without one is exempt. Null where timestamps are replaced (LogAppendTime). */
  readonly timestamps: { readonly earliestMs: number; readonly latestMs: number } | null;
}

/** Why one record cannot be taken (KIP-467). */
export interface RecordError {
  /** Its place in the batch, from 0. */
  readonly index: number;
  readonly error: "INVALID_RECORD" | "INVALID_TIMESTAMP";
  readonly message: string;
}

export interface WalkedRecords {
  /** -1 when no record has a timestamp. */
  readonly maxTimestampMs: number;
  /** The first of them, `recordErrorsMax` at most. */
  readonly errors: readonly RecordError[];
  readonly errorsCount: number;
}

/** A batch may have millions of records, and the answer must stay smaller than the request. */
const recordErrorsMax = 100;

/**
 * Passes once over the records of a producer's batch, unpacked: nothing is copied or made on the way. Throws MalformedFrame unless exactly the records that the header
 * counts are there, with offsets from 0 on without a gap, every length sound, and nothing after the last.
 */
export function walkRecords(plain: Buffer, { recordsCount, baseTimestampMs }: BatchInfo, rules: RecordRules): WalkedRecords {
  const { keysRequired, timestamps } = rules;
  const earliestMs = timestamps?.earliestMs ?? Number.NEGATIVE_INFINITY;
  const latestMs = timestamps?.latestMs ?? Number.POSITIVE_INFINITY;
  const cursor = new RecordCursor(plain);
  const errors: RecordError[] = [];
  let errorsCount = 0;
  let maxTimestampMs = noTimestamp;
  const wrong = (error: RecordError) => {
    errorsCount++;
    if (errors.length < recordErrorsMax) errors.push(error);
  };
  for (let index = 0; index < recordsCount; index++) {
    const end = cursor.mark(cursor.varint());
    cursor.byte(); // attributes: none are defined
    const timestampMs = baseTimestampMs + cursor.varlong();
    const offsetDelta = cursor.varint();
    const hasKey = cursor.skipNullableBytes();
    cursor.skipNullableBytes();
    skipHeaders(cursor);
    if (cursor.position !== end) throw new MalformedFrame(`record ${index} ends at ${cursor.position}, its length says ${end}`);
    if (offsetDelta !== index) throw new MalformedFrame(`record ${index} has the offset delta ${offsetDelta}`);
    if (!(timestampMs >= noTimestamp && timestampMs <= Number.MAX_SAFE_INTEGER))
      throw new MalformedFrame(`record ${index} has the timestamp ${timestampMs}`);
    if (timestampMs > maxTimestampMs) maxTimestampMs = timestampMs;
    if (keysRequired && !hasKey) wrong({ index, error: "INVALID_RECORD", message: "a compacted topic takes no record without a key" });
    else if ((timestampMs < earliestMs || timestampMs > latestMs) && timestampMs !== noTimestamp)
      wrong({ index, error: "INVALID_TIMESTAMP", message: `timestamp ${timestampMs} is not within ${earliestMs} and ${latestMs}` });
  }
  if (cursor.remaining > 0) throw new MalformedFrame(`${cursor.remaining} bytes after the last record`);
  return { maxTimestampMs, errors, errorsCount };
}

function skipHeaders(cursor: RecordCursor): void {
  const count = cursor.varint();
  // a header takes two bytes at least, so a larger count is a lie
  if (count < 0 || count * 2 > cursor.remaining) throw new MalformedFrame(`${count} headers with ${cursor.remaining} bytes left`);
  for (let i = 0; i < count; i++) {
    if (!cursor.skipNullableBytes()) throw new MalformedFrame("a header without a key");
    cursor.skipNullableBytes();
  }
}
