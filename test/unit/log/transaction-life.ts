import fc from "fast-check";
import { expect } from "vitest";
import type { Log } from "../../../broker/log/log-contract.ts";
import { abortedIndexFormat } from "../../../broker/log/segment/aborted-index.ts";
import { seededRandom } from "../../../protocol/base/random.ts";
import { readBatchInfo } from "../../../protocol/records/batch-header.ts";
import { encodeBatch } from "../../../protocol/records/encode-batch.ts";
import { encodeEndMarker, readEndMarker } from "../../../protocol/records/end-marker.ts";
import { scanBatches } from "../../../protocol/records/validate-batches.ts";
import { MemoryDisk } from "../../support/memory-files.ts";
import { parsedBatch } from "../../support/parsed-batch.ts";
import { verify } from "../cli/log-verify/verify-fixture.ts";
import { type Fixture, root, StillClock, settingsWith, startStore, topicId } from "./log-fixture.ts";
import { expectedOfMarker, loggedBatch, TransactionModel } from "./transaction-model.ts";

const folder = `${root}/t-0`;
const settings = settingsWith({ indexIntervalBytes: 100, fileDeleteDelayMs: 0 });
const producers = 4;

const share = fc.double({ min: 0, max: 1, noNaN: true });
const producerId = fc.integer({ min: 0, max: producers - 1 });
const isFollower = fc.boolean();

export type Step =
  | {
      readonly kind: "data";
      readonly producerId: number;
      readonly count: number;
      readonly transactional: boolean;
      readonly follows: boolean;
    }
  | { readonly kind: "plain"; readonly count: number }
  | {
      readonly kind: "marker";
      readonly producerId: number;
      readonly outcome: "commit" | "abort";
      readonly epochStep: number;
      readonly coordinatorStep: number;
      readonly version: number;
      readonly follows: boolean;
    }
  | { readonly kind: "ask" | "truncate" | "start" | "retain"; readonly share: number }
  | { readonly kind: "flush" }
  | { readonly kind: "reopen"; readonly damage: "none" | "cut" | "gone" | "changed"; readonly share: number }
  | { readonly kind: "crash"; readonly how: "power" | "process" };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 9,
    arbitrary: fc.record({
      kind: fc.constant("data" as const),
      producerId,
      count: fc.integer({ min: 1, max: 3 }),
      transactional: fc.boolean(),
      follows: isFollower,
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("plain" as const), count: fc.integer({ min: 1, max: 3 }) }) },
  {
    weight: 7,
    arbitrary: fc.record({
      kind: fc.constant("marker" as const),
      producerId,
      outcome: fc.constantFrom("commit" as const, "abort" as const, "abort" as const),
      epochStep: fc.constantFrom(0, 0, 0, 1, 1, -1),
      coordinatorStep: fc.constantFrom(0, 0, 0, 1, -1),
      version: fc.constantFrom(1, 2),
      follows: isFollower,
    }),
  },
  { weight: 4, arbitrary: fc.record({ kind: fc.constantFrom("ask" as const, "ask" as const, "truncate" as const), share }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constantFrom("start" as const, "retain" as const), share }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("flush" as const) }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant("reopen" as const),
      damage: fc.constantFrom("none" as const, "cut" as const, "gone" as const, "changed" as const),
      share,
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("crash" as const), how: fc.constantFrom("power" as const, "process" as const) }) },
);

export const transactionLife = fc.record({ seed: fc.nat(1_000_000), steps: fc.array(step, { minLength: 5, maxLength: 80, size: "max" }) });

/** A log among other things that happen to one, and its model. */
export class TransactionLife {
  readonly #clock = new StillClock();
  readonly #disk: MemoryDisk;
  readonly #seed: number;
  readonly #model = new TransactionModel();
  #fixture!: Fixture;
  #log!: Log;
  #highWatermark = 0;
  /** Markers below may have been forgotten at a start. */
  #forgottenBelow = 0;
  /** Batches below may be gone, so what is rebuilt from the log may begin later. */
  #removedBelow = 0;

  constructor(seed: number) {
    this.#seed = seed;
    this.#disk = new MemoryDisk({ clock: this.#clock, random: seededRandom(seed) });
  }

  async live(steps: readonly Step[]): Promise<void> {
    await this.#open();
    for (const step of steps) {
      await this.#take(step);
      await this.#check();
    }
    await this.#reopen("none", 0);
    await this.#check();
  }

