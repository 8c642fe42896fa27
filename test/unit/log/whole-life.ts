import { expect } from "vitest";
import type { DirectoryLogStore } from "../../../broker/log/directories/log-store.ts";
import type { SegmentedLog } from "../../../broker/log/partition-log/segmented-log.ts";
import type { TopicSettings } from "../../../broker/runtime/config/topic-settings.ts";
import { type Random, randomInt, seededRandom } from "../../../protocol/base/random.ts";
import { dyingAt, endLife } from "../../support/dying-disk.ts";
import { MemoryDisk } from "../../support/memory-files.ts";
import { verify } from "../cli/log-verify/verify-fixture.ts";
import { cleanerOf } from "./compaction/compaction-fixture.ts";
import { root, StillClock, settingsWith, startStore, topicId } from "./log-fixture.ts";
import { type LifeBounds, WholeActivities } from "./whole-activities.ts";
import { checkWhole, storedRows } from "./whole-check.ts";
import { WholeModel } from "./whole-model.ts";
import type { Step, WholeLife, Work } from "./whole-steps.ts";

const pick = <T>(random: Random, values: readonly T[]): T => values[randomInt(random, values.length)]!;

const first = settingsWith({
  segmentBytes: 1000,
  indexIntervalBytes: 150,
  deleteRetentionMs: 1000,
  minCleanableDirtyRatio: 0,
  cleanupPolicy: "compact,delete",
});

/** One log's life, on a disk in memory, compared with its model. */
export class LogLife {
  readonly #clock = new StillClock();
  readonly #disk: MemoryDisk;
  readonly #options: object;
  #store!: DirectoryLogStore;
  #log!: SegmentedLog;
  #settings: TopicSettings = first;
  readonly #model = new WholeModel();
  readonly #bounds: LifeBounds = { startMin: 0, startMax: 0, safeEnd: 0, cutAt: null, restartAt: null };
  readonly #activities: WholeActivities;
  #hasExpired = false;

  constructor({ tailBytes, seed }: WholeLife) {
    this.#disk = new MemoryDisk({ clock: this.#clock, random: seededRandom(seed) });
    this.#options = { tailCacheBytesMax: tailBytes, openFilesMax: 3, indexCacheBytesMax: 300 };
    this.#activities = new WholeActivities(this.#model, this.#clock, this.#bounds);
  }

