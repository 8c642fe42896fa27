import type { Clock } from "../../protocol/base/clock.ts";
import { recordBytesAtMost, timestampMaxMs } from "../../protocol/records/encode-batch.ts";
import { type RecordHeader, type RecordToEncode, recordHeadersMax } from "../../protocol/records/record.ts";
import { InvalidArgument, RecordTooLarge } from "../base/errors.ts";
import { shownValue } from "../base/kind-of.ts";
import { type Serde, serializeWith } from "../serialization/serde.ts";
import type { PendingSend } from "./pending-send.ts";
import { checkRecord, encodeHeaders, type ProducerRecord } from "./producer-record.ts";

/** Checked, and in bytes. */
export interface PreparedRecord {
  readonly topic: string;
  readonly partition: number | undefined;
  readonly record: RecordToEncode;
  readonly recordBytes: number;
  readonly send: PendingSend;
}

/** Room that a record takes in addition to its bytes: promise, bookkeeping. */
export const recordOverheadBytes = 128;

const noHeaders: readonly RecordHeader[] = [];

export interface RecordPreparerParts<K, V> {
  readonly clock: Clock;
  /** Of a record. */
  readonly bytesMax: number;
  readonly keySerde: Pick<Serde<K>, "serialize">;
  readonly valueSerde: Pick<Serde<V>, "serialize">;
}

/** Turns what the application sends into records. */
export class RecordPreparer<K, V> {
  readonly #parts: RecordPreparerParts<K, V>;

  constructor(parts: RecordPreparerParts<K, V>) {
    this.#parts = parts;
  }

  /** Throws InvalidArgument, SerializationFailed or RecordTooLarge. */
  prepare(given: ProducerRecord<K, V>, send: PendingSend): PreparedRecord {
    checkRecord(given);
    const { clock, bytesMax, keySerde, valueSerde } = this.#parts;
    const { topic, key, value, headers, partition, timestampMs } = given;
    if (partition !== undefined && (!Number.isInteger(partition) || partition < 0))
      throw new InvalidArgument(`${shownValue(partition)} is no partition: it is a number from 0`);
    const time = timestampMs ?? Math.floor(clock.nowMs());
    if (!Number.isInteger(time) || time < -1 || time > timestampMaxMs)
      throw new InvalidArgument(`${shownValue(time)} is no timestampMs: it is a number, milliseconds since 1970`);
    const record = {
      key: serializeWith(keySerde, key, "key"),
      value: serializeWith(valueSerde, value, "value"),
      headers: headers === undefined ? noHeaders : encodeHeaders(headers),
      timestampMs: time,
    };
    if (record.headers.length > recordHeadersMax)
      throw new RecordTooLarge(`the record has ${record.headers.length} headers, at most ${recordHeadersMax} are taken`);
    const recordBytes = recordBytesAtMost(record);
    if (recordBytes > bytesMax)
      throw new RecordTooLarge(`the record takes up to ${recordBytes} bytes, requestBytesMax and bufferBytesMax allow ${bytesMax}`);
    send.timestampMs = time;
    send.reservedBytes = recordBytes + recordOverheadBytes;
    return { topic, partition, record, recordBytes, send };
  }
}
