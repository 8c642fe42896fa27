import { deepStrictEqual, match, strictEqual } from "node:assert";
import { test } from "vitest";
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
  deepStrictEqual(first, { error: null, baseOffset: 3, logAppendTimeMs: -1, logStartOffset: 0 });
  deepStrictEqual(await append(idempotentBatch(7, 3, 2)), first);
  deepStrictEqual(await append(idempotentBatch(7, 3, 2), -1), first);
  strictEqual(log.endOffset, 5);
});

test("a batch out of sequence is refused with a sentence", async () => {
  const { append, log } = await setUp();
  await append(idempotentBatch(7, 0, 3));
  const outOfOrder = { error: "OUT_OF_ORDER_SEQUENCE_NUMBER", message: "producer 7 with epoch 0: expected sequence 3, got 4" };
  deepStrictEqual(await append(idempotentBatch(7, 4)), outOfOrder);
  strictEqual((await append(idempotentBatch(7, 0, 1, 1))).error, null);
  strictEqual((await append(idempotentBatch(7, 3))).error, "INVALID_PRODUCER_EPOCH");
  strictEqual(log.endOffset, 4);
});

test("what is part of a transaction, or would end one, is refused: nobody could end it", async () => {
  const { append, log } = await setUp();
  const records = [{ key: null, value: Buffer.from("x"), headers: [], timestampMs: 0 }];
  const producer = { producerId: 7, producerEpoch: 0, baseSequence: 0 };
  const transactional = await append(encodeBatch(records, { ...producer, isTransactional: true }));
  strictEqual(transactional.error, "INVALID_TXN_STATE");
  match(("message" in transactional && transactional.message) || "", /transactions are not served/);
  strictEqual((await append(encodeBatch(records, { ...producer, isTransactional: true, isControl: true }))).error, "INVALID_RECORD");
  deepStrictEqual([log.endOffset, log.producerRows()], [0, []]);
});

test("under LogAppendTime a retry has the time of the first", async () => {
  const { append, clock } = await setUp({ messageTimestampType: "LogAppendTime" });
  await clock.advance(500);
  await append(idempotentBatch(7, 0));
  await clock.advance(500);
  const again = await append(idempotentBatch(7, 0));
  strictEqual(again.error === null && again.logAppendTimeMs, 500);
});

test("with acks=1 a retry waits until the first is written", async () => {
  const { append, log } = await setUp();
  log.isHeld = true;
  const both = [watched(append(idempotentBatch(7, 0))), watched(append(idempotentBatch(7, 0)))];
  await settled();
  deepStrictEqual(
    both.map(({ value }) => value),
    [null, null],
  );
  log.release();
  await settled();
  deepStrictEqual(
    both.map(({ value }) => value?.error),
    [null, null],
  );
});

test("with acks=all a retry waits until its own records are committed, whatever came after them", async () => {
  const { append, replicas } = await setUp({}, { isr: [1, 2] });
  const first = watched(append(idempotentBatch(7, 0, 2), 1));
  const second = watched(append(idempotentBatch(7, 2, 2), -1));
  const retried = watched(append(idempotentBatch(7, 0, 2), -1));
  await settled();
  deepStrictEqual([first.value?.error, second.value, retried.value], [null, null, null]);

  replicas.acknowledge(follower, followerFetch(2));
  await settled();
  strictEqual(second.value, null);
  deepStrictEqual(retried.value, { error: null, baseOffset: 0, logAppendTimeMs: -1, logStartOffset: 0 });

  const committed = watched(append(idempotentBatch(7, 0, 2), -1));
  await settled();
  strictEqual(committed.value?.error, null, "nobody fetches any more, and it need not");
});

test("a retry is recognised by the next leader, which had the records by replication", async () => {
  const first = await setUp();
  await first.append(idempotentBatch(7, 0, 3));
  await first.append(idempotentBatch(7, 3, 2));
  const { chunks } = await first.log.read(0, { maxBytes: 1e6, endOffsetLimit: 5, minOneBatch: true });

  const next = await setUp({}, { leader: 2 });
  strictEqual(next.log.appendAsFollower(Buffer.concat(chunks)), true);
  await next.assign({ leader: 1, leaderEpoch: 6 });
  const retried = await next.append(idempotentBatch(7, 3, 2));
  strictEqual(retried.error === null && retried.baseOffset, 3);
  strictEqual((await next.append(idempotentBatch(7, 6))).error, "OUT_OF_ORDER_SEQUENCE_NUMBER");
  const continued = await next.append(idempotentBatch(7, 5));
  strictEqual(continued.error === null && continued.baseOffset, 5);
});

test("a silent producer is forgotten after producer.id.expiration.ms as it is then, on a schedule", async () => {
  const { table, append, clock, log, expiration } = await setUp({ messageTimestampType: "LogAppendTime" });
  expiration.ms = 5000;
  table.start();
  await append(idempotentBatch(7, 0));
  await clock.advance(1000);
  strictEqual((await append(idempotentBatch(7, 5))).error, "OUT_OF_ORDER_SEQUENCE_NUMBER");
  expiration.ms = 1500;
  await clock.advance(999);
  strictEqual(log.producerRows().length, 1, "not looked for yet");
  await clock.advance(1);
  strictEqual(log.producerRows().length, 0);
  strictEqual((await append(idempotentBatch(7, 5))).error, null);
  await table.close();
});

test("with acks=all it is told when the records are on the disk, however long their replicas take; of refused ones, at once", async () => {
  const { service, log } = await setUp({}, { isr: [1, 2] });
  log.isHeld = true;
  let written = 0;
  const options = { acks: -1, timeoutMs: 1000, onWritten: () => void written++ } as const;
  const outcome = watched(service.append(ref, idempotentBatch(7, 0), options));
  await settled();
  strictEqual(written, 0);
  log.release();
  await settled();
  deepStrictEqual([written, outcome.value], [1, null]);
  await service.append(ref, idempotentBatch(7, 5), options);
  strictEqual(written, 2, "out of sequence");
});
