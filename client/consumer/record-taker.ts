import type { DecodedRecord } from "../../protocol/records/record.ts";
import { CorruptBatch, SerializationFailed } from "../base/errors.ts";
import type { AssignedPartition, Place } from "../fetch/assigned-partition.ts";
import type { FetchBuffer } from "../fetch/fetch-buffer.ts";
import { deserializeWith, type Serde } from "../serialization/serde.ts";
import type { ConsumerBatch, ConsumerRecord } from "./consumer-options.ts";
import { OpenedBatch, recordCostInBytes } from "./opened-batch.ts";
import { placeOf } from "./processed.ts";

/** What `batches` hands out at once costs about this much memory at most. Ordinary batches cost less, and are handed out whole. */
const piecesBytesMax = 16 * 1024 * 1024;

/** A record as it was fetched, to be deserialized by its handler. */
export interface TakenRecord {
  readonly partition: AssignedPartition;
  /** The partition's position before it. */
  readonly before: Place;
  readonly record: DecodedRecord;
  /** Of the leader that wrote it. */
  readonly leaderEpoch: number;
}

type MayTake = (partition: AssignedPartition) => boolean;

export interface RecordTakerParts<K, V> {
  readonly buffer: FetchBuffer;
  readonly decompressedBytesMax: number;
  readonly keySerde: Pick<Serde<K>, "deserialize">;
  readonly valueSerde: Pick<Serde<V>, "deserialize">;
  /** A batch was taken out of the buffer. */
  readonly onRoom: () => void;
  /** Before the position moves: what is handed out now begins there. */
  readonly onHandling: (partition: AssignedPartition) => void;
}

/**
 * Takes records out of what was fetched, for the application, and moves the positions. Throws failures of fetching or reading; the position
 * stays at what failed.
 */
export class RecordTaker<K, V> {
  readonly #parts: RecordTakerParts<K, V>;
  #current: OpenedBatch | null = null;
  #recordsTaken = 0;

  constructor(parts: RecordTakerParts<K, V>) {
    this.#parts = parts;
  }

  /** Handed out so far; one that is handled again counts again. */
  get recordsTaken(): number {
    return this.#recordsTaken;
  }

  takeRecord(): ConsumerRecord<K, V> | null {
    for (let batch = this.#opened(); batch !== null; batch = this.#opened()) {
      const record = this.#peek(batch);
      if (record !== null) {
        const handedOut = this.#read(batch.partition, record, batch.batch.leaderEpoch);
        this.#parts.onHandling(batch.partition);
        this.#pass(batch, record);
        return handedOut;
      }
      this.#finish(batch);
    }
    return null;
  }

  /** For handlers that run in parallel: the next record of a partition that `mayTake` allows. */
  takeUnread(mayTake: MayTake): TakenRecord | null {
    for (let batch = this.#opened(mayTake); batch !== null; batch = this.#opened(mayTake)) {
      const { partition } = batch;
      const record = this.#peek(batch);
      if (record !== null) {
        const taken = { partition, before: placeOf(partition), record, leaderEpoch: batch.batch.leaderEpoch };
        this.#pass(batch, record);
        return taken;
      }
      this.#finish(batch);
    }
    return null;
  }

  /** Throws SerializationFailed. */
  read({ partition, record, leaderEpoch }: TakenRecord): ConsumerRecord<K, V> {
    return this.#read(partition, record, leaderEpoch);
  }

  takeBatch(): ConsumerBatch<K, V> | null {
    for (let batch = this.#opened(); batch !== null; batch = this.#opened()) {
      const records = this.#takePiece(batch);
      if (records.length === 0) this.#finish(batch);
      else {
        const { topic, partition, highWatermark } = batch.partition;
        return { topic, partition, records, highWatermark };
      }
    }
    return null;
  }

  /** A failure of a later record is thrown when that record is the first. */
  #takePiece(batch: OpenedBatch): ConsumerRecord<K, V>[] {
    const piece: ConsumerRecord<K, V>[] = [];
    let last: DecodedRecord | null = null;
    for (let costInBytes = 0; costInBytes < piecesBytesMax; batch.pass()) {
      let handedOut: ConsumerRecord<K, V>;
      let record: DecodedRecord | null;
      try {
        record = piece.length === 0 ? this.#peek(batch) : batch.peek();
        if (record === null || isBeyond(batch.partition, record.offset)) break;
        handedOut = this.#read(batch.partition, record, batch.batch.leaderEpoch);
      } catch (error) {
        if (piece.length === 0) throw error;
        break;
      }
      piece.push(handedOut);
      costInBytes += recordCostInBytes(record);
      last = record;
    }
    if (last === null) return piece;
    this.#parts.onHandling(batch.partition);
    this.#consumed(batch, last);
    return piece;
  }

  /** The current batch, or the next; null: none is available yet. Throws failures of fetching. */
  #opened(mayTake?: MayTake): OpenedBatch | null {
    const current = this.#current;
    if (current !== null && current.generation === current.partition.generation) {
      if (mayTake?.(current.partition) ?? true) return current;
      this.#parts.buffer.putBack(current);
    }
    this.#current = null;
    const next = this.#parts.buffer.take(mayTake);
    if (next === null) return null;
    this.#parts.onRoom(); // there is room now
    this.#current = new OpenedBatch(next, this.#parts.decompressedBytesMax);
    return this.#current;
  }

  /** The batch's next record to hand out; null: none. */
  #peek(opened: OpenedBatch): DecodedRecord | null {
    const { partition, batch } = opened;
    try {
      const record = opened.peek();
      return record === null || isBeyond(partition, record.offset) ? null : record;
    } catch (error) {
      const { topic, partition: index, position } = partition;
      partition.dropBuffered();
      partition.block();
      throw new CorruptBatch({ topic, partition: index, offset: Math.max(batch.baseOffset, position) }, error);
    }
  }

  #pass(opened: OpenedBatch, record: DecodedRecord): void {
    opened.pass();
    this.#consumed(opened, record);
  }

  /** Everything in the batch up to this record was handed out. */
  #consumed(opened: OpenedBatch, { offset }: DecodedRecord): void {
    opened.partition.consumed(offset + 1, opened.batch.leaderEpoch);
    if (opened.isOver) this.#finish(opened);
  }

  /** The batch is done, whatever gaps it ends with. */
  #finish({ partition, batch, generation }: OpenedBatch): void {
    this.#current = null;
    if (generation !== partition.generation) return;
    partition.consumed(Math.min(batch.lastOffset + 1, partition.stopOffset ?? Number.POSITIVE_INFINITY), batch.leaderEpoch);
    if (partition.isStopped) this.#parts.buffer.notify();
  }

  #read({ topic, partition }: AssignedPartition, record: DecodedRecord, leaderEpoch: number): ConsumerRecord<K, V> {
    const { offset, timestampMs, headers } = record;
    try {
      const key = deserializeWith(this.#parts.keySerde, record.key, "key");
      const value = deserializeWith(this.#parts.valueSerde, record.value, "value");
      this.#recordsTaken++;
      return { topic, partition, offset, timestampMs, key, value, headers, leaderEpoch };
    } catch (error) {
      throw new SerializationFailed(`${topic}-${partition} at offset ${offset}: ${(error as Error).message}`, { cause: error });
    }
  }
}

function isBeyond({ stopOffset }: AssignedPartition, offset: number): boolean {
  return stopOffset !== null && offset >= stopOffset;
}
