// What durability costs: `node test/bench/durability.ts [--folder DIR] [--gib 10] [--only appends,partitions,reads,starts,lookups]`. Runs
// logs in this process, on a real folder, which it removes.
// Appends are those of acks=1 or of the leader alone: the network is left out.

import { mkdtemp, rm, statfs } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { openLogStore } from "../../broker/log/directories/open-directories.ts";
import type { Log } from "../../broker/log/log-contract.ts";
import type { File, FileSystem } from "../../broker/runtime/files.ts";
import { nodeFileSystem } from "../../broker/runtime/node-files.ts";
import type { TopicSettings } from "../../broker/runtime/topic-settings.ts";
import { silentLogger } from "../../protocol/base/logger.ts";
import { seededRandom } from "../../protocol/base/random.ts";
import { nodeClock } from "../../protocol/node/node-clock.ts";
import { encodeBatch } from "../../protocol/records/encode-batch.ts";
import { writeManySegments } from "../support/many-segments.ts";
import { testSettings } from "../support/memory-log.ts";
import { parsedBatch } from "../support/parsed-batch.ts";

export interface DurabilityBench {
  /** Made, used and removed below it. */
  readonly folder: string;
  readonly gib: number;
  readonly only: readonly string[];
  readonly print: (line: string) => void;
}

const topicId = "AbCdEfGhIjKlMnOpQrStUw";
const time = 1_700_000_000_000;
const measuredMs = 3_000;
const mebibyte = 1024 * 1024;

export async function benchDurability({ folder, gib, only, print }: DurabilityBench): Promise<void> {
  const parts: Record<string, (root: string) => Promise<void>> = {
    appends: (root) => benchAppends(root, print),
    partitions: (root) => benchPartitions(root, print),
    reads: (root) => benchColdReads(root, print),
    starts: (root) => benchStarts(root, print),
    lookups: (root) => benchLookups(root, gib, print),
  };
  for (const [name, run] of Object.entries(parts)) {
    if (only.length > 0 && !only.includes(name)) continue;
    const root = await mkdtemp(join(folder, "ottla-durability-"));
    try {
      await run(root);
    } finally {
      await rm(root, { recursive: true, force: true });
    }
  }
}

/** Node's files, whose fsyncs of segments are counted. */
function countingFiles(): { readonly files: FileSystem; readonly syncs: () => number } {
  const real = nodeFileSystem();
  let count = 0;
  const open = async (path: string, mode: "read" | "readwrite"): Promise<File> => {
    const file = await real.open(path, mode);
    const sync = file.sync.bind(file);
    file.sync = () => {
      if (path.endsWith(".log")) count++;
      return sync();
    };
    return file;
  };
  const files = new Proxy(real, { get: (target, name) => (name === "open" ? open : Reflect.get(target, name).bind(target)) });
  return { files, syncs: () => count };
}

async function openStore(root: string, files: FileSystem = nodeFileSystem(), tailCacheBytesMax = 64 * mebibyte) {
  return openLogStore({ files, clock: nodeClock, random: seededRandom(1), log: silentLogger }, { directory: root, tailCacheBytesMax });
}

const settings = (changes: Partial<TopicSettings>): TopicSettings => ({ ...testSettings, ...changes });

function batchOf(bytes: number, timestampMs = time): Buffer {
  return encodeBatch([{ key: null, value: Buffer.alloc(bytes, 0x61), headers: [], timestampMs }]);
}

async function appendOne(log: Log, batch: Buffer): Promise<void> {
  const appended = log.appendAsLeader(parsedBatch(Buffer.from(batch)), 0, 0);
  if (appended.kind !== "appended") throw new Error(appended.kind);
  await log.written(appended.endOffset);
}

async function benchAppends(root: string, print: (line: string) => void): Promise<void> {
  print("appends of 1 KiB, each producer waiting for its own:");
  for (const flushMessages of [Number.MAX_SAFE_INTEGER, 1]) {
    for (const producers of [1, 10, 100]) {
      const { files, syncs } = countingFiles();
      const store = await openStore(`${root}/${flushMessages === 1}-${producers}`, files);
      const log = await store.open("t", 0, topicId, settings({ flushMessages }));
      const batch = batchOf(1024);
      await appendOne(log, batch);
      const before = syncs();
      const startedMs = performance.now();
      let acknowledged = 0;
      await Promise.all(
        Array.from({ length: producers }, async () => {
          while (performance.now() - startedMs < measuredMs) {
            await appendOne(log, batch);
            acknowledged++;
          }
        }),
      );
      const seconds = (performance.now() - startedMs) / 1000;
      const fsyncs = syncs() - before;
      const shared = flushMessages === 1 ? `, ${(acknowledged / fsyncs).toFixed(1)} acks per fsync` : "";
      const how = flushMessages === 1 ? "fsync per ack" : "no fsync     ";
      print(
        `  ${how}  ${String(producers).padStart(3)} producers: ${rate(acknowledged, seconds)} acks/s, ${rate(fsyncs, seconds)} fsyncs/s${shared}`,
      );
      await store.close();
    }
  }
}

async function benchPartitions(root: string, print: (line: string) => void): Promise<void> {
  print("fsync per ack in several partitions, one producer each (libuv has 4 threads for all files):");
  for (const partitions of [1, 2, 4, 8, 16]) {
    const { files, syncs } = countingFiles();
    const store = await openStore(`${root}/${partitions}`, files);
    const logs = await Promise.all(
      Array.from({ length: partitions }, (_, i) => store.open("t", i, topicId, settings({ flushMessages: 1 }))),
    );
    const batch = batchOf(1024);
    await Promise.all(logs.map((log) => appendOne(log, batch)));
    const before = syncs();
    const startedMs = performance.now();
    await Promise.all(
      logs.map(async (log) => {
        while (performance.now() - startedMs < measuredMs) await appendOne(log, batch);
      }),
    );
    print(`  ${String(partitions).padStart(2)} partitions: ${rate(syncs() - before, (performance.now() - startedMs) / 1000)} fsyncs/s`);
    await store.close();
  }
}

