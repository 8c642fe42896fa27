import { expect, test } from "vitest";
import { encodeBatch } from "../../../protocol/records/encode-batch.ts";
import { idempotentBatch } from "../../support/memory-log.ts";
import { settled } from "../network/manual-clock.ts";
import { follower, followerFetch, ref, setUp } from "./partition-fixture.ts";

/** What became of it, once that is known. */
function watched<T>(promise: Promise<T>): { value: T | null } {
  const seen: { value: T | null } = { value: null };
  void promise.then((value) => {
    seen.value = value;
  });
  return seen;
}

test("a retry is answered with the offset it has, and appends nothing", async () => {
  const { append, log } = await setUp();
  await append(idempotentBatch(7, 0, 3));
  const first = await append(idempotentBatch(7, 3, 2));
  expect(first).toStrictEqual({ error: null, baseOffset: 3, logAppendTimeMs: -1, logStartOffset: 0 });
  expect(await append(idempotentBatch(7, 3, 2))).toStrictEqual(first);
  expect(await append(idempotentBatch(7, 3, 2), -1)).toStrictEqual(first);
  expect(log.endOffset).toBe(5);
});

test("a batch out of sequence is refused with a sentence", async () => {
  const { append, log } = await setUp();
  await append(idempotentBatch(7, 0, 3));
  const outOfOrder = { error: "OUT_OF_ORDER_SEQUENCE_NUMBER", message: "producer 7 with epoch 0: expected sequence 3, got 4" };
  expect(await append(idempotentBatch(7, 4))).toStrictEqual(outOfOrder);
  expect((await append(idempotentBatch(7, 0, 1, 1))).error).toBeNull();
  expect((await append(idempotentBatch(7, 3))).error).toBe("INVALID_PRODUCER_EPOCH");
  expect(log.endOffset).toBe(4);
});

test("what is part of a transaction that nobody was asked about, or would end one, is refused", async () => {
  const { append, log } = await setUp();
  const records = [{ key: null, value: Buffer.from("x"), headers: [], timestampMs: 0 }];
  const producer = { producerId: 7, producerEpoch: 0, baseSequence: 0 };
  const transactional = await append(encodeBatch(records, { ...producer, isTransactional: true }));
  expect(transactional.error).toBe("INVALID_TXN_STATE");
  expect(("message" in transactional && transactional.message) || "").toMatch(/not in a transaction of this producer/);
  expect((await append(encodeBatch(records, { ...producer, isTransactional: true, isControl: true }))).error).toBe("INVALID_RECORD");
  expect([log.endOffset, log.producerRows()]).toStrictEqual([0, []]);
});

test("under LogAppendTime a retry has the time of the first", async () => {
  const { append, clock } = await setUp({ messageTimestampType: "LogAppendTime" });
  await clock.advance(500);
  await append(idempotentBatch(7, 0));
  await clock.advance(500);
  const again = await append(idempotentBatch(7, 0));
  expect(again.error === null && again.logAppendTimeMs).toBe(500);
});

test("with acks=1 a retry waits until the first is written", async () => {
  const { append, log } = await setUp();
  log.isHeld = true;
  const both = [watched(append(idempotentBatch(7, 0))), watched(append(idempotentBatch(7, 0)))];
  await settled();
  expect(both.map(({ value }) => value)).toStrictEqual([null, null]);
  log.release();
  await settled();
  expect(both.map(({ value }) => value?.error)).toStrictEqual([null, null]);
});

test("with acks=all a retry waits until its own records are committed, whatever came after them", async () => {
  const { append, replicas } = await setUp({}, { isr: [1, 2] });
  const first = watched(append(idempotentBatch(7, 0, 2), 1));
  const second = watched(append(idempotentBatch(7, 2, 2), -1));
  const retried = watched(append(idempotentBatch(7, 0, 2), -1));
  await settled();
  expect([first.value?.error, second.value, retried.value]).toStrictEqual([null, null, null]);

  replicas.acknowledge(follower, followerFetch(2));
  await settled();
  expect(second.value).toBeNull();
  expect(retried.value).toStrictEqual({ error: null, baseOffset: 0, logAppendTimeMs: -1, logStartOffset: 0 });

  const committed = watched(append(idempotentBatch(7, 0, 2), -1));
  await settled();
  expect(committed.value?.error, "nobody fetches any more, and it need not").toBeNull();
});

test("a retry is recognised by the next leader, which had the records by replication", async () => {
  const first = await setUp();
  await first.append(idempotentBatch(7, 0, 3));
  await first.append(idempotentBatch(7, 3, 2));
  const { chunks } = await first.log.read(0, { maxBytes: 1e6, endOffsetLimit: 5, minOneBatch: true });

  const next = await setUp({}, { leader: 2 });
  expect(next.log.appendAsFollower(Buffer.concat(chunks))).toBe(true);
  await next.assign({ leader: 1, leaderEpoch: 6 });
  const retried = await next.append(idempotentBatch(7, 3, 2));
  expect(retried.error === null && retried.baseOffset).toBe(3);
  expect((await next.append(idempotentBatch(7, 6))).error).toBe("OUT_OF_ORDER_SEQUENCE_NUMBER");
  const continued = await next.append(idempotentBatch(7, 5));
  expect(continued.error === null && continued.baseOffset).toBe(5);
});

test("a silent producer is forgotten after producer.id.expiration.ms as it is then, on a schedule", async () => {
  const { table, append, clock, log, expiration } = await setUp({ messageTimestampType: "LogAppendTime" });
  expiration.ms = 5000;
  table.start();
  await append(idempotentBatch(7, 0));
  await clock.advance(1000);
  expect((await append(idempotentBatch(7, 5))).error).toBe("OUT_OF_ORDER_SEQUENCE_NUMBER");
  expiration.ms = 1500;
  await clock.advance(999);
  expect(log.producerRows().length, "not looked for yet").toBe(1);
  await clock.advance(1);
  expect(log.producerRows().length).toBe(0);
  expect((await append(idempotentBatch(7, 5))).error).toBeNull();
  await table.close();
});

test("with acks=all it is told when the records are on the disk, however long their replicas take; of refused ones, at once", async () => {
  const { service, log } = await setUp({}, { isr: [1, 2] });
  log.isHeld = true;
  let written = 0;
  const options = { acks: -1, timeoutMs: 1000, onWritten: () => void written++ } as const;
  const outcome = watched(service.append(ref, idempotentBatch(7, 0), options));
  await settled();
  expect(written).toBe(0);
  log.release();
  await settled();
  expect([written, outcome.value]).toStrictEqual([1, null]);
  await service.append(ref, idempotentBatch(7, 5), options);
  expect(written, "out of sequence").toBe(2);
});
