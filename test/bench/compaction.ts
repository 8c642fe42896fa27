// What compaction costs: `node test/bench/compaction.ts [MiB per codec]`. One log in a temporary folder, no cluster: MB/s, how long appends
// take meanwhile, memory.

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { LogCleaner } from "../../broker/log/compaction/log-cleaner.ts";
import { openLogStore } from "../../broker/log/directories/open-directories.ts";
import type { SegmentedLog } from "../../broker/log/partition-log/segmented-log.ts";
import { nodeFileSystem } from "../../broker/runtime/node-files.ts";
import { silentLogger } from "../../protocol/base/logger.ts";
import { seededRandom } from "../../protocol/base/random.ts";
import { nodeClock } from "../../protocol/node/node-clock.ts";
import type { CompressionCodec } from "../../protocol/records/batch-header.ts";
import { compressRecords } from "../../protocol/records/compression.ts";
import { BatchBuilder } from "../../protocol/records/encode-batch.ts";
import { testSettings } from "../support/memory-log.ts";
import { parsedBatch } from "../support/parsed-batch.ts";

export interface CompactionFigures {
  readonly codec: CompressionCodec;
  readonly megabytes: number;
  readonly records: number;
  readonly keys: number;
  readonly seconds: number;
  /** Of the log as it was, as stored. */
  readonly megabytesPerSecond: number;
  readonly recordsPerSecond: number;
  readonly megabytesAfter: number;
  /** From an append to its bytes being written, milliseconds; one append of a batch every 2 ms. */
  readonly appendMs: { readonly idle: Latencies; readonly compacting: Latencies };
  /** Above what was used before the cleaning began, MiB. */
  readonly memoryMib: number;
}

interface Latencies {
  readonly median: number;
  readonly p99: number;
  readonly max: number;
}

const batchRecords = 500;
const valueBytes = 100;

export async function measureCompaction(codec: CompressionCodec, mebibytes: number): Promise<CompactionFigures> {
  const directory = await mkdtemp(join(tmpdir(), "ottla-compaction-"));
  const random = seededRandom(1);
  const store = await openLogStore({ files: nodeFileSystem(), clock: nodeClock, random, log: silentLogger }, { directory });
  try {
    const settings = { ...testSettings, cleanupPolicy: "compact" as const, minCleanableDirtyRatio: 0, segmentBytes: 2 ** 20 };
    const log = (await store.open("t", 0, "AbCdEfGhIjKlMnOpQrStUw", settings)) as SegmentedLog;
    const keys = Math.floor((mebibytes * 2 ** 20) / valueBytes / 4);
    const batch = () => {
      const builder = new BatchBuilder();
      for (let i = 0; i < batchRecords; i++) {
        const value = Buffer.alloc(valueBytes, `${Math.floor(random.next() * 1e9)} some words that repeat `);
        builder.append({ key: Buffer.from(`customer-${Math.floor(random.next() * keys)}`), value, timestampMs: nodeClock.nowMs() });
      }
      return builder.build({ codec, compress: compressRecords });
    };
    let plainBytes = 0;
    let storedBytes = 0;
    while (plainBytes < mebibytes * 2 ** 20) {
      const bytes = batch();
      plainBytes += batchRecords * (valueBytes + 30);
      storedBytes += bytes.length;
      const appended = log.appendAsLeader(parsedBatch(bytes), 0, 0);
      if (appended.kind !== "appended") throw new Error(`not appended: ${appended.kind}`);
      await log.written(appended.endOffset);
    }
    const records = log.endOffset;
    await log.flush();
    log.updateSettings({ ...settings, segmentBytes: 2 ** 30 });
    const cleaner = new LogCleaner({
      clock: nodeClock,
      random,
      logger: silentLogger,
      config: { backoffMs: 15_000, mapBytesMax: 128 * 2 ** 20, mapLoadFactor: 0.9, bytesPerSecondMax: Number.MAX_VALUE },
      logs: () => [["t-0", log]],
      highWatermark: () => log.writtenEndOffset,
    });
    const prepared = Array.from({ length: 200 }, batch);
    const idle = await whileAppending(log, prepared, new Promise((resolve) => setTimeout(resolve, 1000)));
    globalThis.gc?.();
    const memoryBefore = process.memoryUsage().rss;
    let memoryMost = memoryBefore;
    const watch = setInterval(() => {
      memoryMost = Math.max(memoryMost, process.memoryUsage().rss);
    }, 20);
    const startMs = performance.now();
    let seconds = 0;
    const cleaning = (async () => {
      while (await cleaner.cleanOne());
      seconds = (performance.now() - startMs) / 1000;
    })();
    const compacting = await whileAppending(log, prepared, cleaning);
    clearInterval(watch);
    const left = await log.read(0, { maxBytes: 0, endOffsetLimit: log.endOffset, minOneBatch: true });
    if (left.sizeInBytes === 0) throw new Error("nothing is left");
    const files = nodeFileSystem();
    let after = 0;
    for (const name of await files.list(`${directory}/t-0`))
      if (name.endsWith(".log")) after += await files.size(`${directory}/t-0/${name}`);
    return {
      codec,
      megabytes: storedBytes / 1e6,
      records,
      keys,
      seconds,
      megabytesPerSecond: storedBytes / 1e6 / seconds,
      recordsPerSecond: records / seconds,
      megabytesAfter: after / 1e6,
      appendMs: { idle, compacting },
      memoryMib: (memoryMost - memoryBefore) / 2 ** 20,
    };
  } finally {
    await store.close();
    await rm(directory, { recursive: true, force: true });
  }
}

