import type { DirectoryLogStore } from "../../broker/log/directories/log-store.ts";
import type { Log } from "../../broker/log/log-contract.ts";
import type { TopicSettings } from "../../broker/runtime/topic-settings.ts";
import { type Random, randomInt } from "../../protocol/base/random.ts";
import { type BatchInfo, compressionCodecs } from "../../protocol/records/batch-header.ts";
import { compressRecords } from "../../protocol/records/compression.ts";
import { encodeBatch } from "../../protocol/records/encode-batch.ts";
import { scanBatches } from "../../protocol/records/validate-batches.ts";
import { testSettings } from "../support/memory-log.ts";
import { parsedBatch } from "../support/parsed-batch.ts";

export const topicId = "AbCdEfGhIjKlMnOpQrStUw";

/** Small, so that rolls, index writes, snapshots and deletions happen all the time. */
const small: TopicSettings = { ...testSettings, segmentBytes: 4000, indexIntervalBytes: 200, fileDeleteDelayMs: 20 };

/** One log that loses its beginning now and then, and one that is compacted. */
export const logsOfCrash = [
  { topic: "events", settings: small },
  { topic: "table", settings: { ...small, cleanupPolicy: "compact", minCleanableDirtyRatio: 0.01 } as TopicSettings },
] as const;
export type CrashTopic = (typeof logsOfCrash)[number]["topic"];

/** A record's offset says all of it. */
export const keyAt = (offset: number) => `key-${offset % 13}`;
export const valueAt = (topic: CrashTopic, offset: number) => `${topic}:${offset}:${"x".repeat((offset * 7) % 90)}`;

/** `appending` up to there begins; it is `written`, `flushed`; the start is `moving` up to there, has `moved`. */
export type CrashEvent = {
  readonly kind: "appending" | "written" | "flushed" | "moving" | "moved";
  readonly topic: CrashTopic;
  readonly offset: number;
};

export interface WorkloadParts {
  readonly store: DirectoryLogStore;
  readonly random: Random;
  /** Of this life, larger than those before: a producer's sequences begin anew with it. */
  readonly producerEpoch: number;
  readonly report: (event: CrashEvent) => void;
}

interface OpenLog {
  readonly topic: CrashTopic;
  readonly log: Log;
  /** The next of each producer. */
  readonly sequences: Map<number, number>;
  epoch: number;
}

const producers = [100, 101, 102, 103];
const keptRecords = 400;

/** What a broker's logs go through: random appends, flushes, new epochs, deletions. For ever, until somebody ends it. */
export class CrashWorkload {
  readonly #parts: WorkloadParts;
  readonly #logs: OpenLog[] = [];

  constructor(parts: WorkloadParts) {
    this.#parts = parts;
  }

  /** Opens the logs, and sends each producer's last batch once more: what the log knows of them must have come through. */
  async open(): Promise<void> {
    for (const { topic, settings } of logsOfCrash) {
      const log = await this.#parts.store.open(topic, 0, topicId, settings);
      for (const batch of lastBatches(await batchesOf(log))) expectDuplicate(log, topic, batch);
      this.#logs.push({ topic, log, sequences: new Map(), epoch: Math.max(log.lastEpoch, 0) });
    }
  }

  highWatermark(key: string): number | null {
    return this.#logs.find(({ topic }) => key === `${topic}-0`)?.log.writtenEndOffset ?? null;
  }