  async live(steps: readonly Step[]): Promise<void> {
    await this.#open();
    for (const step of steps) {
      const random = seededRandom(step.seed);
      await (step.kind === "work" ? this.#work(step, random) : this.#step(step.kind, random));
      await this.#check(random);
    }
    await this.#end();
  }

  async #open(): Promise<void> {
    ({ store: this.#store } = await startStore(this.#disk, this.#options, this.#clock));
    this.#log = (await this.#store.open("t", 0, topicId, this.#settings)) as SegmentedLog;
    this.#activities.use(this.#log, this.#settings);
  }

  async #check(random: Random): Promise<void> {
    const { deleteRetentionMs } = this.#settings;
    await checkWhole(this.#log, this.#model, random, { nowMs: this.#clock.now, deleteRetentionMs });
    this.#activities.settled();
  }

  async #work({ activities, crash }: Work, random: Random): Promise<void> {
    const isAlone = activities.length === 1 && crash === null;
    if (crash === null) return this.#activities.run(activities, random, { isAlone });
    let writtenEnd = 0;
    const die = () => {
      writtenEnd = this.#log.writtenEndOffset;
      this.#die(crash.power);
    };
    const work = () => this.#activities.run(activities, random, { isAlone });
    if (await dyingAt(this.#disk, crash.operation, die, work)) await this.#reopenAfterCrash(crash.power, writtenEnd);
  }

  async #step(kind: Exclude<Step["kind"], "work">, random: Random): Promise<void> {
    if (kind === "settings") this.#changeSettings(random);
    else if (kind === "clock") this.#clock.now += pick(random, [-300, 20, 400, 1100, 5000]);
    else if (kind === "begin epoch") this.#activities.beginEpoch();
    else if (kind === "compact all") await this.#compactAll(random);
    else if (kind === "timers") {
      for (const callback of this.#clock.due.splice(0)) callback();
      await this.#log.flush();
      this.#bounds.safeEnd = this.#log.endOffset;
    } else if (kind === "expire") {
      const expirationMs = pick(random, [500, 3000]);
      this.#hasExpired = true;
      this.#log.expireProducers(this.#clock.now, expirationMs);
      this.#model.expire(this.#clock.now, expirationMs);
    } else if (kind === "close") await this.#closeAndOpen(random);
    else {
      // what was appended last may not be written yet
      for (let i = randomInt(random, 4); i > 0; i--) this.#activities.appendOne(random);
      for (let i = randomInt(random, 30); i > 0; i--) await Promise.resolve();
      const writtenEnd = this.#log.writtenEndOffset;
      this.#die(kind === "power");
      await this.#reopenAfterCrash(kind === "power", writtenEnd);
    }
  }

  #changeSettings(random: Random): void {
    const changes: Partial<TopicSettings> = {
      cleanupPolicy: pick(random, ["delete", "compact", "compact,delete"]),
      segmentBytes: pick(random, [400, 1000, 2500]),
      segmentMs: pick(random, [500, 3000, 604_800_000]),
      segmentIndexBytes: pick(random, [36, 10 * 2 ** 20]),
      indexIntervalBytes: pick(random, [0, 150, 4096]),
      flushMessages: pick(random, [1, 5, Number.MAX_SAFE_INTEGER]),
      messageTimestampType: pick(random, ["CreateTime", "CreateTime", "LogAppendTime"]),
      retentionBytes: pick(random, [-1, 0, 1500, 4000]),
      retentionMs: pick(random, [-1, 1000, 4000]),
      minCompactionLagMs: pick(random, [0, 0, 1500]),
      minCleanableDirtyRatio: pick(random, [0, 0, 0.5]),
      fileDeleteDelayMs: pick(random, [0, 60_000]),
    };
    const names = Object.keys(changes) as (keyof TopicSettings)[];
    const changed = Object.fromEntries(names.filter(() => random.next() < 0.5).map((name) => [name, changes[name]]));
    this.#settings = { ...this.#settings, ...changed };
    this.#log.updateSettings(this.#settings);
    this.#activities.use(this.#log, this.#settings);
  }

  async #compactAll(random: Random): Promise<void> {
    await this.#log.flush();
    const cleaner = cleanerOf(this.#log, { clock: this.#clock, keysMax: 1 + randomInt(random, 8), highWatermark: this.#log.endOffset });
    for (let rounds = 0; await cleaner.cleanOne(); rounds++) {
      expect(rounds < 500, "compaction comes to an end").toBeTruthy();
      this.#model.covered(this.#log.recoveryPoint, this.#clock.now, this.#settings);
    }
  }

  async #closeAndOpen(random: Random): Promise<void> {
    // running compaction is abandoned
    const cleaning = random.next() < 0.5 ? this.#activities.run(["compact"], random, { isAlone: false }) : null;
    for (let i = randomInt(random, 100); i > 0; i--) await Promise.resolve();
    await this.#store.close();
    await cleaning;
    this.#clock.due.length = 0;
    await this.#open();
    this.#bounds.safeEnd = this.#model.endOffset;
    this.#model.reloaded(storedRows(this.#log), true);
  }

  #die(power: boolean): void {
    this.#activities.stop();
    endLife(this.#disk, power);
    this.#clock.due.length = 0;
  }

  async #reopenAfterCrash(power: boolean, writtenEnd: number): Promise<void> {
    await this.#open();
    const { startOffset, endOffset } = this.#log;
    const { safeEnd, startMin, startMax, cutAt, restartAt } = this.#bounds;
    const model = this.#model;
    const isEmpty = startOffset === endOffset && this.#log.producerRows().length === 0;
    // what was to be deleted was not on disk yet: the log starts over after it
    const beganAnew = power && startOffset > safeEnd && startOffset <= startMax;
    // starting over resets the recovery point first: below it, too, a gap ends the log. A cut of everything visible lowers the recovery
    // point, and then the start
    const isAllCut = cutAt !== null && startOffset >= startMin && startOffset <= startMax && model.endsAfterCut(cutAt)[0] < startOffset;
    const gaveUp = restartAt !== null || isAllCut;
    if (isEmpty && (beganAnew || gaveUp)) model.restartAt(endOffset);
    else {
      const kept = power ? safeEnd : writtenEnd;
      const cutEnd = cutAt === null || cutAt >= model.endOffset ? kept : model.endsAfterCut(cutAt)[0];
      const endMin = restartAt === null ? Math.min(kept, cutEnd) : 0;
      expect(
        endOffset >= endMin && endOffset <= model.endOffset,
        `the log ends at ${endOffset}, not in [${endMin}, ${model.endOffset}]`,
      ).toBeTruthy();
      // a cut inside of the batch that the log begins in takes its start back first
      const lowest = restartAt === null ? Math.min(startMin, endOffset, cutEnd) : 0;
      expect(
        startOffset >= lowest && startOffset <= startMax,
        `the log starts at ${startOffset}, not in [${lowest}, ${startMax}]`,
      ).toBeTruthy();
      const isExact = endOffset >= model.coveredTo && restartAt === null;
      model.endAt(endOffset);
      model.startOffset = startOffset;
      model.reloaded(storedRows(this.#log), isExact);
      const latest = this.#log.endOffsetForEpoch(Number.MAX_SAFE_INTEGER);
      if (latest !== null && latest.epoch > model.latestEpoch) model.beginEpoch(latest.epoch, endOffset);
    }
    this.#bounds.safeEnd = endOffset;
  }

  /** Sound to `ottla log verify`, and the same when opened again. */
  async #end(): Promise<void> {
    await this.#store.close();
    const { hasGaps, wasCompacted } = this.#model;
    const producerExpiration = this.#hasExpired ? -(2 ** 50) : Number.MAX_SAFE_INTEGER;
    const { problems } = await verify(this.#disk.attach(), [root], { compacted: hasGaps || wasCompacted ? ["t"] : [], producerExpiration });
    expect(problems).toStrictEqual([]);
    this.#clock.due.length = 0;
    await this.#open();
    expect(this.#store.wasClean).toBe(true);
    this.#model.reloaded(storedRows(this.#log), true);
    await this.#check(seededRandom(0));
    await this.#store.close();
  }
}
