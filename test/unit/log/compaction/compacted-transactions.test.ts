import fc from "fast-check";
import { expect, test } from "vitest";
import type { Log } from "../../../../broker/log/log-contract.ts";
import { decodeBatch } from "../../../../protocol/records/decode-batch.ts";
import { encodeBatch } from "../../../../protocol/records/encode-batch.ts";
import { readEndMarker } from "../../../../protocol/records/end-marker.ts";
import { scanBatches } from "../../../../protocol/records/validate-batches.ts";
import { verify } from "../../cli/log-verify/verify-fixture.ts";
import { type Fixture, lead, root, startStore, topicId } from "../log-fixture.ts";
import { loggedBatch, type Span, TransactionModel } from "../transaction-model.ts";
import { cleanerOf, compacted } from "./compaction-fixture.ts";

interface Sent {
  readonly producerId: number;
  /** Null: the end of its transaction. */
  readonly keys: readonly number[] | null;
  readonly kind: "commit" | "abort";
  readonly raisesEpoch: boolean;
}

const sent: fc.Arbitrary<Sent> = fc.record({
  producerId: fc.integer({ min: 0, max: 3 }),
  keys: fc.option(fc.array(fc.integer({ min: 0, max: 4 }), { minLength: 1, maxLength: 3 }), { freq: 2 }),
  kind: fc.constantFrom("commit" as const, "abort" as const),
  raisesEpoch: fc.boolean(),
});

interface Seen {
  readonly model: TransactionModel;
  /** Of committed and plain records, the last value of each key. */
  readonly latest: ReadonlyMap<string, string>;
  readonly aborted: number;
  readonly markers: number;
}

/** The whole log as a consumer finds it that reads from the start, and knows nothing but the bytes. */
async function seenIn(log: Log): Promise<Seen> {
  const model = new TransactionModel();
  const values: { readonly offset: number; readonly producerId: number; readonly key: string; readonly value: string }[] = [];
  for (let offset = log.startOffset; offset < log.writtenEndOffset; ) {
    const { chunks } = await log.read(offset, { maxBytes: 700, endOffsetLimit: log.writtenEndOffset, minOneBatch: true });
    const bytes = Buffer.concat(chunks);
    for (const batch of scanBatches(bytes).batches) {
      const marker = readEndMarker(bytes, batch);
      model.append(loggedBatch(batch, marker));
      if (!batch.isControl)
        for (const { offset, key, value } of decodeBatch(bytes, batch.position))
          values.push({ offset, producerId: batch.isTransactional ? batch.producerId : -1, key: `${key}`, value: `${value}` });
      offset = batch.lastOffset + 1;
    }
  }
  const { spans, open } = model.read();
  const isOf = (one: { readonly offset: number; readonly producerId: number }) => (span: Span) =>
    span.producerId === one.producerId && one.offset >= span.firstOffset && one.offset < span.markerOffset;
  const [latest, markers] = [new Map<string, string>(), model.batches.filter(({ marker }) => marker !== null).length];
  let aborted = 0;
  for (const one of values) {
    const isAborted = spans.find(isOf(one))?.kind === "abort";
    if (isAborted) aborted++;
    if (!isAborted && one.offset < (open.get(one.producerId) ?? Number.POSITIVE_INFINITY)) latest.set(one.key, one.value);
  }
  return { model, latest, aborted, markers };
}

async function write(log: Log, batches: readonly Sent[]): Promise<void> {
  const [sequences, epochs] = [new Map<number, number>(), new Map<number, number>()];
  for (const [i, { producerId, keys, kind, raisesEpoch }] of batches.entries()) {
    const producerEpoch = (epochs.get(producerId) ?? 0) + (keys === null && raisesEpoch ? 1 : 0);
    if (producerEpoch !== epochs.get(producerId)) sequences.set(producerId, 0);
    epochs.set(producerId, producerEpoch);
    if (keys === null) {
      log.appendMarker({ producerId, producerEpoch, coordinatorEpoch: 1, kind, transactionVersion: 1 }, 0, 0);
      continue;
    }
    const records = keys.map((key, at) => ({
      key: Buffer.from(`k${key}`),
      value: Buffer.from(`${i}.${at} ${"x".repeat(20)}`),
      timestampMs: 5,
    }));
    const baseSequence = sequences.get(producerId) ?? 0;
    sequences.set(producerId, baseSequence + keys.length);
    // one of the producers is only idempotent
    lead(log, encodeBatch(records, { producerId, producerEpoch, baseSequence, isTransactional: producerId !== 3 }));
  }
  await log.written(log.endOffset);
  await log.flush();
}

