import { type Clock, sleep } from "../../protocol/base/clock.ts";
import type { TopicPartition } from "../../protocol/base/ids.ts";
import { InvariantViolation, invariant } from "../../protocol/base/invariant.ts";
import type { Logger } from "../../protocol/base/logger.ts";
import type { Outcome } from "../../protocol/errors/kafka-errors.ts";
import { type BatchInfo, batchHeaderBytes } from "../../protocol/records/batch-header.ts";
import { decompressRecords } from "../../protocol/records/compression.ts";
import { decodeBatch, openBatch } from "../../protocol/records/decode-batch.ts";
import { BatchBuilder, type BatchOptions, recordBytesAtMost } from "../../protocol/records/encode-batch.ts";
import { MalformedFrame } from "../../protocol/wire/reader.ts";
import type { VersionedMarker } from "../log/log-contract.ts";
import type { AppendOptions, GuardingLeader } from "../partition/client-contract.ts";
import type { AppendedState, StatePartitions, StateStanding } from "../partition/internal-topic-partitions.ts";
import type { ReplayedBatch, StateRecord, Transaction } from "./contract.ts";

export interface ShardLogParts {
  readonly ref: TopicPartition;
  readonly partitions: StatePartitions;
  readonly clock: Clock;
  readonly log: Logger;
  /** What is kept there, in the plural, for the broker's log. */
  readonly what: string;
  /** Bytes read at a time. */
  readonly readBytesMax: number;
}

export interface LoadedLog {
  readonly records: number;
  readonly endOffset: number;
}

type Replay = (record: StateRecord, batch: ReplayedBatch) => void;

const retryPauseMs = 200;
const unreadablePauseMs = 10_000;
const changeWaitMs = 5_000;
/**
 * Replay runs for this long, then other work gets a turn. Race: (1) the end of a long log is in memory, so that reading it never waits for
 * the disk; (2) a million records take seconds; (3) if nothing else ran meanwhile, heartbeats to the other brokers and to the coordinator
 * would be missed, the session lost and with it this leadership: the load would start over on another broker, and end like this one.
 */
const turnMaxMs = 20;

/** The partition that a shard keeps its state in: read as a whole once, then appended to. */
export class ShardLog {
  readonly ref: TopicPartition;
  readonly what: string;
  readonly #parts: ShardLogParts;

  constructor(parts: ShardLogParts) {
    this.ref = parts.ref;
    this.what = parts.what;
    this.#parts = parts;
  }

  standing(): Outcome<StateStanding> {
    return this.#parts.partitions.standing(this.ref);
  }

  /** See `StatePartitions.append`. */
  append(batch: Buffer, guard?: AppendOptions["guard"]): Outcome<AppendedState> {
    return this.#parts.partitions.append(this.ref, batch, guard);
  }

  /** See `StatePartitions.appendMarker`. */
  appendMarker(marker: VersionedMarker): Outcome<AppendedState> {
    return this.#parts.partitions.appendMarker(this.ref, marker);
  }

  guards(): Outcome<{ readonly leader: GuardingLeader }> {
    return this.#parts.partitions.guards(this.ref);
  }

  /**
   * Replays the log from its first record to where it ended when the reading began, and resolves when all of that is committed: a new
   * leader's log may end with records that its followers do not have yet, and no client may see them before. Null: the leadership ended
   * first, which `signal` tells.
   */
  async readWhole(replay: Replay, signal: AbortSignal): Promise<LoadedLog | null> {
    const { what } = this;
    const { partition } = this.ref;
    const { partitions, clock, log, readBytesMax } = this.#parts;
    let at = -1;
    let endOffset = -1;
    let records = 0;
    while (!signal.aborted) {
      const standing = this.standing();
      if (standing.error !== null) {
        await this.#pause(retryPauseMs, signal);
        continue;
      }
      if (endOffset < 0) endOffset = standing.endOffset;
      at = Math.max(at, standing.startOffset);
      if (at >= endOffset) return { records, endOffset };
      if (standing.highWatermark <= at) {
        await partitions.changed([this.ref], clock.monotonicMs() + changeWaitMs, signal);
        continue;
      }
      const options = { fetchOffset: at, currentLeaderEpoch: -1, lastFetchedEpoch: -1, maxBytes: readBytesMax, minOneBatch: true };
      const read = await partitions.read(this.ref, options);
      if (signal.aborted) return null;
      // compaction may have taken the last records
      if (read.error === null && read.sizeInBytes === 0 && read.highWatermark >= endOffset) return { records, endOffset };
      if (read.error !== null || read.sizeInBytes === 0) {
        if (read.error !== null) log.warn({ partition, error: read.error, offset: at }, `cannot read the ${what}' log, trying again`);
        await this.#pause(retryPauseMs, signal);
        continue;
      }
      const replayed = await this.#replayBatches(read.chunks, at, replay, signal);
      if (replayed === null) return null;
      records += replayed.records;
      if (replayed.endOffset <= at) {
        // damage that no read of the log has found so far: the scrubber reports this replica, and another broker leads
        log.error({ partition, offset: at }, `the ${what}' log cannot be read from here on, trying again`);
        await this.#pause(unreadablePauseMs, signal);
        continue;
      }
      at = replayed.endOffset;
      // reads from memory never leave this turn of the loop: other requests must not wait for all of a long log
      await this.#pause(0, signal);
    }
    return null;
  }

