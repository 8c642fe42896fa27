import type { TopicId } from "../../protocol/base/ids.ts";
import { type CompressionCodec, sequencePlus } from "../../protocol/records/batch-header.ts";
import type { RecordCompressor } from "../../protocol/records/codec.ts";
import { decodeBatch } from "../../protocol/records/decode-batch.ts";
import { BatchBuilder, type ProducerFields, signBatch } from "../../protocol/records/encode-batch.ts";
import type { RecordToEncode } from "../../protocol/records/record.ts";
import type { BatchNumber } from "./numbering.ts";
import type { PendingSend } from "./pending-send.ts";

export interface Acknowledged {
  readonly baseOffset: number;
  /** -1 under CreateTime. */
  readonly logAppendTimeMs: number;
}

/** Records that travel together to one partition. Settled once, all of them. */
export class ProducerBatch {
  readonly topic: string;
  readonly partition: number;
  /** Monotonic, as is the deadline. */
  readonly createdAtMs: number;
  readonly deadlineMs: number;
  readonly sends: PendingSend[] = [];
  /** Times it was put into a request. */
  attempts = 0;
  /** Leader epoch known when it was last sent: a newer one makes waiting out the backoff pointless. */
  sentToEpoch = -1;
  sentToBroker = -1;
  /** Records of the partition that were taken before it: its place when it is put back; -1: not taken yet. */
  ordinal = -1;
  /** Null: not numbered yet, or the producer is not idempotent. */
  number: BatchNumber | null = null;
  /** The topic that the name stood for when it was last sent; null: not known. */
  sentToTopicId: TopicId | null = null;
  /** An attempt ended without a definite refusal: the log of `mayBeInTopicId` may hold it, or get it late. */
  mayBeInLog = false;
  mayBeInTopicId: TopicId | null = null;
  /** False: it is sent as soon as it may be, full or not. */
  lingers = true;
  /** Why it was last put back. */
  lastError: Error | null = null;
  readonly #builder: BatchBuilder;
  #encoded: Buffer | null = null;
  #encodedAs: BatchNumber | null = null;
  readonly #settled = Promise.withResolvers<void>();

  /** `room`: see `BatchBuilder`. */
  constructor(topic: string, partition: number, createdAtMs: number, deadlineMs: number, room?: number | Buffer) {
    this.topic = topic;
    this.partition = partition;
    this.createdAtMs = createdAtMs;
    this.deadlineMs = deadlineMs;
    this.#builder = new BatchBuilder(room);
  }

  /** Before compression. */
  get sizeInBytes(): number {
    return this.#builder.sizeInBytes;
  }

  /** What it is built in, and sent from. */
  get room(): Buffer {
    return this.#builder.room;
  }

  /** An attempt ended without a definite refusal. */
  mayBeWritten(): void {
    this.mayBeInLog = true;
    this.mayBeInTopicId = this.sentToTopicId;
  }

  /**
   * The leader's log lacks what the producer wrote before this batch, so it does not have this batch either, or would know it. Where the
   * name stood for another topic when earlier attempts were made, what they left is gone with that one: the topic was deleted and
   * re-created.
   */
  wasOutOfTurn(): void {
    const { sentToTopicId, mayBeInTopicId } = this;
    if (sentToTopicId === null || mayBeInTopicId === null || sentToTopicId === mayBeInTopicId) return;
    this.mayBeInLog = false;
    this.mayBeInTopicId = null;
  }

  /** As sent; 0 before it was encoded. */
  get encodedBytes(): number {
    return this.#encoded?.length ?? 0;
  }

  get whenSettled(): Promise<void> {
    return this.#settled.promise;
  }

  /**
   * `recordBytesMax`: see `recordBytesAtMost`. False when the batch is in flight already or the record would make it larger than
   * `bytesMax`; an empty batch takes any record.
   */
  tryAppend(record: RecordToEncode, recordBytesMax: number, send: PendingSend, bytesMax: number): boolean {
    if (this.#encoded !== null || this.attempts > 0) return false;
    if (this.sends.length > 0 && this.sizeInBytes + recordBytesMax > bytesMax) return false;
    this.#builder.append(record);
    this.sends.push(send);
    return true;
  }

  /** The batch in wire form; from here on it takes no more records. A retry sends the same bytes, unless it was renumbered. */
  encode(codec: CompressionCodec, compress: RecordCompressor, isTransactional = false): Buffer {
    const fields = this.number === null ? {} : producerFields(this.number);
    if (this.#encoded === null) this.#encoded = this.#builder.build({ codec, compress, isTransactional, ...fields });
    else if (this.#encodedAs !== this.number && this.number !== null)
      // a copy: the bytes of an earlier attempt may still be in a socket's buffer
      this.#encoded = signBatch(Buffer.from(this.#encoded), producerFields(this.number));
    this.#encodedAs = this.number;
    return this.#encoded;
  }

  /** Two batches of half the records each, for one that a broker found too large. The same sends wait for them. */
  split(): readonly [ProducerBatch, ProducerBatch] {
    const halves = [this.#emptyHalf(), this.#emptyHalf()] as const;
    const half = Math.ceil(this.sends.length / 2);
    let index = 0;
    for (const { key, value, headers, timestampMs } of decodeBatch(this.#builder.build())) {
      const into = index < half ? halves[0] : halves[1];
      into.tryAppend({ key, value, headers, timestampMs }, 0, this.sends[index] as PendingSend, Number.POSITIVE_INFINITY);
      index++;
    }
    for (const part of halves) {
      part.attempts = this.attempts;
      part.mayBeInLog = this.mayBeInLog;
      part.mayBeInTopicId = this.mayBeInTopicId;
    }
    // the numbers stay as they are: later batches have theirs
    halves[0].ordinal = this.ordinal;
    halves[1].ordinal = this.ordinal + half;
    halves[0].number = this.number;
    halves[1].number = this.number === null ? null : { ...this.number, position: this.number.position + half };
    Promise.all(halves.map((part) => part.whenSettled)).then(() => this.#settled.resolve());
    return halves;
  }

  #emptyHalf(): ProducerBatch {
    return new ProducerBatch(this.topic, this.partition, this.createdAtMs, this.deadlineMs);
  }

  acknowledge({ baseOffset, logAppendTimeMs }: Acknowledged): void {
    const { topic, partition, attempts } = this;
    let offset = baseOffset;
    for (const send of this.sends) {
      send.resolve({ topic, partition, offset, timestampMs: logAppendTimeMs >= 0 ? logAppendTimeMs : send.timestampMs, attempts });
      if (baseOffset >= 0) offset++;
    }
    this.#settled.resolve();
  }

  fail(error: Error): void {
    for (const send of this.sends) send.reject(error);
    this.#settled.resolve();
  }
}

function producerFields({ producerId, producerEpoch, position }: BatchNumber): ProducerFields {
  return { producerId, producerEpoch, baseSequence: sequencePlus(position, 0) };
}