  async #open(): Promise<void> {
    this.#fixture = await startStore(this.#disk, { tailCacheBytesMax: 4096 }, this.#clock, this.#seed);
    // many segments, or many transactions in one
    this.#log = await this.#fixture.store.open("t", 0, topicId, { ...settings, segmentBytes: this.#seed % 2 === 0 ? 500 : 2000 });
  }

  async #take(step: Step): Promise<void> {
    switch (step.kind) {
      case "data":
        return this.#send(step);
      case "plain":
        return this.#appendBytes(encodeBatch(recordsOf(step.count)), false);
      case "marker":
        return this.#mark(step);
      case "ask": {
        this.#highWatermark += Math.floor((this.#log.writtenEndOffset - this.#highWatermark) * step.share);
        return;
      }
      case "truncate": {
        const offset = Math.floor(this.#highWatermark + (this.#model.endOffset - this.#highWatermark) * step.share);
        await this.#log.truncateTo(offset);
        this.#model.cutTo(offset);
        return this.#settle();
      }
      case "start": {
        await this.#log.flush();
        const { startOffset } = this.#log;
        await this.#log.advanceStartOffset(startOffset + Math.floor((this.#highWatermark - startOffset) * step.share));
        this.#removedBelow = this.#log.startOffset;
        return;
      }
      case "retain":
        return this.#log.retain({ highWatermark: this.#highWatermark, nowMs: this.#clock.now });
      case "flush":
        return this.#log.flush();
      case "reopen":
        return this.#reopen(step.damage, step.share);
      case "crash":
        return this.#crash(step.how);
    }
  }

  async #send({ producerId, count, transactional, follows }: Step & { kind: "data" }): Promise<void> {
    const known = this.#model.producer(producerId);
    const isTransactional = transactional || (known?.openSince ?? -1) !== -1;
    const baseSequence = known === null ? 0 : known.lastSequence + 1;
    const bytes = encodeBatch(recordsOf(count), { producerId, producerEpoch: known?.epoch ?? 0, baseSequence, isTransactional });
    await this.#appendBytes(bytes, follows);
  }

  async #mark({ producerId, outcome, epochStep, coordinatorStep, version, follows }: Step & { kind: "marker" }): Promise<void> {
    const known = this.#model.producer(producerId);
    const marker = {
      producerId,
      producerEpoch: Math.max((known?.epoch ?? 0) + epochStep, 0),
      coordinatorEpoch: Math.max((known?.coordinatorEpoch ?? 0) + coordinatorStep, 0),
      kind: outcome,
      transactionVersion: version,
    };
    const expected = expectedOfMarker(known, marker);
    if (follows && expected === "appended") return this.#appendBytes(encodeEndMarker(marker, this.#clock.now), true);
    const { endOffset } = this.#log;
    const answer = this.#log.appendMarker(marker, 0, this.#clock.now);
    expect(answer.kind === "refused" ? answer.error : answer.kind, JSON.stringify({ marker, known })).toBe(expected);
    if (answer.kind === "duplicate") expect([answer.baseOffset, answer.endOffset]).toStrictEqual([endOffset, endOffset]);
    if (answer.kind !== "appended") return expect(this.#log.endOffset).toBe(endOffset);
    this.#model.append({ ...at(answer.baseOffset, 1), producerId, epoch: marker.producerEpoch, ...asMarker, marker });
    await this.#log.written(answer.endOffset);
  }

  async #appendBytes(bytes: Buffer, follows: boolean): Promise<void> {
    const baseOffset = this.#model.endOffset;
    if (follows) {
      bytes.writeBigInt64BE(BigInt(baseOffset), 0);
      bytes.writeInt32BE(0, 12);
      expect(this.#log.appendAsFollower(bytes)).toBe(true);
    } else expect(this.#log.appendAsLeader(parsedBatch(bytes), 0, 0).kind).toBe("appended");
    const info = readBatchInfo(bytes, 0)!;
    expect(info.baseOffset).toBe(baseOffset);
    this.#model.append(loggedBatch(info, readEndMarker(bytes, info)));
    await this.#log.written(this.#model.endOffset);
  }

  async #reopen(damage: (Step & { kind: "reopen" })["damage"], share: number): Promise<void> {
    await this.#fixture.store.close();
    await this.#checkFiles();
    const { problems } = await verify(this.#fixture.files, [root]);
    expect(problems).toStrictEqual([]);
    const indexes = (await this.#fixture.files.list(folder)).filter((name) => name.endsWith(".txnindex"));
    const chosen = indexes[Math.min(Math.floor(share * indexes.length), indexes.length - 1)];
    if (chosen !== undefined && damage !== "none") {
      const path = `${folder}/${chosen}`;
      if (damage === "gone") this.#disk.remove(path);
      else this.#disk.corrupt(path, (content) => (damage === "cut" ? content.subarray(0, -5) : zeroed(content, 10)));
      const { problems } = await verify(this.#fixture.files, [root]);
      expect(
        problems.some(({ file }) => file === path),
        `${damage} ${chosen}`,
      ).toBe(true);
    }
    this.#forgottenBelow = this.#model.endOffset;
    await this.#open();
    // what is as long as it was is only found when it is read
    await this.#log.abortedWithin(this.#log.startOffset, Number.MAX_SAFE_INTEGER);
  }

  async #crash(how: "power" | "process"): Promise<void> {
    how === "power" ? this.#disk.crash() : this.#disk.loseProcess();
    await this.#open();
    this.#model.cutTo(this.#log.endOffset);
    this.#forgottenBelow = this.#model.endOffset;
    this.#settle();
  }

  /** The log may end earlier than it did. */
  #settle(): void {
    expect(this.#log.endOffset).toBe(this.#model.endOffset);
    this.#highWatermark = Math.min(this.#highWatermark, this.#log.endOffset);
  }

  async #check(): Promise<void> {
    const [log, model] = [this.#log, this.#model];
    const { startOffset } = log;
    const strict = model.firstUnstable(this.#highWatermark, startOffset);
    const lax = model.firstUnstable(this.#highWatermark, startOffset, this.#forgottenBelow);
    const unstable = log.firstUnstableOffset(this.#highWatermark) ?? Number.POSITIVE_INFINITY;
    const told = `high watermark ${this.#highWatermark}, forgotten below ${this.#forgottenBelow}`;
    expect(unstable, told).toBeGreaterThanOrEqual(strict ?? Number.POSITIVE_INFINITY);
    expect(unstable, told).toBeLessThanOrEqual(lax ?? Number.POSITIVE_INFINITY);
    const stable = Math.min(unstable, this.#highWatermark);
    for (const [from, end] of rangesWithin(startOffset, stable)) {
      const found = await log.abortedWithin(from, end);
      const expected = model.abortedWithin(from, end);
      const context = `aborted in [${from}, ${end})`;
      expect(
        found.map(({ producerId }) => producerId),
        context,
      ).toStrictEqual(expected.map(({ producerId }) => producerId));
      for (const [i, { firstOffset }] of found.entries()) this.#expectFirst(firstOffset, expected[i]!.firstOffset, context);
    }
    for (let id = 0; id < producers; id++) {
      const known = model.producer(id);
      const row = log.producerRows().findLast(({ producerId }) => producerId === id);
      expect(log.openTransactionOf(id) ?? -1).toBe(known?.openSince ?? -1);
      const { epoch, coordinatorEpoch, lastSequence, transactionFirstOffset: openSince } = row ?? {};
      expect(row === undefined ? null : { epoch, coordinatorEpoch, lastSequence, openSince }).toStrictEqual(known);
    }
  }

  #expectFirst(found: number, expected: number, context: string): void {
    if (expected >= this.#removedBelow) expect(found, context).toBe(expected);
    else expect(found, context).toBeGreaterThanOrEqual(expected);
  }

  /** Each `.txnindex` says what the log does, and is there only where it says something. */
  async #checkFiles(): Promise<void> {
    const { files } = this.#fixture;
    const names = await files.list(folder);
    const { spans } = this.#model.read();
    for (const name of names.filter((each) => each.endsWith(".log"))) {
      const batches = scanBatches(await files.readFile(`${folder}/${name}`)).batches;
      const markers = new Set(batches.map(({ baseOffset }) => baseOffset));
      const expected = spans.filter(({ kind, markerOffset }) => kind === "abort" && markers.has(markerOffset));
      const path = `${folder}/${name.replace(".log", ".txnindex")}`;
      expect(await files.exists(path), path).toBe(expected.length > 0);
      const content = expected.length === 0 ? Buffer.alloc(0) : await files.readFile(path);
      const entries = Array.from({ length: content.length / 34 }, (_, i) => abortedIndexFormat.read(content, i * 34, 0));
      expect(entries.map(({ producerId, offset }) => [producerId, offset])).toStrictEqual(
        expected.map(({ producerId, markerOffset }) => [producerId, markerOffset]),
      );
      for (const [i, { firstOffset, lastStableOffset }] of entries.entries()) {
        this.#expectFirst(firstOffset, expected[i]!.firstOffset, path);
        this.#expectFirst(lastStableOffset, expected[i]!.lastStableOffset, path);
      }
    }
  }
}

const asMarker = { lastSequence: -1, isTransactional: true } as const;

function at(baseOffset: number, count: number) {
  return { baseOffset, endOffset: baseOffset + count };
}

function recordsOf(count: number) {
  return Array.from({ length: count }, (_, i) => ({ key: null, value: Buffer.from(`value ${i}`), timestampMs: 1_700_000_000_000 }));
}

function zeroed(content: Buffer, from: number): Buffer {
  const changed = Buffer.from(content);
  changed.fill(0xff, from, from + 8);
  return changed;
}

/** Some of the ranges in [start, end), the whole one first. */
function rangesWithin(start: number, end: number): (readonly [number, number])[] {
  if (end <= start) return [];
  const length = end - start;
  const parts = [0, 1, 2, 3, 4, 5].map((part) => {
    const at = (share: number) => start + Math.floor((length * share) / 6);
    return [at(part), at(part + 1)] as const;
  });
  return [[start, end], ...parts.filter(([from, to]) => from < to)];
}
