import { expect } from "vitest";
import type { Log } from "../../../broker/log/log-contract.ts";
import { type Random, randomInt } from "../../../protocol/base/random.ts";
import { decodeBatch } from "../../../protocol/records/decode-batch.ts";
import { encodeBatch } from "../../../protocol/records/encode-batch.ts";
import { parsedBatch } from "../../support/parsed-batch.ts";
import { batchOf, type ReadBack, readAll, recordsIn } from "./log-fixture.ts";

export interface ModelRecord extends ReadBack {
  /** First offset of the batch it came in. */
  readonly batchBase: number;
}

/** A log as a plain array: what it should hold, whatever happens to its files. */
export class LogModel {
  /** Whole batches: the first may begin below the start. */
  records: ModelRecord[] = [];
  startOffset = 0;
  endOffset = 0;
  epoch = 0;
  #counter = 0;

  /** What readers see. */
  get visible(): ModelRecord[] {
    return this.records.filter(({ offset }) => offset >= this.startOffset);
  }

  get lastEpoch(): number {
    return this.records.at(-1)?.epoch ?? -1;
  }

  /** A batch of records, appended to the log and to the model in the same turn. */
  append(log: Log, random: Random, as: "leader" | "follower"): void {
    const values = Array.from({ length: 1 + randomInt(random, 4) }, () => `v${this.#counter++}-${"x".repeat(randomInt(random, 120))}`);
    const timestamps = values.map(() => 1_700_000_000_000 + randomInt(random, 5000));
    if (random.next() < 0.15) this.epoch++;
    const batchBase = this.endOffset;
    expect(log.endOffset).toBe(batchBase);
    if (as === "leader") log.appendAsLeader(parsedBatch(batchOf(values, timestamps)), this.epoch, 0);
    else expect(log.appendAsFollower(asLeaderSent(values, timestamps, batchBase, this.epoch))).toBeTruthy();
    values.forEach((value, i) => {
      this.records.push({ offset: batchBase + i, value, epoch: this.epoch, timestampMs: timestamps[i]!, batchBase });
    });
    this.endOffset += values.length;
  }

  /** What `truncateTo(offset)` should leave. */
  truncated(offset: number): LogModel {
    const model = this.copy();
    if (offset >= this.endOffset) return model;
    const cut = this.records.find((record) => record.offset >= offset)?.batchBase ?? offset;
    model.records = this.records.filter((record) => record.offset < cut);
    model.endOffset = cut;
    model.startOffset = Math.min(cut, this.startOffset);
    return model;
  }

  /** What `advanceStartOffset(offset)`, or retention up to there, should leave. */
  advanced(offset: number): LogModel {
    const model = this.copy();
    if (offset <= this.startOffset) return model;
    const first = this.records.find((record) => record.offset >= offset)?.batchBase ?? offset;
    model.records = this.records.filter((record) => record.offset >= first);
    model.startOffset = offset;
    return model;
  }

  startingAt(offset: number): LogModel {
    const model = this.copy();
    model.startOffset = offset;
    return model;
  }

  restarted(offset: number): LogModel {
    const model = this.copy();
    model.records = [];
    model.startOffset = model.endOffset = offset;
    return model;
  }

  copy(): LogModel {
    const model = new LogModel();
    model.records = [...this.records];
    model.startOffset = this.startOffset;
    model.endOffset = this.endOffset;
    model.epoch = this.epoch;
    model.#counter = this.#counter;
    return model;
  }

  /** Takes the log as it is after a crash for the truth. */
  adopt(records: readonly ModelRecord[], startOffset: number, endOffset: number): void {
    this.records = [...records];
    this.startOffset = startOffset;
    this.endOffset = endOffset;
  }

