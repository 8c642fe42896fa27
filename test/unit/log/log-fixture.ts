import type { DirectoryLogStore, LogStoreOptions } from "../../../broker/log/directories/log-store.ts";
import { openLogStore } from "../../../broker/log/directories/open-directories.ts";
import type { Appended, Log } from "../../../broker/log/log-contract.ts";
import type { FileSystem } from "../../../broker/runtime/files.ts";
import type { TopicSettings } from "../../../broker/runtime/topic-settings.ts";
import type { Clock } from "../../../protocol/base/clock.ts";
import { silentLogger } from "../../../protocol/base/logger.ts";
import { seededRandom } from "../../../protocol/base/random.ts";
import { decodeBatch } from "../../../protocol/records/decode-batch.ts";
import { encodeBatch } from "../../../protocol/records/encode-batch.ts";
import { scanBatches } from "../../../protocol/records/validate-batches.ts";
import { MemoryDisk } from "../../support/memory-files.ts";
import { testSettings } from "../../support/memory-log.ts";
import { parsedBatch } from "../../support/parsed-batch.ts";

export const topicId = "AbCdEfGhIjKlMnOpQrStUw";
export const root = "/data/logs";

export function settingsWith(changes: Partial<TopicSettings> = {}): TopicSettings {
  return { ...testSettings, ...changes };
}

/** Stands still unless moved; what is scheduled runs when the test says so. */
export class StillClock implements Clock {
  now = 1_700_000_000_000;
  readonly due: (() => void)[] = [];
  nowMs(): number {
    return this.now;
  }
  monotonicMs(): number {
    return this.now;
  }
  schedule(_delayMs: number, callback: () => void): { cancel(): void } {
    this.due.push(callback);
    return { cancel: () => void this.due.splice(this.due.indexOf(callback), 1) };
  }
}

/** One batch as a producer sends it: a record per value. */
export function batchOf(values: readonly string[], timestampsMs: number | readonly number[] = 1_700_000_000_000): Buffer {
  return encodeBatch(
    values.map((value, i) => ({
      key: null,
      value: Buffer.from(value),
      headers: [],
      timestampMs: typeof timestampsMs === "number" ? timestampsMs : timestampsMs[i]!,
    })),
  );
}

/** Copies that may be handed to a log, which writes into them. */
export function joined(...batches: readonly Buffer[]): Buffer {
  return Buffer.concat(batches);
}

export interface Fixture {
  readonly disk: MemoryDisk;
  readonly clock: StillClock;
  readonly files: FileSystem;
  readonly store: DirectoryLogStore;
}

export async function startStore(
  disk?: MemoryDisk,
  options: Partial<LogStoreOptions> = {},
  clock = new StillClock(),
  seed = 1,
  log = silentLogger,
): Promise<Fixture> {
  const onDisk = disk ?? new MemoryDisk({ clock, random: seededRandom(seed) });
  const files = onDisk.attach();
  const store = await openLogStore({ files, clock, random: seededRandom(seed + 1), log }, { directory: root, ...options });
  return { disk: onDisk, clock, files, store };
}

export async function startLog(
  settings: Partial<TopicSettings> = {},
  options: Partial<LogStoreOptions> = {},
): Promise<Fixture & { log: Log }> {
  const fixture = await startStore(undefined, options);
  return { ...fixture, log: await fixture.store.open("t", 0, topicId, settingsWith(settings)) };
}

/** Appends as the leader what must be appended. */
export function lead(log: Log, batches: Buffer, epoch = 0, appendTimeMs = 0): Appended {
  const appended = log.appendAsLeader(parsedBatch(batches), epoch, appendTimeMs);
  if (appended.kind !== "appended") throw new Error(`not appended but ${JSON.stringify(appended)}`);
  return appended;
}

/** Appends as the leader and waits until it is written. */
export async function append(log: Log, values: readonly string[], epoch = 0, timestampsMs?: number | readonly number[]): Promise<number> {
  const { baseOffset, endOffset } = lead(log, batchOf(values, timestampsMs), epoch);
  await log.written(endOffset);
  return baseOffset;
}

export interface ReadBack {
  readonly offset: number;
  readonly value: string;
  readonly epoch: number;
  readonly timestampMs: number;
}

export function recordsIn(chunks: readonly Buffer[]): ReadBack[] {
  const records: ReadBack[] = [];
  for (const chunk of chunks) {
    const { batches, tail } = scanBatches(chunk);
    if (tail.kind !== "clean") throw new Error(`a read ended ${tail.kind}`);
    for (const batch of batches)
      for (const record of decodeBatch(chunk, batch.position))
        records.push({ offset: record.offset, value: String(record.value), epoch: batch.leaderEpoch, timestampMs: record.timestampMs });
  }
  return records;
}

/** All records from `from` on, read piece by piece. */
export async function readAll(log: Log, from = log.startOffset, maxBytes = 1000): Promise<ReadBack[]> {
  const all: ReadBack[] = [];
  let offset = from;
  while (offset < log.writtenEndOffset) {
    const { chunks } = await log.read(offset, { maxBytes, endOffsetLimit: log.writtenEndOffset, minOneBatch: true });
    const records = recordsIn(chunks).filter((record) => record.offset >= offset);
    if (records.length === 0) throw new Error(`nothing at ${offset}, the log ends at ${log.writtenEndOffset}`);
    all.push(...records);
    offset = records.at(-1)!.offset + 1;
  }
  return all;
}

/** The log's files as they are on disk, by name. */
export async function fileContents(files: FileSystem, folder = `${root}/t-0`): Promise<Map<string, Buffer>> {
  const contents = new Map<string, Buffer>();
  for (const name of await files.list(folder)) contents.set(name, await files.readFile(`${folder}/${name}`));
  return contents;
}
