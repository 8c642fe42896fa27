import { LogCleaner } from "../../../../broker/log/compaction/log-cleaner.ts";
import { offsetMapEntryBytes } from "../../../../broker/log/compaction/offset-map.ts";
import type { Log } from "../../../../broker/log/log-contract.ts";
import type { SegmentedLog } from "../../../../broker/log/partition-log/segmented-log.ts";
import type { CleanerConfig } from "../../../../broker/log/store-contract.ts";
import type { Clock } from "../../../../protocol/base/clock.ts";
import { type Logger, silentLogger } from "../../../../protocol/base/logger.ts";
import { seededRandom } from "../../../../protocol/base/random.ts";
import type { CompressionCodec } from "../../../../protocol/records/batch-header.ts";
import { compressRecords, decompressRecords } from "../../../../protocol/records/compression.ts";
import { decodeBatch } from "../../../../protocol/records/decode-batch.ts";
import { encodeBatch } from "../../../../protocol/records/encode-batch.ts";
import { scanBatches } from "../../../../protocol/records/validate-batches.ts";
import { root, settingsWith } from "../log-fixture.ts";

export const compacted = settingsWith({
  cleanupPolicy: "compact",
  minCleanableDirtyRatio: 0,
  segmentBytes: 600,
  indexIntervalBytes: 100,
  deleteRetentionMs: 1000,
});

export interface Entry {
  readonly key: string | null;
  readonly value: string | null;
  readonly timestampMs?: number;
}

export interface Sender {
  readonly codec?: CompressionCodec;
  readonly producerId?: number;
  readonly baseSequence?: number;
}

export function keyedBatch(entries: readonly Entry[], { codec = "none", producerId = -1, baseSequence = -1 }: Sender = {}): Buffer {
  return encodeBatch(
    entries.map(({ key, value, timestampMs = 1_700_000_000_000 }) => ({
      key: key === null ? null : Buffer.from(key),
      value: value === null ? null : Buffer.from(value),
      headers: [{ key: "h", value: Buffer.from("v") }],
      timestampMs,
    })),
    { codec, compress: compressRecords, producerId, producerEpoch: producerId < 0 ? -1 : 3, baseSequence },
  );
}

export interface Found {
  readonly offset: number;
  readonly key: string | null;
  readonly value: string | null;
  readonly timestampMs: number;
}

export function foundIn(bytes: Buffer): Found[] {
  const { batches, tail } = scanBatches(bytes);
  if (tail.kind !== "clean") throw new Error(`batches end ${tail.kind}`);
  return batches.flatMap((batch) =>
    [...decodeBatch(bytes, batch.position, { decompress: decompressRecords })].map(({ offset, key, value, timestampMs }) => ({
      offset,
      key: key === null ? null : String(key),
      value: value === null ? null : String(value),
      timestampMs,
    })),
  );
}

/** Everything from `from` on, as a consumer reads it: on to the next batch, whatever is between. */
export async function readKeyed(log: Log, from = log.startOffset, maxBytes = 700): Promise<Found[]> {
  const all: Found[] = [];
  for (let offset = from; offset < log.writtenEndOffset; ) {
    const { chunks } = await log.read(offset, { maxBytes, endOffsetLimit: log.writtenEndOffset, minOneBatch: true });
    const bytes = Buffer.concat(chunks);
    if (bytes.length === 0) throw new Error(`nothing at ${offset}, the log ends at ${log.writtenEndOffset}`);
    all.push(...foundIn(bytes).filter((record) => record.offset >= offset));
    offset = scanBatches(bytes).batches.at(-1)!.lastOffset + 1;
  }
  return all;
}

export interface CleaningOptions {
  readonly clock: Clock;
  /** Keys that the map takes. */
  readonly keysMax?: number;
  readonly highWatermark?: number;
  readonly logger?: Logger;
  readonly config?: CleanerConfig;
}

export function cleanerOf(log: Log, { clock, keysMax = 1000, highWatermark, logger = silentLogger, config }: CleaningOptions): LogCleaner {
  return new LogCleaner({
    clock,
    random: seededRandom(1),
    logger,
    config: config ?? {
      backoffMs: 15_000,
      mapBytesMax: keysMax * offsetMapEntryBytes,
      mapLoadFactor: 1,
      bytesPerSecondMax: Number.MAX_VALUE,
    },
    logs: () => [["t-0", log as SegmentedLog]],
    highWatermark: () => highWatermark ?? log.writtenEndOffset,
  });
}

export const folder = `${root}/t-0`;
