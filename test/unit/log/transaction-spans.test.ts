import fc from "fast-check";
import { expect, test } from "vitest";
import { ProducerStates, producersInLogMax } from "../../../broker/log/producers/producer-states.ts";
import { TransactionSpans } from "../../../broker/log/producers/transaction-spans.ts";
import { readBatchInfo } from "../../../protocol/records/batch-header.ts";
import { encodeBatch } from "../../../protocol/records/encode-batch.ts";
import { encodeEndMarker, readEndMarker } from "../../../protocol/records/end-marker.ts";

interface Span {
  readonly first: number;
  marker: number;
}

/** Offsets at which a transaction begins, one that is open ends, or the high watermark is asked about. */
const happenings = fc.array(
  fc.record({ what: fc.constantFrom("begin", "end", "ask"), share: fc.double({ min: 0, max: 1, noNaN: true }) }),
  {
    maxLength: 200,
    size: "max",
  },
);

/** Runs them on both; says what each answers to each question. */
function answers(happened: readonly { readonly what: string; readonly share: number }[], endedMax?: number) {
  const spans = new TransactionSpans(endedMax);
  const all: Span[] = [];
  const found: (readonly [number, number])[] = [];
  let highWatermark = 0;
  for (const [offset, { what, share }] of happened.entries()) {
    const open = all.filter(({ marker }) => marker === -1);
    const chosen = open[Math.min(Math.floor(share * open.length), open.length - 1)];
    if (what === "begin") {
      all.push({ first: offset, marker: -1 });
      spans.begin(offset);
    } else if (what === "end" && chosen !== undefined) {
      chosen.marker = offset;
      spans.end(chosen.first, offset);
    } else if (what === "ask") {
      highWatermark += Math.floor((offset - highWatermark) * share);
      const undecided = all.filter(({ marker }) => marker === -1 || marker >= highWatermark);
      const expected = Math.min(...undecided.map(({ first }) => first));
      found.push([spans.firstUnstable(highWatermark) ?? Number.POSITIVE_INFINITY, expected]);
    }
    expect(spans.openCount).toBe(all.filter(({ marker }) => marker === -1).length);
  }
  return found;
}

test("the first unstable offset is that of the earliest transaction that is not decided", () => {
  fc.assert(
    fc.property(happenings, (happened) => {
      for (const [found, expected] of answers(happened)) expect(found).toBe(expected);
    }),
    { numRuns: 500, seed: 1 },
  );
});

test("where too many ended that may be undecided, it is lower, and never lower than it was", () => {
  let lower = 0;
  fc.assert(
    fc.property(happenings, (happened) => {
      let last = -1;
      for (const [found, expected] of answers(happened, 4)) {
        expect(found).toBeLessThanOrEqual(expected);
        if (Number.isFinite(found)) expect(found).toBeGreaterThanOrEqual(last);
        if (Number.isFinite(found)) last = found;
        if (found < expected) lower++;
      }
    }),
    { numRuns: 500, seed: 2 },
  );
  expect(lower).toBeGreaterThan(0);
});

function note(states: ProducerStates, bytes: Buffer, baseOffset: number): void {
  const info = readBatchInfo(bytes, 0)!;
  states.note({ ...info, baseOffset, lastOffset: baseOffset + info.lastOffset }, readEndMarker(bytes, info));
}

const marker = { producerId: 1, producerEpoch: 0, coordinatorEpoch: 0, kind: "commit" } as const;

test("a cut leaves known what ended below it, and opens again what ended above", () => {
  const record = { key: null, value: null, timestampMs: 1 };
  const data = (producerId: number) => encodeBatch([record], { producerId, producerEpoch: 0, baseSequence: 0, isTransactional: true });
  const states = new ProducerStates();
  note(states, data(1), 0);
  note(states, data(2), 1);
  note(states, encodeEndMarker(marker, 1), 2);
  note(states, encodeEndMarker({ ...marker, producerId: 2 }, 1), 3);
  expect([0, 1, 2, 3, 4].map((highWatermark) => states.firstUnstableOffset(highWatermark))).toStrictEqual([0, 0, 0, 1, null]);
  const before = new ProducerStates();
  note(before, data(1), 0);
  note(before, data(2), 1);
  note(before, encodeEndMarker(marker, 1), 2);
  // from a snapshot at 3, the log is cut there
  const restored = ProducerStates.from(before.rows(), 3, before.budget);
  if (typeof restored === "string") throw new Error(restored);
  expect(restored.firstUnstableOffset(2), "the snapshot does not tell of what had ended").toBe(1);
  before.become(restored, 3);
  expect([2, 3].map((highWatermark) => before.firstUnstableOffset(highWatermark))).toStrictEqual([0, 1]);
});

test("a hundred thousand open transactions cost nothing at each question, end and append", () => {
  const count = 100_000;
  const spans = new TransactionSpans();
  const started = performance.now();
  for (let first = 0; first < count; first++) spans.begin(first);
  for (let i = 0; i < count; i++) {
    // in turn the oldest and the newest, each with a question
    const first = i % 2 === 0 ? i / 2 : count - 1 - (i - 1) / 2;
    spans.end(first, count + i);
    spans.begin(count * 2 + i);
    spans.firstUnstable(count + i);
  }
  // some tens of milliseconds; were each a search through all of them, it would be minutes
  expect(performance.now() - started).toBeLessThan(5000);
  expect(spans.openCount).toBe(count);
});

test("a log with as many open transactions as it may have refuses another one, and none of its appends is slow", () => {
  const record = { key: null, value: null, timestampMs: 1 };
  const info = readBatchInfo(encodeBatch([record], { producerId: 0, producerEpoch: 0, baseSequence: 0, isTransactional: true }), 0)!;
  const at = (offset: number, producerId: number, baseSequence = 0) => ({
    ...info,
    producerId,
    baseOffset: offset,
    lastOffset: offset,
    baseSequence,
  });
  const states = new ProducerStates();
  for (let id = 0; id < producersInLogMax; id++) states.note(at(id, id));
  const judge = (batch: typeof info) => states.judgeAppend(batch, { messageTimestampType: "CreateTime" }, false);
  expect(judge(at(0, producersInLogMax))).toMatchObject({ kind: "refused", error: "NOT_ENOUGH_REPLICAS" });
  expect(judge(at(0, 5, 1)), "one that is open goes on").toBeNull();
  const started = performance.now();
  for (let i = 0; i < 2000; i++) {
    const offset = producersInLogMax + 3 * i;
    states.note({ ...at(offset, i), isControl: true }, { ...marker, producerId: i });
    // a follower takes what its leader took
    states.note(at(offset + 1, producersInLogMax + i));
    expect(states.firstUnstableOffset(offset + 1)).toBe(i + 1);
  }
  expect(performance.now() - started).toBeLessThan(5000);
  expect(states.size).toBeLessThan(producersInLogMax * 1.02);
});