  async checkAgainst(log: Log, random: Random): Promise<void> {
    await log.written(log.endOffset);
    expect(log.startOffset).toBe(this.startOffset);
    expect(log.endOffset).toBe(this.endOffset);
    expect(log.writtenEndOffset).toBe(this.endOffset);
    expect(log.lastEpoch).toBe(this.lastEpoch);
    expect(await readAll(log, this.startOffset, 1 + randomInt(random, 2000))).toStrictEqual(this.visible.map(withoutBatch));
    this.#checkEpochs(log);
    await this.#checkRead(log, random);
    await this.#checkTimestamps(log, random);
  }

  #checkEpochs(log: Log): void {
    for (const record of this.visible) expect(log.epochAt(record.offset)).toBe(record.epoch);
    const epochs = new Set(this.visible.map((record) => record.epoch));
    for (const epoch of epochs) {
      const end = this.records.find((record) => record.epoch > epoch)?.offset ?? this.endOffset;
      expect(log.endOffsetForEpoch(epoch)).toStrictEqual({ epoch, endOffset: end });
    }
  }

  async #checkRead(log: Log, random: Random): Promise<void> {
    const [first] = this.records;
    if (first === undefined) return;
    const from = this.startOffset + randomInt(random, this.endOffset - this.startOffset);
    const limit = from + randomInt(random, this.endOffset - from + 1);
    const maxBytes = randomInt(random, 3000);
    const minOneBatch = random.next() < 0.5;
    const { chunks, sizeInBytes } = await log.read(from, { maxBytes, endOffsetLimit: limit, minOneBatch });
    const got = recordsIn(chunks);
    expect(sizeInBytes).toBe(chunks.reduce((sum, chunk) => sum + chunk.length, 0));
    const base = this.records[from - first.offset]!.batchBase;
    const expected = this.records.slice(base - first.offset, base - first.offset + got.length);
    expect(got, `read from ${from} to ${limit}`).toStrictEqual(expected.map(withoutBatch));
    const end = (got.at(-1)?.offset ?? from - 1) + 1;
    expect(got.length === 0 || (end > from && end <= limit), `read from ${from} ended at ${end}, limit ${limit}`).toBeTruthy();
    const batches = new Set(expected.map((record) => record.batchBase)).size;
    expect(
      sizeInBytes <= maxBytes || (minOneBatch && batches === 1),
      `${sizeInBytes} bytes in ${batches} batches, at most ${maxBytes}`,
    ).toBeTruthy();
    const firstEnd = base + this.records.filter((record) => record.batchBase === base).length;
    if (minOneBatch && firstEnd <= limit) expect(got.length > 0, "at least one batch").toBeTruthy();
  }

  async #checkTimestamps(log: Log, random: Random): Promise<void> {
    const wanted = 1_700_000_000_000 + randomInt(random, 5200);
    const found = await log.findByTimestamp(wanted);
    const expected = this.visible.find((record) => record.timestampMs >= wanted);
    expect(found, `first at or after ${wanted}`).toStrictEqual(expected === undefined ? null : place(expected));
    const max = this.visible.reduce<ModelRecord | null>(
      (best, next) => (best === null || next.timestampMs > best.timestampMs ? next : best),
      null,
    );
    expect(await log.findMaxTimestamp()).toStrictEqual(max === null ? null : place(max));
  }
}

export function withoutBatch({ offset, value, epoch, timestampMs }: ModelRecord): ReadBack {
  return { offset, value, epoch, timestampMs };
}

function place({ offset, timestampMs, epoch }: ModelRecord): object {
  return { offset, timestampMs, leaderEpoch: epoch };
}

function asLeaderSent(values: readonly string[], timestamps: readonly number[], baseOffset: number, leaderEpoch: number): Buffer {
  const records = values.map((value, i) => ({ key: null, value: Buffer.from(value), headers: [], timestampMs: timestamps[i]! }));
  const batch = encodeBatch(records, { baseOffset, leaderEpoch });
  expect([...decodeBatch(batch)].length).toBe(values.length);
  return batch;
}
