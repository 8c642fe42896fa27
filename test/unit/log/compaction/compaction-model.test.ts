import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { SegmentedLog } from "../../../../broker/log/partition-log/segmented-log.ts";
import { type Random, randomInt, seededRandom } from "../../../../protocol/base/random.ts";
import { compressionCodecs } from "../../../../protocol/records/batch-header.ts";
import { MemoryDisk } from "../../../support/memory-files.ts";
import { parsedBatch } from "../../../support/parsed-batch.ts";
import { StillClock, startStore, topicId } from "../log-fixture.ts";
import { cleanerOf, compacted, type Found, keyedBatch, readKeyed } from "./compaction-fixture.ts";

interface Appended extends Found {
  readonly batchLast: number;
  /** When a round first covered it; a tombstone may leave `deleteRetentionMs` later. */
  coveredAtMs: number | null;
}

/** All records ever appended and not cut, and how far compaction has come: enough to say what must be there and what may be gone. */
class CompactedModel {
  records: Appended[] = [];
  #cleanedEnd = 0;
  #count = 0;
  readonly #sequences = new Map<number, number>();

  append(log: SegmentedLog, random: Random, as: "leader" | "follower"): void {
    const pick = <T>(values: readonly T[]) => values[randomInt(random, values.length)]!;
    const entries = Array.from({ length: 1 + randomInt(random, 4) }, () => ({
      key: random.next() < 0.04 ? null : `k${randomInt(random, 7)}`,
      value: random.next() < 0.15 ? null : `v${this.#count++}-${"x".repeat(randomInt(random, 60))}`,
      timestampMs: 1_700_000_000_000 + randomInt(random, 10_000),
    }));
    const producerId = as === "leader" && random.next() < 0.3 ? 1 + randomInt(random, 2) : -1;
    const baseSequence = producerId < 0 ? -1 : (this.#sequences.get(producerId) ?? 0);
    const batch = keyedBatch(entries, { codec: pick(compressionCodecs), producerId, baseSequence });
    const baseOffset = log.endOffset + (as === "follower" ? randomInt(random, 4) : 0);
    if (as === "leader")
      expect(log.appendAsLeader(parsedBatch(batch), 0, 0).kind, "the producer's sequence is known whatever compaction took").toBe(
        "appended",
      );
    else {
      batch.writeBigInt64BE(BigInt(baseOffset), 0);
      batch.writeInt32BE(0, 12);
      expect(log.appendAsFollower(batch)).toBeTruthy();
    }
    if (producerId >= 0) this.#sequences.set(producerId, baseSequence + entries.length);
    entries.forEach((entry, i) => {
      this.records.push({ offset: baseOffset + i, ...entry, batchLast: baseOffset + entries.length - 1, coveredAtMs: null });
    });
  }

  cleaned(endOffset: number, nowMs: number): void {
    this.#cleanedEnd = Math.max(this.#cleanedEnd, endOffset);
    for (const record of this.records) if (record.offset < endOffset) record.coveredAtMs ??= nowMs;
  }

  /** What the cut took may have superseded what is gone already: only an unclean election cuts what may be compacted. */
  truncated(offset: number, endOffset: number, before: readonly Found[]): void {
    expect(endOffset <= offset).toBeTruthy();
    const there = new Set(before.map((record) => record.offset));
    this.records = this.records.filter((record) => record.batchLast < offset && there.has(record.offset));
    this.#cleanedEnd = Math.min(this.#cleanedEnd, endOffset);
    // what a producer sent is gone, and what it sends next would be out of sequence
    this.#sequences.clear();
  }

  async check(log: SegmentedLog, random: Random, nowMs: number, deleteRetentionMs: number): Promise<void> {
    const found = await readKeyed(log, 0, 1 + randomInt(random, 1500));
    const known = new Map(this.records.map((record) => [record.offset, record]));
    for (const { offset, key, value, timestampMs } of found) {
      const record = known.get(offset);
      expect({ key, value, timestampMs }, `offset ${offset}`).toStrictEqual({
        key: record?.key,
        value: record?.value,
        timestampMs: record?.timestampMs,
      });
    }
    const there = new Set(found.map(({ offset }) => offset));
    const newest = new Map<string, number>();
    for (const { key, offset } of this.records) if (key !== null && offset < this.#cleanedEnd) newest.set(key, offset);
    for (const { offset, key, value, coveredAtMs } of this.records) {
      if (there.has(offset)) continue;
      const isSuperseded = key === null || newest.get(key)! > offset;
      const isExpired = value === null && coveredAtMs !== null && coveredAtMs + deleteRetentionMs <= nowMs;
      expect(
        offset < this.#cleanedEnd && (isSuperseded || isExpired),
        `offset ${offset} (${key}) is gone; cleaned up to ${this.#cleanedEnd}`,
      ).toBeTruthy();
    }
    const from = randomInt(random, log.endOffset + 1);
    expect(await readKeyed(log, from), `from ${from}`).toStrictEqual(found.filter(({ offset }) => offset >= from));
  }

  /** After enough rounds: below the clean offset each key is there once. */
  async checkCompact(log: SegmentedLog): Promise<void> {
    const below = (await readKeyed(log)).filter(({ offset }) => offset < log.cleanedEndOffset);
    const keys = below.map(({ key }) => key);
    expect(new Set(keys).size, `each key once below ${log.cleanedEndOffset}: ${keys}`).toBe(keys.length);
    expect(!keys.includes(null)).toBeTruthy();
  }
}

const step = fc.oneof(
  { weight: 8, arbitrary: fc.record({ kind: fc.constantFrom("lead", "follow"), count: fc.integer({ min: 1, max: 12 }) }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constantFrom("clean", "clean all"), count: fc.integer({ min: 1, max: 9 }) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constantFrom("truncate", "time"), count: fc.integer({ min: 0, max: 50 }) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constantFrom("close", "kill", "flush"), count: fc.constant(0) }) },
);

describe("a compacted log holds the newest record of each key, and what is not compacted yet", () => {
  test("over random keys, tombstones, codecs, producers, gaps, rolls, cuts, small maps, jumps of the clock and restarts", async () => {
    const run = fc.asyncProperty(
      fc.array(step, { maxLength: 25 }),
      fc.nat(),
      fc.constantFrom(0, 3000, 1_000_000),
      async (steps, seed, tailBytes) => {
        const random = seededRandom(seed);
        const clock = new StillClock();
        const disk = new MemoryDisk({ clock, random: seededRandom(seed + 1) });
        const options = { tailCacheBytesMax: tailBytes, openFilesMax: 3, indexCacheBytesMax: 300 };
        let { store } = await startStore(disk, options, clock);
        const open = async () => (await store.open("t", 0, topicId, compacted)) as SegmentedLog;
        let log = await open();
        const model = new CompactedModel();
        for (const { kind, count } of steps) {
          if (kind === "lead" || kind === "follow")
            for (let i = 0; i < count; i++) model.append(log, random, kind === "lead" ? "leader" : "follower");
          else if (kind === "clean" || kind === "clean all") {
            await log.flush();
            const cleaner = cleanerOf(log, { clock, keysMax: count, highWatermark: log.endOffset - randomInt(random, 5) });
            let rounds = kind === "clean" ? 1 : 200;
            while (rounds-- > 0 && (await cleaner.cleanOne())) model.cleaned(log.cleanedEndOffset, clock.now);
            if (kind === "clean all" && rounds > 0) await model.checkCompact(log);
          } else if (kind === "truncate") {
            const offset = Math.max(log.endOffset - count, 0);
            const before = await readKeyed(log);
            await log.truncateTo(offset);
            model.truncated(offset, log.endOffset, before);
            // the log may know producers whose sequence the model forgot: it begins with another log of them
            if (log.producerRows().length > 0) return;
          } else if (kind === "time") clock.now += (count - 5) * 60;
          else if (kind === "flush") await log.flush();
          else {
            await log.written(log.endOffset);
            if (kind === "close") await store.close();
            else disk.loseProcess();
            ({ store } = await startStore(disk, options, clock));
            log = await open();
          }
          await log.written(log.endOffset);
          await model.check(log, random, clock.now, compacted.deleteRetentionMs);
        }
      },
    );
    await fc.assert(run, { numRuns: 150 });
  }, 120_000);
});
