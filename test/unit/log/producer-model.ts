import { expect } from "vitest";
import type { LeaderAppend, Log, ProducerRow } from "../../../broker/log/log-contract.ts";
import { type Random, randomInt } from "../../../protocol/base/random.ts";
import { encodeBatch } from "../../../protocol/records/encode-batch.ts";
import { parsedBatch } from "../../support/parsed-batch.ts";

export interface SentBatch {
  readonly producerId: number;
  readonly epoch: number;
  readonly sequence: number;
  readonly count: number;
  readonly timestampMs: number;
}

export interface StoredBatch extends SentBatch {
  readonly baseOffset: number;
}

const sequences = 2 ** 31;
const anonymous: Omit<SentBatch, "count" | "timestampMs"> = { producerId: -1, epoch: -1, sequence: -1 };

/**
 * A log as the list of its batches. What it should know of its producers is read from that list each time: a second opinion, written from
 * Kafka's rules.
 */
export class ProducerModel {
  batches: StoredBatch[] = [];

  get endOffset(): number {
    const last = this.batches.at(-1);
    return last === undefined ? 0 : last.baseOffset + last.count;
  }

  /** What `producerId` wrote under its latest epoch, the last five batches of it. */
  remembered(producerId: number): StoredBatch[] {
    return ofLastEpoch(this.batches.filter((batch) => batch.producerId === producerId));
  }

  expectedRows(): string[] {
    const ids = new Set(this.batches.map(({ producerId }) => producerId));
    ids.delete(-1);
    return [...ids].flatMap((id) => this.remembered(id).map((batch) => JSON.stringify({ ...batch, openSince: -1 }))).sort();
  }

  /** A batch that may come next, be one again, or be wrong; by a producer that exists, or not yet. Checks what the log makes of it. */
  send(log: Log, random: Random): void {
    const sent = randomBatch(random, timeFrom(random), (id) => this.remembered(id));
    const expected = expectedAnswer(sent, this.remembered(sent.producerId), this.endOffset);
    const answered = told(log.appendAsLeader(parsedBatch(encoded(sent)), 0, 0));
    expect(answered, `${JSON.stringify(sent)} after ${JSON.stringify(this.remembered(sent.producerId))}`).toStrictEqual(expected);
    if (expected.startsWith("appended")) this.batches.push({ ...sent, baseOffset: this.endOffset });
  }

  /** As a leader sends it: in order, so nothing is judged. */
  follow(log: Log, random: Random): void {
    const batch = { ...nextBatch(random, timeFrom(random), (id) => this.remembered(id)), baseOffset: this.endOffset };
    expect(log.appendAsFollower(encoded(batch, { baseOffset: batch.baseOffset, leaderEpoch: 0 }))).toBe(true);
    this.batches.push(batch);
  }

  truncateTo(offset: number): void {
    const cut = this.batches.findIndex((batch) => batch.baseOffset + batch.count > offset);
    if (cut !== -1) this.batches.length = cut;
  }

  check(log: Log, context = ""): void {
    expect(log.endOffset, context).toBe(this.endOffset);
    expect(log.producerRows().map(asStored).sort(), context).toStrictEqual(this.expectedRows());
  }
}

/** Those since the producer's epoch changed last, five at most. */
export function ofLastEpoch(batches: readonly StoredBatch[]): StoredBatch[] {
  const from = batches.findLastIndex(({ epoch }) => epoch !== batches.at(-1)?.epoch) + 1;
  return batches.slice(from).slice(-5);
}

