import { expect } from "vitest";
import { OffsetOutOfLog } from "../../../broker/log/log-contract.ts";
import type { SegmentedLog } from "../../../broker/log/partition-log/segmented-log.ts";
import type { TopicSettings } from "../../../broker/runtime/config/topic-settings.ts";
import { type Random, randomInt, seededRandom } from "../../../protocol/base/random.ts";
import { compressionCodecs } from "../../../protocol/records/batch-header.ts";
import { compressRecords } from "../../../protocol/records/compression.ts";
import { encodeBatch } from "../../../protocol/records/encode-batch.ts";
import { parsedBatch } from "../../support/parsed-batch.ts";
import { cleanerOf, type Entry, foundIn } from "./compaction/compaction-fixture.ts";
import type { StillClock } from "./log-fixture.ts";
import { expectedAnswer, nextBatch, randomBatch, type SentBatch, told } from "./producer-model.ts";
import { plain, storedRows } from "./whole-check.ts";
import type { WholeModel } from "./whole-model.ts";
import type { Activity } from "./whole-steps.ts";

/** What a crash in the midst of it all may leave. */
export interface LifeBounds {
  /** The start is durable there, and may have come to here. */
  startMin: number;
  startMax: number;
  /** Records below were flushed. */
  safeEnd: number;
  /** Cuts under way. */
  cutAt: number | null;
  restartAt: number | null;
}

const pick = <T>(random: Random, values: readonly T[]): T => values[randomInt(random, values.length)]!;

/** Operations on a log, concurrent with the others where the contract allows it, and applied to its model. */
export class WholeActivities {
  readonly #model: WholeModel;
  readonly #clock: StillClock;
  readonly #bounds: LifeBounds;
  #log!: SegmentedLog;
  #settings!: TopicSettings;
  #isRunning = true;
  /** Something was appended since all was written last. */
  #hasAppended = false;
  /** The start is somewhere, but not durable there yet. */
  #isAdvancing = false;
  #epoch = 0;
  #count = 0;

  constructor(model: WholeModel, clock: StillClock, bounds: LifeBounds) {
    this.#model = model;
    this.#clock = clock;
    this.#bounds = bounds;
  }

  use(log: SegmentedLog, settings: TopicSettings): void {
    this.#log = log;
    this.#settings = settings;
    this.#isRunning = true;
    this.#isAdvancing = false;
  }

  /** The process is dead. */
  stop(): void {
    this.#isRunning = false;
  }

