import { MalformedFrame } from "../wire/reader.ts";
import { type BatchInfo, noTimestamp } from "./batch-header.ts";
import { RecordCursor } from "./record-cursor.ts";

export interface RecordRules {
  /** The topic is compacted: a record without a key could never be replaced. */
  readonly keysRequired: boolean;
  /**
   * What a record's own timestamp may be, both inclusive; a record without one is exempt. Null where timestamps are replaced
   * (LogAppendTime).
   */
  readonly timestamps: { readonly earliestMs: number; readonly latestMs: number } | null;
}

/** Why one record is refused (KIP-467). */
export interface RecordError {
  /** Its index in the batch, from 0. */
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
 * Checks the unpacked records of a producer's batch in one pass; nothing is copied or allocated. Throws MalformedFrame unless exactly the
 * records that the header counts are there: offsets from 0 on without a gap, every length sound, and nothing after the last record.
 */
export function walkRecords(plain: Buffer, batch: BatchInfo, rules: RecordRules): WalkedRecords {
  const walk = new RecordWalk(plain, batch, rules);
  while (!walk.goOn(Number.POSITIVE_INFINITY));
  return walk.result;
}

/** The same in steps, for a batch of so many records that other work would have to wait for it. */
export class RecordWalk {
  readonly #cursor: RecordCursor;
  readonly #batch: BatchInfo;
  readonly #rules: { readonly keysRequired: boolean; readonly earliestMs: number; readonly latestMs: number };
  readonly #errors: RecordError[] = [];
  #errorsCount = 0;
  #maxTimestampMs = noTimestamp;
  #nextIndex = 0;

  constructor(plain: Buffer, batch: BatchInfo, { keysRequired, timestamps }: RecordRules) {
    this.#cursor = new RecordCursor(plain);
    this.#batch = batch;
    this.#rules = {
      keysRequired,
      earliestMs: timestamps?.earliestMs ?? Number.NEGATIVE_INFINITY,
      latestMs: timestamps?.latestMs ?? Number.POSITIVE_INFINITY,
    };
  }

  /** Once `goOn` returned true. */
  get result(): WalkedRecords {
    return { maxTimestampMs: this.#maxTimestampMs, errors: this.#errors, errorsCount: this.#errorsCount };
  }

  /** Walks so many records and headers, give or take those of one record. True: these were the last. */
  goOn(items: number): boolean {
    const cursor = this.#cursor;
    const { recordsCount, baseTimestampMs } = this.#batch;
    const { keysRequired, earliestMs, latestMs } = this.#rules;
    let maxTimestampMs = this.#maxTimestampMs;
    let left = items;
    let index = this.#nextIndex;
    for (; index < recordsCount && left > 0; index++) {
      const end = cursor.mark(cursor.varint());
      cursor.byte(); // attributes: none are defined
      const timestampMs = baseTimestampMs + cursor.varlong();
      const offsetDelta = cursor.varint();
      const hasKey = cursor.skipNullableBytes();
      cursor.skipNullableBytes();
      const headers = cursor.headersCount();
      if (headers > 0) cursor.skipHeaders(headers);
      left -= 1 + headers;
      if (cursor.position !== end) throw new MalformedFrame(`record ${index} ends at ${cursor.position}, its length says ${end}`);
      if (offsetDelta !== index) throw new MalformedFrame(`record ${index} has the offset delta ${offsetDelta}`);
      if (!(timestampMs >= noTimestamp && timestampMs <= Number.MAX_SAFE_INTEGER))
        throw new MalformedFrame(`record ${index} has the timestamp ${timestampMs}`);
      if (timestampMs > maxTimestampMs) maxTimestampMs = timestampMs;
      if (keysRequired && !hasKey)
        this.#wrong({ index, error: "INVALID_RECORD", message: "a compacted topic takes no record without a key" });
      else if ((timestampMs < earliestMs || timestampMs > latestMs) && timestampMs !== noTimestamp)
        this.#wrong({ index, error: "INVALID_TIMESTAMP", message: `timestamp ${timestampMs} is not within ${earliestMs} and ${latestMs}` });
    }
    this.#nextIndex = index;
    this.#maxTimestampMs = maxTimestampMs;
    if (index < recordsCount) return false;
    if (cursor.remaining > 0) throw new MalformedFrame(`${cursor.remaining} bytes after the last record`);
    return true;
  }

  #wrong(error: RecordError): void {
    this.#errorsCount++;
    if (this.#errors.length < recordErrorsMax) this.#errors.push(error);
  }
}