async function benchColdReads(root: string, print: (line: string) => void): Promise<void> {
  print("reads from files (checked by CRC), 1 MiB a time, the system's cache warm:");
  for (const bytes of [100, 1_000, 16_000]) {
    const store = await openStore(`${root}/${bytes}`, nodeFileSystem(), 0);
    const log = await store.open("t", 0, topicId, settings({ segmentBytes: 64 * mebibyte }));
    const one = batchOf(bytes);
    const total = 128 * mebibyte;
    for (let written = 0; written < total; ) {
      for (const end = written + mebibyte; written < end; written += one.length) log.appendAsLeader(parsedBatch(Buffer.from(one)), 0, 0);
      await log.written(log.endOffset);
    }
    for (const round of ["first", "second"]) {
      const startedMs = performance.now();
      let read = 0;
      for (let offset = 0; offset < log.endOffset; ) {
        const { chunks, sizeInBytes } = await log.read(offset, { maxBytes: mebibyte, endOffsetLimit: log.endOffset, minOneBatch: true });
        read += sizeInBytes;
        offset += chunks.reduce((sum, chunk) => sum + chunk.length / one.length, 0);
      }
      if (round === "second") print(`  batches of ${bytes} bytes: ${rate(read / mebibyte, (performance.now() - startedMs) / 1000)} MiB/s`);
    }
    await store.close();
  }
}

async function benchStarts(root: string, print: (line: string) => void): Promise<void> {
  print("start of a log after a clean stop:");
  for (const count of [1, 100, 10_000]) {
    const folder = `${root}/${count}`;
    await writeManySegments(nodeFileSystem(), { root: folder, topicId, count, timestampMs: (segment) => time + segment });
    globalThis.gc?.();
    const heapBefore = process.memoryUsage().heapUsed;
    const startedMs = performance.now();
    const store = await openStore(folder);
    const log = await store.open("t", 0, topicId, settings({}));
    const openedMs = performance.now() - startedMs;
    globalThis.gc?.();
    const heapBytes = process.memoryUsage().heapUsed - heapBefore;
    const lookupMs: number[] = [];
    for (let i = 0; i < 20; i++) {
      const lookupFromMs = performance.now();
      await log.findByTimestamp(time + Math.floor((count * i) / 20));
      lookupMs.push(performance.now() - lookupFromMs);
    }
    const later = lookupMs.slice(1).reduce((sum, ms) => sum + ms, 0) / (lookupMs.length - 1);
    const memory = `${(heapBytes / mebibyte).toFixed(1)} MiB of heap (${Math.round(heapBytes / count)} bytes a segment)`;
    print(
      `  ${String(count).padStart(6)} segments: ${openedMs.toFixed(0)} ms, ${memory}; first lookup by time ${lookupMs[0]!.toFixed(0)} ms, later ones ${later.toFixed(2)} ms`,
    );
    await store.close();
  }
}

async function benchLookups(root: string, gib: number, print: (line: string) => void): Promise<void> {
  const { bavail, bsize } = await statfs(root);
  const freeGib = (bavail * bsize) / 1024 ** 3;
  const size = freeGib < 3 * gib ? Math.max(1, Math.floor(freeGib / 10)) : gib;
  if (size < gib) print(`only ${freeGib.toFixed(0)} GiB are free: ${size} GiB instead of ${gib}`);
  const store = await openStore(root, nodeFileSystem(), 0);
  const log = await store.open("t", 0, topicId, settings({}));
  const startedMs = performance.now();
  const bytes = 64 * 1024;
  const batches = Math.floor((size * 1024 ** 3) / bytes);
  for (let i = 0; i < batches; i += 64) {
    for (let j = i; j < Math.min(i + 64, batches); j++) log.appendAsLeader(parsedBatch(batchOf(bytes - 100, time + j * 10)), 0, 0);
    await log.written(log.endOffset);
  }
  const seconds = (performance.now() - startedMs) / 1000;
  print(`a log of ${size} GiB, written with ${rate((size * 1024) / seconds, 1)} MiB/s:`);
  const random = seededRandom(3);
  const tookMs: number[] = [];
  for (let i = 0; i < 1000; i++) {
    const wanted = Math.floor(random.next() * batches);
    const fromMs = performance.now();
    const found = await log.findByTimestamp(time + wanted * 10);
    tookMs.push(performance.now() - fromMs);
    if (found?.offset !== wanted) throw new Error(`found ${found?.offset} for ${wanted}`);
  }
  tookMs.sort((a, b) => a - b);
  print(
    `  lookups by time: median ${tookMs[500]!.toFixed(2)} ms, 99 % within ${tookMs[990]!.toFixed(2)} ms, slowest ${tookMs.at(-1)!.toFixed(1)} ms`,
  );
  print(`  resident memory ${Math.round(process.memoryUsage().rss / mebibyte)} MiB`);
  await store.close();
}

function rate(count: number, seconds: number): string {
  return Math.round(count / seconds).toLocaleString("en-US");
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const { values } = parseArgs({
    options: {
      folder: { type: "string", default: tmpdir() },
      gib: { type: "string", default: "10" },
      only: { type: "string", default: "" },
    },
  });
  const only = values.only.split(",").filter((name) => name !== "");
  await benchDurability({ folder: values.folder, gib: Number(values.gib), only, print: (line) => console.log(line) });
}