  async step(): Promise<void> {
    const { random, report } = this.#parts;
    const at = this.#logs[randomInt(random, this.#logs.length)]!;
    const { topic, log } = at;
    const choice = random.next();
    if (choice < 0.9) {
      for (let i = randomInt(random, 4); i >= 0; i--) this.#append(at);
      const end = log.endOffset;
      // sometimes nobody waits, so that several writes are under way
      const written = log.written(end).then(() => report({ kind: "written", topic, offset: end }));
      if (random.next() < 0.7) await written;
      else written.catch(() => {}); // the directory failed, as everyone else will hear
    } else if (choice < 0.95) {
      const end = log.writtenEndOffset;
      await log.flush();
      report({ kind: "flushed", topic, offset: end });
    } else if (choice < 0.97) at.epoch++;
    else if (topic === "events" && log.writtenEndOffset - log.startOffset > keptRecords) {
      const offset = log.writtenEndOffset - randomInt(random, keptRecords);
      report({ kind: "moving", topic, offset });
      await log.advanceStartOffset(offset);
      report({ kind: "moved", topic, offset });
    }
  }

  #append({ topic, log, sequences, epoch }: OpenLog): void {
    const { random, report, producerEpoch } = this.#parts;
    const baseOffset = log.endOffset;
    const count = 1 + randomInt(random, 4);
    const producerId = producers[randomInt(random, producers.length + 2)];
    const baseSequence = sequences.get(producerId ?? -1) ?? 0;
    const codec = random.next() < 0.7 ? "none" : compressionCodecs[randomInt(random, compressionCodecs.length)]!;
    const records = Array.from({ length: count }, (_, i) => ({
      key: Buffer.from(keyAt(baseOffset + i)),
      value: Buffer.from(valueAt(topic, baseOffset + i)),
      timestampMs: 1_700_000_000_000 + randomInt(random, 100_000),
    }));
    const idempotent = producerId === undefined ? {} : { producerId, producerEpoch, baseSequence };
    report({ kind: "appending", topic, offset: baseOffset + count });
    const answer = log.appendAsLeader(parsedBatch(encodeBatch(records, { codec, compress: compressRecords, ...idempotent })), epoch, 0);
    if (answer.kind !== "appended" || answer.baseOffset !== baseOffset)
      throw new Error(`${topic}: ${JSON.stringify(answer)} at ${baseOffset}`);
    if (producerId !== undefined) sequences.set(producerId, baseSequence + count);
  }
}

/** All batches of a log, from its start on. */
export async function batchesOf(log: Log): Promise<{ readonly info: BatchInfo; readonly bytes: Buffer }[]> {
  const found: { readonly info: BatchInfo; readonly bytes: Buffer }[] = [];
  let offset = log.startOffset;
  while (offset < log.writtenEndOffset) {
    const { chunks } = await log.read(offset, { maxBytes: 100_000, endOffsetLimit: log.writtenEndOffset, minOneBatch: true });
    if (chunks.length === 0) break; // compaction took the log's end
    for (const chunk of chunks) {
      const { batches, tail } = scanBatches(chunk);
      if (tail.kind !== "clean") throw new Error(`a read from ${offset} ended ${tail.kind}`);
      for (const info of batches) found.push({ info, bytes: chunk.subarray(info.position, info.position + info.sizeInBytes) });
    }
    offset = found.at(-1)!.info.lastOffset + 1;
  }
  return found;
}

function lastBatches(all: readonly { readonly info: BatchInfo }[]): readonly BatchInfo[] {
  return [...new Map(all.filter(({ info }) => info.producerId >= 0).map(({ info }) => [info.producerId, info])).values()];
}

function expectDuplicate(log: Log, topic: string, { producerId, producerEpoch, baseSequence, baseOffset, lastOffset }: BatchInfo): void {
  const records = Array.from({ length: lastOffset - baseOffset + 1 }, () => ({ key: null, value: null, timestampMs: 1 }));
  const answer = log.appendAsLeader(
    parsedBatch(encodeBatch(records, { producerId, producerEpoch, baseSequence })),
    Math.max(log.lastEpoch, 0),
    0,
  );
  if (answer.kind !== "duplicate" || answer.baseOffset !== baseOffset)
    throw new Error(
      `${topic}: batch ${baseOffset} to ${lastOffset} of producer ${producerId}, sent again, was answered ${JSON.stringify(answer)}`,
    );
}