  /**
   * Whole batches, in one or more pieces. What cannot be read is skipped, with a line in the log: one damaged record must not make a whole
   * shard unusable.
   * Null: the leadership ended meanwhile.
   */
  async #replayBatches(chunks: readonly Buffer[], fromOffset: number, replay: Replay, signal: AbortSignal): Promise<LoadedLog | null> {
    const { clock, log } = this.#parts;
    const bytes = chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks);
    let endOffset = fromOffset;
    let records = 0;
    let turnEndMs = clock.monotonicMs() + turnMaxMs;
    for (let position = 0; position + batchHeaderBytes <= bytes.length; ) {
      if (clock.monotonicMs() >= turnEndMs) {
        await this.#pause(0, signal);
        if (signal.aborted) return null;
        turnEndMs = clock.monotonicMs() + turnMaxMs;
      }
      const batch = this.#batchAt(bytes, position);
      if (batch === null) break;
      try {
        records += this.#replayBatch(bytes, batch, fromOffset, replay);
      } catch (error) {
        if (!(error instanceof MalformedFrame)) throw error;
        log.error({ err: error, offset: batch.baseOffset }, `a batch of the ${this.what}' log cannot be read and is left out`);
      }
      endOffset = Math.max(endOffset, batch.lastOffset + 1);
      position += batch.sizeInBytes;
    }
    // the next read may be answered from memory, without a turn for other work
    await this.#pause(0, signal);
    return signal.aborted ? null : { endOffset, records };
  }

  /** Null, and a line in the log: what is there is no batch, so where the next one begins is not known. */
  #batchAt(bytes: Buffer, position: number): BatchInfo | null {
    try {
      return openBatch(bytes, position, { checkCrc: false });
    } catch (error) {
      if (!(error instanceof MalformedFrame)) throw error;
      this.#parts.log.error({ err: error, position }, `something in the ${this.what}' log is no batch`);
      return null;
    }
  }

  #replayBatch(bytes: Buffer, batch: BatchInfo, fromOffset: number, replay: Replay): number {
    const { log } = this.#parts;
    let records = 0;
    // the CRC was checked when the batch was appended
    for (const { key, value, offset } of decodeBatch(bytes, batch.position, { checkCrc: false, decompress: decompressRecords })) {
      if (key === null || offset < fromOffset) continue;
      try {
        replay({ key, value }, batch);
        records++;
      } catch (error) {
        if (error instanceof InvariantViolation || !(error instanceof MalformedFrame)) throw error;
        log.error({ err: error, offset }, `a record of the ${this.what}' log cannot be read and is left out`);
      }
    }
    return records;
  }

  /** Ends early when the leadership does. */
  #pause(delayMs: number, signal: AbortSignal): Promise<void> {
    return sleep(this.#parts.clock, delayMs, signal).catch(() => undefined);
  }
}

export interface EncodedBatch {
  readonly bytes: Buffer;
  readonly records: readonly StateRecord[];
}

export interface BatchTerms {
  readonly batchBytesMax: number;
  readonly divisible: boolean;
  readonly timestampMs: number;
  /** Its batches have no sequence: they are told apart by nothing but their order. Left out: no producer's. */
  readonly transaction?: Transaction | undefined;
}

/** The records in batches that the partition accepts; null: they need more than one and may not be divided, or one alone is too large. */
export function inBatches(
  records: readonly StateRecord[],
  { batchBytesMax, divisible, timestampMs, transaction }: BatchTerms,
): readonly EncodedBatch[] | null {
  const options: BatchOptions =
    transaction === undefined
      ? {}
      : { producerId: transaction.producerId, producerEpoch: transaction.producerEpoch, isTransactional: true };
  const batches: EncodedBatch[] = [];
  let builder = new BatchBuilder();
  let from = 0;
  for (const [index, record] of records.entries()) {
    const isFull = builder.sizeInBytes + recordBytesAtMost(record) > batchBytesMax;
    if (isFull && (builder.recordsCount === 0 || !divisible)) return null;
    if (isFull) {
      batches.push({ bytes: builder.build(options), records: records.slice(from, index) });
      builder = new BatchBuilder();
      from = index;
      if (builder.sizeInBytes + recordBytesAtMost(record) > batchBytesMax) return null;
    }
    builder.append({ ...record, timestampMs });
  }
  if (builder.recordsCount > 0) batches.push({ bytes: builder.build(options), records: records.slice(from) });
  invariant(batches.length <= 1 || divisible, "what may not be divided is one batch");
  return batches;
}