  /** Nothing is under way, and all is written. */
  settled(): void {
    const { startOffset, endOffset } = this.#log;
    const bounds = this.#bounds;
    Object.assign(bounds, { startMin: startOffset, startMax: startOffset, cutAt: null, restartAt: null });
    if (this.#settings.flushMessages === 1 && this.#hasAppended) bounds.safeEnd = endOffset;
    this.#hasAppended = false;
    bounds.safeEnd = Math.min(bounds.safeEnd, endOffset);
  }

  async run(activities: readonly Activity[], random: Random, { isAlone }: { readonly isAlone: boolean }): Promise<void> {
    const started = activities.map((activity) => this.#start(activity, seededRandom(randomInt(random, 2 ** 31)), isAlone));
    await Promise.all(started);
  }

  async #start(activity: Activity, random: Random, isAlone: boolean): Promise<void> {
    if (activity === "lead" || activity === "follow") await this.#append(activity, random);
    else if (activity === "flush") await this.#flush();
    else if (activity === "retain") await this.#retain(random, isAlone);
    else if (activity === "advance") await this.#advance(random);
    else if (activity === "compact") await this.#compact(random, isAlone);
    else if (activity === "read") await this.#read(random);
    else if (activity === "cut") await this.#cut(random);
    else await this.#restart(random);
  }

  beginEpoch(): void {
    this.#log.beginEpoch(++this.#epoch);
    this.#model.beginEpoch(this.#epoch, this.#model.endOffset);
  }

  /** One append as the leader or as a follower, in one turn, and what is answered. */
  appendOne(random: Random, as: "lead" | "follow" = "lead"): void {
    const model = this.#model;
    if (random.next() < 0.1) this.#epoch++;
    const timestampMs = this.#clock.now - randomInt(random, 3000);
    const rememberedOf = (id: number) => model.remembered(id);
    const isFollowed = as === "follow" && random.next() < 0.5;
    const sent = isFollowed ? nextBatch(random, timestampMs, rememberedOf) : randomBatch(random, timestampMs, rememberedOf);
    if (as === "lead") this.#lead(random, sent);
    else this.#follow(random, isFollowed ? sent : { ...sent, producerId: -1, epoch: -1, sequence: -1 });
    this.#hasAppended = true;
  }

  #lead(random: Random, sent: SentBatch): void {
    const model = this.#model;
    const entries = this.#entries(random, sent);
    const expected = expectedAnswer(sent, model.remembered(sent.producerId), model.endOffset);
    const answer = this.#log.appendAsLeader(parsedBatch(encoded(random, sent, entries)), this.#epoch, this.#clock.now);
    expect(told(answer), JSON.stringify(sent)).toBe(expected);
    if (answer.kind !== "appended") return;
    const isLogTime = this.#settings.messageTimestampType === "LogAppendTime";
    const timed = isLogTime ? entries.map((entry) => ({ ...entry, timestampMs: this.#clock.now })) : entries;
    model.append({ ...sent, timestampMs: latest(timed), baseOffset: answer.baseOffset }, this.#epoch, timed);
  }

  #follow(random: Random, sent: SentBatch): void {
    const model = this.#model;
    // an epoch that began there would begin at another offset with this leader
    const isGap = random.next() < 0.25 && model.epochStarts.at(-1)?.startOffset !== model.endOffset;
    const baseOffset = model.endOffset + (isGap ? 1 + randomInt(random, 6) : 0);
    const entries = this.#entries(random, sent);
    expect(this.#log.appendAsFollower(encoded(random, sent, entries, { baseOffset, leaderEpoch: this.#epoch }))).toBeTruthy();
    model.append({ ...sent, timestampMs: latest(entries), baseOffset }, this.#epoch, entries);
  }

  #entries(random: Random, { count, timestampMs }: SentBatch): Required<Entry>[] {
    return Array.from({ length: count }, (_, i) => ({
      key: random.next() < 0.04 ? null : `k${randomInt(random, 6)}`,
      value: random.next() < 0.15 ? null : `v${this.#count++}-${"x".repeat(randomInt(random, 60))}`,
      timestampMs: i === 0 ? timestampMs : timestampMs - randomInt(random, 500),
    }));
  }

  async #append(as: "lead" | "follow", random: Random): Promise<void> {
    for (let i = randomInt(random, 12); i >= 0 && this.#isRunning; i--) {
      this.appendOne(random, as);
      if (random.next() < 0.4) await this.#log.written(this.#log.endOffset);
      else for (let turns = randomInt(random, 8); turns > 0; turns--) await Promise.resolve();
    }
  }

  async #flush(): Promise<void> {
    const end = this.#log.writtenEndOffset;
    await this.#log.flush();
    this.#bounds.safeEnd = Math.max(this.#bounds.safeEnd, end);
  }

  async #advance(random: Random): Promise<void> {
    const offset = this.#nearby(random, this.#log.writtenEndOffset);
    this.#bounds.startMax = Math.max(this.#bounds.startMax, offset);
    const advanced = this.#log.advanceStartOffset(offset);
    if (offset > this.#model.startOffset) this.#model.startAt(offset);
    this.#isAdvancing = true;
    await advanced;
    this.#isAdvancing = false;
    this.#bounds.startMin = Math.max(this.#bounds.startMin, offset);
  }

  async #retain(random: Random, isAlone: boolean): Promise<void> {
    const [log, model] = [this.#log, this.#model];
    const { retentionMs, retentionBytes, cleanupPolicy } = this.#settings;
    const highWatermark = random.next() < 0.4 ? log.writtenEndOffset : this.#nearby(random, log.writtenEndOffset);
    const [startBefore, visible, nowMs] = [log.startOffset, model.visible, this.#clock.now];
    this.#bounds.startMax = Math.max(this.#bounds.startMax, highWatermark);
    await log.retain({ highWatermark, nowMs });
    const { startOffset } = log;
    if (startOffset > model.startOffset) model.startAt(startOffset);
    if (!this.#isAdvancing) this.#bounds.startMin = startOffset;
    if (!isAlone) return;
    expect(startOffset <= Math.max(highWatermark, startBefore), "only what is committed goes").toBeTruthy();
    if (cleanupPolicy === "compact" || (retentionMs < 0 && retentionBytes < 0)) return expect(startOffset).toBe(startBefore);
    const isOld = ({ timestampMs }: { readonly timestampMs: number }) => nowMs - timestampMs > retentionMs;
    const given = visible.filter(({ offset }) => offset < startOffset);
    expect(retentionBytes >= 0 || given.every(isOld), "only what is old enough goes").toBeTruthy();
    expect(retentionMs >= 0 || startOffset === startBefore || log.sizeInBytes >= retentionBytes, "as much stays as is wanted").toBeTruthy();
    const mayAllGo = retentionBytes === 0 || (retentionMs >= 0 && visible.length > 0 && visible.every(isOld));
    if (mayAllGo && highWatermark === model.endOffset && !model.hasGaps) expect(startOffset, "what may go does").toBe(model.endOffset);
  }

  async #compact(random: Random, isAlone: boolean): Promise<void> {
    const [log, model, settings, nowMs] = [this.#log, this.#model, this.#settings, this.#clock.now];
    const highWatermark = random.next() < 0.5 ? log.writtenEndOffset : this.#nearby(random, log.writtenEndOffset);
    if (settings.cleanupPolicy !== "delete" && !isAlone) model.covered(highWatermark, nowMs, settings);
    const cleaner = cleanerOf(log, { clock: this.#clock, keysMax: 1 + randomInt(random, 8), highWatermark });
    const done = await cleaner.cleanOne();
    if (done && isAlone) model.covered(Math.min(highWatermark, log.recoveryPoint), nowMs, settings);
  }

  async #read(random: Random): Promise<void> {
    const log = this.#log;
    for (let i = 0; i < 6 && this.#isRunning; i++) {
      const from = this.#nearby(random, log.writtenEndOffset);
      const known = new Map(this.#model.records.map((record) => [record.offset, record]));
      const options = { maxBytes: randomInt(random, 3000), endOffsetLimit: log.writtenEndOffset, minOneBatch: true };
      try {
        const { chunks } = await log.read(from, options);
        for (const found of foundIn(Buffer.concat(chunks)))
          expect(found, `read from ${from}`).toStrictEqual(plain(known.get(found.offset)!));
      } catch (error) {
        expect(error instanceof OffsetOutOfLog && (from < log.startOffset || from > log.writtenEndOffset), String(error)).toBeTruthy();
      }
    }
  }

  async #cut(random: Random): Promise<void> {
    const [log, model, bounds] = [this.#log, this.#model, this.#bounds];
    const offset = Math.max(this.#nearby(random, log.endOffset + 2), log.startOffset);
    const { endOffset: endBefore, coveredTo } = model;
    bounds.cutAt = offset;
    await log.truncateTo(offset);
    model.cut(offset, log.endOffset);
    bounds.safeEnd = Math.min(bounds.safeEnd, log.endOffset);
    if (log.endOffset < endBefore) model.reloaded(storedRows(log), log.endOffset >= coveredTo);
  }

  async #restart(random: Random): Promise<void> {
    const [log, model, bounds] = [this.#log, this.#model, this.#bounds];
    const offset = Math.max(
      0,
      pick(random, [0, log.startOffset - 5, log.startOffset, log.startOffset + 5, log.endOffset, log.endOffset + 20]),
    );
    bounds.restartAt = offset;
    bounds.startMax = Math.max(bounds.startMax, offset);
    await log.truncateFullyAndStartAt(offset);
    model.restartAt(offset);
    bounds.safeEnd = offset;
  }

  /** Around some batch of the log, `max` at most. */
  #nearby(random: Random, max: number): number {
    const { batches, startOffset } = this.#model;
    const recent = batches.slice(-40);
    const near = recent[randomInt(random, Math.max(recent.length, 1))]?.stored.baseOffset ?? startOffset;
    return Math.min(Math.max(near + randomInt(random, 7) - 2, 0), max);
  }
}

function latest(entries: readonly { readonly timestampMs: number }[]): number {
  return Math.max(...entries.map(({ timestampMs }) => timestampMs));
}

function encoded(random: Random, sent: SentBatch, entries: readonly Required<Entry>[], place: object = {}): Buffer {
  const records = entries.map(({ key, value, timestampMs }) => ({
    key: key === null ? null : Buffer.from(key),
    value: value === null ? null : Buffer.from(value),
    timestampMs,
  }));
  const { producerId, epoch: producerEpoch, sequence: baseSequence } = sent;
  return encodeBatch(records, {
    codec: pick(random, compressionCodecs),
    compress: compressRecords,
    producerId,
    producerEpoch,
    baseSequence,
    ...place,
  });
}
