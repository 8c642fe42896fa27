import type { KafkaError, Outcome } from "../../protocol/errors/kafka-errors.ts";
import { batchSizeAt, lastOffsetAt, recordsCountAt } from "../../protocol/records/batch-header.ts";
import {
  DamagedBatch,
  type FoundRecord,
  type Log,
  LogOffline,
  OffsetOutOfLog,
  type ReadOptions,
  type ReadResult,
  TooManyLookups,
} from "../log/log-contract.ts";
import type { TopicSettings } from "../runtime/config/topic-settings.ts";
import type { ConsumerRead, ConsumerReadOptions, OffsetTarget } from "./client-contract.ts";
import type { LeaderState } from "./leader-state.ts";
import { noEpoch } from "./log-position.ts";

/** A client that knows a leader epoch (-1: does not) must know ours (KIP-320). */
export function epochRefusal(currentLeaderEpoch: number, ours: number): "FENCED_LEADER_EPOCH" | "UNKNOWN_LEADER_EPOCH" | null {
  if (currentLeaderEpoch === noEpoch || currentLeaderEpoch === ours) return null;
  return currentLeaderEpoch < ours ? "FENCED_LEADER_EPOCH" : "UNKNOWN_LEADER_EPOCH";
}

/** Why a consumer's read is refused before anything is looked at. */
export function consumerRefusal(
  { currentLeaderEpoch, withoutZstd = false }: ConsumerReadOptions,
  ourEpoch: number,
  { compressionType }: Pick<TopicSettings, "compressionType">,
): KafkaError | null {
  const refusal = epochRefusal(currentLeaderEpoch, ourEpoch);
  return refusal ?? (withoutZstd && compressionType === "zstd" ? "UNSUPPORTED_COMPRESSION_TYPE" : null);
}

/** Reads, with the log's failures as protocol errors. */
export async function readLog(log: Log, fromOffset: number, options: ReadOptions): Promise<Outcome<ReadResult>> {
  return orStorageError(async () => ({ error: null, ...(await log.read(fromOffset, options)) }));
}

/** No record is that late: as Kafka answers it. */
const nothingFound: FoundRecord = { offset: -1, timestampMs: -1, leaderEpoch: noEpoch };

/**
 * As a consumer reads. Compaction leaves batches without records, to keep producer states and the ends of segments. A consumer that is
 * given nothing else may fetch the same offset for ever (kafkajs 2.2 does), so they are skipped where something follows them. Followers get
 * them.
 */
export async function readRecords(log: Log, fromOffset: number, options: ReadOptions): Promise<Outcome<ReadResult>> {
  let read = await readLog(log, fromOffset, options);
  for (;;) {
    const endOffset = read.error === null ? endOfEmptied(read.chunks) : null;
    if (endOffset === null || endOffset >= options.endOffsetLimit) return read;
    const next = await readLog(log, endOffset, options);
    if (next.error !== null || next.sizeInBytes === 0) return read;
    if (read.error === null) read.release?.();
    read = next;
  }
}

/** Up to where consumers read: all of them, and those of committed transactions, below whose end everything is decided. */
export type VisibleEnds = Pick<ConsumerRead, "highWatermark" | "lastStableOffset">;

export function visibleEnds(log: Log, highWatermark: number): VisibleEnds {
  return { highWatermark, lastStableOffset: Math.min(log.firstUnstableOffset(highWatermark) ?? highWatermark, highWatermark) };
}

export type VisibleRead = ReadResult & Pick<ConsumerRead, "aborted">;

const nothingRead: VisibleRead = { chunks: [], sizeInBytes: 0 };

/** What a consumer asks for, below the high watermark or, of committed transactions, below the last stable offset. */
export async function readVisible(
  log: Log,
  { fetchOffset, maxBytes, minOneBatch, trustsRemembered, committedOnly = false }: ConsumerReadOptions,
  { highWatermark, lastStableOffset }: VisibleEnds,
): Promise<Outcome<VisibleRead>> {
  const endOffsetLimit = committedOnly ? lastStableOffset : highWatermark;
  if (fetchOffset >= endOffsetLimit) return { error: null, ...nothingRead };
  const read = await readRecords(log, fetchOffset, {
    maxBytes,
    endOffsetLimit,
    minOneBatch,
    ...(trustsRemembered === undefined ? {} : { trustsRemembered }),
  });
  if (!committedOnly || read.error !== null || read.sizeInBytes === 0) return read;
  const found = await orStorageError(async () => ({
    error: null,
    aborted: await log.abortedWithin(fetchOffset, endOfBatches(read.chunks)),
  }));
  if (found.error === null) return { ...read, aborted: found.aborted };
  read.release?.();
  return found;
}