/** Appends a batch every 2 ms until `end` is settled. */
async function whileAppending(log: SegmentedLog, batches: readonly Buffer[], end: Promise<unknown>): Promise<Latencies> {
  const took: number[] = [];
  let isOver = false;
  void end.finally(() => {
    isOver = true;
  });
  for (let i = 0; !isOver; i++) {
    const dueMs = performance.now() + 2;
    await new Promise((resolve) => setTimeout(resolve, 2));
    // what the turn came too late by counts
    const appended = log.appendAsLeader(parsedBatch(Buffer.from(batches[i % batches.length]!)), 0, 0);
    if (appended.kind === "appended") await log.written(appended.endOffset);
    took.push(performance.now() - dueMs);
  }
  await end;
  const sorted = took.sort((a, b) => a - b);
  const at = (share: number) => sorted[Math.min(Math.floor(sorted.length * share), sorted.length - 1)] ?? 0;
  return { median: at(0.5), p99: at(0.99), max: at(1) };
}

export function compactionAsText(figures: CompactionFigures): string {
  const { codec, megabytes, seconds, megabytesPerSecond, recordsPerSecond, megabytesAfter, keys, appendMs, memoryMib } = figures;
  const times = ({ median, p99, max }: Latencies) => `${median.toFixed(1)} / ${p99.toFixed(1)} / ${max.toFixed(1)} ms`;
  return [
    `${codec.padEnd(7)} ${megabytes.toFixed(0)} MB to ${megabytesAfter.toFixed(0)} MB in ${seconds.toFixed(1)} s: ${megabytesPerSecond.toFixed(0)} MB/s, ${Math.round(recordsPerSecond).toLocaleString("en")} records/s, ${keys.toLocaleString("en")} keys`,
    `        an append (median / p99 / longest): ${times(appendMs.compacting)}; without compaction ${times(appendMs.idle)}; ${memoryMib.toFixed(0)} MiB more memory at most`,
  ].join("\n");
}

if (import.meta.main) {
  const mebibytes = Number(process.argv[2] ?? 256);
  for (const codec of ["none", "zstd"] as const) console.log(compactionAsText(await measureCompaction(codec, mebibytes)));
}