async function opened(fixture: Fixture): Promise<Log> {
  return fixture.store.open("t", 0, topicId, compacted);
}

async function clean(log: Log, { clock }: Fixture): Promise<void> {
  for (let round = 0; round < 5 && (await cleanerOf(log, { clock }).cleanOne()); round++);
}

/** What fills a segment, so that those before it can be cleaned, and another key each time. */
async function fill(log: Log, name: string): Promise<void> {
  for (let i = 0; i < 6; i++)
    lead(log, encodeBatch([{ key: Buffer.from(`fill ${i}`), value: Buffer.from(`${name} ${"y".repeat(120)}`), timestampMs: 5 }]));
  await log.written(log.endOffset);
  await log.flush();
}

test("compaction keeps the last committed value of each key, and leaves no transaction open that was not", async () => {
  let [gone, kept] = [0, 0];
  const some = fc.array(sent, { minLength: 10, maxLength: 60, size: "max" });
  const property = fc.asyncProperty(some, fc.boolean(), async (begun, endsAll) => {
    const ends = [0, 1, 2].map((producerId) => ({ producerId, keys: null, kind: "abort" as const, raisesEpoch: false }));
    const batches = endsAll ? [...begun, ...ends] : begun;
    const fixture = await startStore();
    let log = await opened(fixture);
    await write(log, batches);
    const before = await seenIn(log);
    // without the values that supersede it
    const expected = new Map(before.latest);
    const states = () => [0, 1, 2, 3].map((id) => [log.openTransactionOf(id), log.firstUnstableOffset(log.writtenEndOffset)]);
    const known = states();
    for (const round of ["first", "second", "third"]) {
      await fill(log, round);
      await clean(log, fixture);
      const after = await seenIn(log);
      for (const [key, value] of expected) expect(after.latest.get(key), `${key} in the ${round} round`).toBe(value);
      expect([...after.model.read().open.keys()].sort(), "open").toStrictEqual([...before.model.read().open.keys()].sort());
      const stableOffset = log.firstUnstableOffset(log.writtenEndOffset) ?? log.writtenEndOffset;
      const listed = await log.abortedWithin(log.startOffset, stableOffset);
      const inLog = after.model.read().spans.filter(({ kind, firstOffset }) => kind === "abort" && firstOffset < stableOffset);
      for (const { producerId, firstOffset } of inLog)
        expect(
          listed.some((one) => one.producerId === producerId && one.firstOffset <= firstOffset),
          `aborted ${producerId} from ${firstOffset} on, after the ${round} round`,
        ).toBe(true);
      expect(states()).toStrictEqual(known);
      fixture.clock.now += compacted.deleteRetentionMs + 1;
      if (round === "third") {
        gone += before.markers - after.markers;
        kept += after.markers;
      }
    }
    await fixture.store.close();
    const { problems } = await verify(fixture.files, [root], { compacted: ["t"] });
    expect(problems).toStrictEqual([]);
    // from the bytes alone, as a replica that copies the log
    const again = await startStore(fixture.disk, {}, fixture.clock);
    const [copy, copied] = [await again.store.open("u", 0, topicId.replace("A", "B"), compacted), await opened(again)];
    log = copied;
    for (let offset = log.startOffset; offset < log.writtenEndOffset; offset = copy.endOffset) {
      const { chunks } = await log.read(offset, { maxBytes: 700, endOffsetLimit: log.writtenEndOffset, minOneBatch: true });
      expect(copy.appendAsFollower(Buffer.concat(chunks))).toBe(true);
      await copy.written(copy.endOffset);
    }
    for (const id of [0, 1, 2, 3]) {
      const [ours, theirs] = [copy.openTransactionOf(id), log.openTransactionOf(id)];
      expect(ours === null, `open transaction of ${id}`).toBe(theirs === null);
    }
  });
  await fc.assert(property, { numRuns: 60, seed: 3 });
  expect(gone, "markers of transactions of which nothing was left").toBeGreaterThan(50);
  expect(kept).toBeGreaterThan(50);
}, 300_000);