function endOfBatches(chunks: readonly Buffer[]): number {
  const last = chunks.at(-1)!;
  let lastAt = 0;
  for (let at = 0; at < last.length; at += batchSizeAt(last, at)) lastAt = at;
  return lastOffsetAt(last, lastAt) + 1;
}

/** Where these batches end, when none of them has a record; null when one has, or there is none. */
function endOfEmptied(chunks: readonly Buffer[]): number | null {
  let endOffset: number | null = null;
  for (const chunk of chunks) {
    for (let at = 0; at < chunk.length; at += batchSizeAt(chunk, at)) {
      if (recordsCountAt(chunk, at) > 0) return null;
      endOffset = lastOffsetAt(chunk, at) + 1;
    }
  }
  return endOffset;
}

/**
 * ListOffsets as a consumer sees it: nothing at or above the high watermark or, for `committedOnly`, the last stable offset. After an
 * election the high watermark may lag behind what was committed before; until it reaches the start of the epoch, whatever depends on the
 * end is OFFSET_NOT_AVAILABLE (KIP-207).
 */
export async function findOffset(
  log: Log,
  state: LeaderState,
  target: OffsetTarget,
  committedOnly: boolean,
): Promise<Outcome<FoundRecord>> {
  const { highWatermark, epochStartOffset, epoch } = state;
  const isEndKnown = highWatermark >= epochStartOffset;
  const endOffset = committedOnly ? visibleEnds(log, highWatermark).lastStableOffset : highWatermark;
  switch (target.kind) {
    case "earliest": {
      const offset = log.startOffset;
      // in an empty log the next record, which will be ours
      const leaderEpoch = offset === log.writtenEndOffset ? epoch : (log.epochAt(offset) ?? noEpoch);
      return { error: null, offset, timestampMs: -1, leaderEpoch };
    }
    case "latest":
      return isEndKnown ? { error: null, offset: endOffset, timestampMs: -1, leaderEpoch: epoch } : { error: "OFFSET_NOT_AVAILABLE" };
    case "max-timestamp":
    case "timestamp":
      return orStorageError(async () => {
        const found = target.kind === "timestamp" ? await log.findByTimestamp(target.timestampMs) : await log.findMaxTimestamp();
        if (found !== null && found.offset < endOffset) return { error: null, ...found };
        return isEndKnown ? { error: null, ...nothingFound } : { error: "OFFSET_NOT_AVAILABLE" };
      });
  }
}

/** KIP-101. Epoch and offset -1: we know nothing of an epoch so old, or so new. */
export function endOfEpoch(log: Log, ourEpoch: number, epoch: number): { readonly epoch: number; readonly endOffset: number } {
  return (epoch > ourEpoch ? null : log.endOffsetForEpoch(epoch)) ?? { epoch: noEpoch, endOffset: -1 };
}

async function orStorageError<T>(read: () => Promise<Outcome<T>>): Promise<Outcome<T>> {
  try {
    return await read();
  } catch (error) {
    if (error instanceof OffsetOutOfLog) return { error: "OFFSET_OUT_OF_RANGE" };
    // every client asks again then
    if (error instanceof TooManyLookups) return { error: "OFFSET_NOT_AVAILABLE" };
    if (error instanceof LogOffline) return { error: "KAFKA_STORAGE_ERROR" };
    // Java's consumer throws on it, librdkafka reports it: an application hears that it will not get past this place. KAFKA_STORAGE_ERROR
    // it would repeat for ever, in silence.
    if (error instanceof DamagedBatch) return { error: "CORRUPT_MESSAGE", message: error.message };
    throw error;
  }
}