/** What a log that remembers `known` of the producer, and ends at `endOffset`, answers to a batch. */
export function expectedAnswer(
  { producerId, epoch, sequence, count }: SentBatch,
  known: readonly StoredBatch[],
  endOffset: number,
): string {
  const appended = `appended ${endOffset} to ${endOffset + count}`;
  const last = known.at(-1);
  if (producerId === -1) return appended;
  if (last === undefined) return endOffset > 0 || sequence === 0 ? appended : "OUT_OF_ORDER_SEQUENCE_NUMBER";
  const next = epoch > last.epoch ? 0 : (last.sequence + last.count) % sequences;
  // what comes next is new, though an earlier life of the producer, forgotten and then read from the log again, may have had the same
  // sequence
  if (epoch === last.epoch && sequence === next) return appended;
  const again = known.findLast((batch) => batch.epoch === epoch && batch.sequence === sequence && batch.count === count);
  if (again !== undefined) return `duplicate ${again.baseOffset} to ${again.baseOffset + count}`;
  if (epoch < last.epoch) return "INVALID_PRODUCER_EPOCH";
  return sequence === next ? appended : "OUT_OF_ORDER_SEQUENCE_NUMBER";
}

/** A batch that may come next, be one again, or be wrong; by a producer that exists, or not yet. */
export function randomBatch(random: Random, timestampMs: number, rememberedOf: (id: number) => readonly StoredBatch[]): SentBatch {
  const count = 1 + randomInt(random, 4);
  if (random.next() < 0.15) return { ...anonymous, count, timestampMs };
  const id = randomInt(random, 4);
  const known = rememberedOf(id);
  const last = known.at(-1);
  if (last === undefined) return { ...firstOf(id, random), count, timestampMs };
  const choice = random.next();
  if (choice < 0.25) return known[randomInt(random, known.length)]!;
  const next = { ...last, sequence: (last.sequence + last.count) % sequences, count, timestampMs };
  if (choice < 0.75) return next;
  if (choice < 0.85) return { ...next, sequence: (next.sequence + 1 + randomInt(random, 5)) % sequences };
  if (choice < 0.9) return { ...next, epoch: last.epoch - 1, sequence: randomInt(random, 2) };
  return { ...next, epoch: last.epoch + 1, sequence: random.next() < 0.8 ? 0 : 1 + randomInt(random, 3) };
}

/** A batch that comes next: what a leader took in. */
export function nextBatch(random: Random, timestampMs: number, rememberedOf: (id: number) => readonly StoredBatch[]): SentBatch {
  const id = randomInt(random, 4);
  const known = rememberedOf(id).at(-1);
  const next = known === undefined ? firstOf(id, random) : { ...known, sequence: (known.sequence + known.count) % sequences };
  const { producerId, epoch, sequence } = next;
  return { producerId, epoch, sequence, count: 1 + randomInt(random, 4), timestampMs };
}

function firstOf(producerId: number, random: Random): Pick<SentBatch, "producerId" | "epoch" | "sequence"> {
  return {
    producerId,
    epoch: 1 + randomInt(random, 3),
    sequence: random.next() < 0.5 ? 0 : sequences - 1 - randomInt(random, 9),
  };
}

function timeFrom(random: Random): number {
  return 1_700_000_000_000 + randomInt(random, 5000);
}

function encoded({ producerId, epoch, sequence, count, timestampMs }: SentBatch, place = {}): Buffer {
  const records = Array.from({ length: count }, (_, i) => ({ key: null, value: Buffer.from(`v${i}`), headers: [], timestampMs }));
  return encodeBatch(records, { producerId, producerEpoch: epoch, baseSequence: sequence, ...place });
}

export function told(answer: LeaderAppend): string {
  return answer.kind === "refused" ? answer.error : `${answer.kind} ${answer.baseOffset} to ${answer.endOffset}`;
}

function asStored(row: ProducerRow): string {
  return JSON.stringify({ ...storedOf(row), openSince: row.transactionFirstOffset });
}

/** The batch that a row is of. */
export function storedOf({ producerId, epoch, lastSequence, lastOffset, offsetDelta, timestampMs }: ProducerRow): StoredBatch {
  return {
    producerId,
    epoch,
    sequence: (lastSequence - offsetDelta + sequences) % sequences,
    count: offsetDelta + 1,
    timestampMs,
    baseOffset: lastOffset - offsetDelta,
  };
}
