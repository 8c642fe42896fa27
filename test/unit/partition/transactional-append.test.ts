import { describe, expect, test } from "vitest";
import type { AppendOptions } from "../../../broker/partition/client-contract.ts";
import type { Leadership } from "../../../broker/partition/leadership.ts";
import { encodeBatch } from "../../../protocol/records/encode-batch.ts";
import { follower, followerFetch, ref, setUp } from "./partition-fixture.ts";

const producer = { producerId: 7, producerEpoch: 0 };

function batch(baseSequence: number, more: object = {}): Buffer {
  const records = [{ key: null, value: Buffer.from("x"), headers: [], timestampMs: 0 }];
  return encodeBatch(records, { ...producer, baseSequence, isTransactional: true, ...more });
}

const marker = { ...producer, coordinatorEpoch: 3, kind: "commit", transactionVersion: 1 } as const;

async function leader(isr: readonly number[] = [1]) {
  const world = await setUp({}, { isr, isrEpochs: Object.fromEntries(isr.map((id) => [id, 100 + id])) });
  const led = () => world.table.leader(ref) as Leadership;
  const append = (records: Buffer, guard?: AppendOptions["guard"]) => led().append(records, { acks: 1, timeoutMs: 1000, guard });
  return { ...world, led, append };
}

describe("a transaction's batch", () => {
  test("begins it only under a guard; the next ones follow without", async () => {
    const { led, append, log } = await leader();
    expect((await append(batch(0))).error).toBe("INVALID_TXN_STATE");
    expect((await append(batch(0), led().guards.take(7, 0))).error).toBeNull();
    expect(led().openTransactionOf(7)).toBe(0);
    expect((await append(batch(1))).error).toBeNull();
    expect(log.endOffset).toBe(2);
  });

  test("that arrives after the marker is in no transaction, though it was verified before", async () => {
    const { led, append, log } = await leader();
    const guard = led().guards.take(7, 0);
    expect(led().appendMarker(marker).error).toBeNull();
    expect((await append(batch(0), guard)).error).toBe("NOT_ENOUGH_REPLICAS");
    await append(batch(0), led().guards.take(7, 0));
    const another = led().guards.take(7, 0);
    expect(led().appendMarker(marker).error).toBeNull();
    expect((await append(batch(1), another)).error).toBe("NOT_ENOUGH_REPLICAS");
    expect(log.endOffset).toBe(3);
  });

  test("of the next epoch is let in though the last one's marker is written while the coordinator is asked", async () => {
    const { led, append } = await leader();
    await append(batch(0), led().guards.take(7, 0));
    const next = led().guards.take(7, 1);
    led().appendMarker({ ...marker, producerEpoch: 1, transactionVersion: 2 });
    expect((await append(batch(0, { producerEpoch: 1 }), next)).error).toBeNull();
    const late = led().guards.take(7, 1);
    led().appendMarker({ ...marker, producerEpoch: 2, transactionVersion: 2 });
    expect((await append(batch(1, { producerEpoch: 1 }), late)).error).toBe("NOT_ENOUGH_REPLICAS");
  });

  test("of the next epoch is no part of the one that is open: its marker is to come, and would look late behind that batch", async () => {
    const { led, append } = await leader();
    await append(batch(0), led().guards.take(7, 0));
    expect((await append(batch(0, { producerEpoch: 1 }))).error).toBe("INVALID_TXN_STATE");
    expect(led().appendMarker({ ...marker, producerEpoch: 1, transactionVersion: 2 }).error).toBeNull();
    expect(led().openTransactionOf(7)).toBeNull();
  });

  test("is not let in by another producer's guard, nor by one of an earlier leadership", async () => {
    const { led, append, assign } = await leader();
    expect((await append(batch(0), led().guards.take(8, 0))).error).toBe("INVALID_TXN_STATE");
    const earlier = led().guards.take(7, 0);
    await assign({ leader: 2, leaderEpoch: 6, isr: [1, 2], isrEpochs: { 1: 101, 2: 102 } });
    await assign({ leader: 1, leaderEpoch: 7, isr: [1, 2], isrEpochs: { 1: 101, 2: 102 } });
    expect((await append(batch(0), earlier)).error).toBe("NOT_ENOUGH_REPLICAS");
    expect((await append(batch(0), "waived")).error).toBeNull();
  });
});

describe("what a coordinator keeps in a transaction", () => {
  const unsequenced = (more: object = {}) => batch(-1, more);

  test("has no sequence, and is fenced by its epoch", async () => {
    const { led, log } = await leader();
    const state = async (records: Buffer) => {
      const appended = led().appendState(records, "waived");
      if (appended.error === null) await appended.committed;
      return appended.error;
    };
    expect(await state(unsequenced())).toBeNull();
    expect(await state(unsequenced())).toBeNull();
    expect(led().appendMarker({ ...marker, producerEpoch: 3, transactionVersion: 2 }).error).toBeNull();
    expect(await state(unsequenced())).toBe("INVALID_PRODUCER_EPOCH");
    expect(await state(unsequenced({ producerEpoch: 3 }))).toBeNull();
    expect(await state(unsequenced({ producerEpoch: 4 }))).toBe("INVALID_TXN_STATE");
    expect(led().openTransactionOf(7)).toBe(3);
    expect(log.endOffset).toBe(4);
  });

  test("is no form for producers: theirs have one", async () => {
    const { append, log } = await leader();
    expect((await append(unsequenced(), "waived")).error).toBe("INVALID_RECORD");
    expect(log.endOffset).toBe(0);
  });
});

describe("a marker", () => {
  // (1) a marker is sent twice; (2) the second one is written; (3) the next transaction of the same epoch begins; (4) the first one arrives
  test("of version 1 that was delayed does not end the next transaction", async () => {
    const { led, append, log } = await leader();
    const ordered = { ...marker, order: 8 };
    await append(batch(0), led().guards.take(7, 0));
    expect(led().appendMarker(ordered).error).toBeNull();
    const guard = led().guards.take(7, 0);
    for (const late of [ordered, { ...ordered, order: 7 }]) {
      const answer = led().appendMarker(late);
      expect(answer.error === null && (await answer.committed)).toBe("NONE");
    }
    expect((await append(batch(1), guard)).error, "its guards neither").toBeNull();
    expect(led().appendMarker(ordered).error).toBeNull();
    expect([log.endOffset, led().openTransactionOf(7, 0)]).toEqual([3, 2]);
    expect(led().appendMarker({ ...ordered, order: 9 }).error).toBeNull();
    expect([log.endOffset, led().openTransactionOf(7, 0)]).toEqual([4, null]);
    await append(batch(2), led().guards.take(7, 0));
    expect(led().appendMarker({ ...ordered, coordinatorEpoch: 4, order: 0 }).error).toBeNull();
    expect(led().openTransactionOf(7, 0)).toBeNull();
  });

  test("of an older coordinator is refused", async () => {
    const { led, append } = await leader();
    await append(batch(0), led().guards.take(7, 0));
    led().appendMarker(marker);
    await append(batch(1), led().guards.take(7, 0));
    expect(led().appendMarker({ ...marker, coordinatorEpoch: 2 })).toMatchObject({ error: "TRANSACTION_COORDINATOR_FENCED" });
    expect(led().openTransactionOf(7)).toBe(2);
  });

  test("is not appended while its replication is in doubt", async () => {
    const { led, session, log } = await leader();
    session.provedUntilMs = Number.NEGATIVE_INFINITY;
    expect(led().appendMarker(marker)).toMatchObject({ error: "NOT_LEADER_OR_FOLLOWER" });
    expect(log.endOffset).toBe(0);
  });
});

describe("whoever reads what is committed", () => {
  test("reads up to the first transaction that is open, until its marker is replicated", async () => {
    const { led, append, read, replicas } = await leader([1, 2]);
    const fetched = (offset: number) => replicas.acknowledge(follower, followerFetch(offset));
    await append(batch(0, { isTransactional: false, producerId: 9 }));
    await append(batch(0), led().guards.take(7, 0));
    await append(batch(1, { isTransactional: false, producerId: 9 }));
    fetched(3);
    const committed = () => read(0, { committedOnly: true });
    expect(await read(0)).toMatchObject({ highWatermark: 3, lastStableOffset: 1, sizeInBytes: 3 * batch(0).length });
    expect(await committed()).toMatchObject({ highWatermark: 3, lastStableOffset: 1, sizeInBytes: batch(0).length });
    expect(await read(1, { committedOnly: true })).toMatchObject({ error: null, sizeInBytes: 0 });
    led().appendMarker(marker);
    expect(await committed()).toMatchObject({ highWatermark: 3, lastStableOffset: 1 });
    fetched(4);
    expect(await committed()).toMatchObject({ highWatermark: 4, lastStableOffset: 4 });
  });

  test("lists offsets up to there", async () => {
    const { led, append, replicas } = await leader([1, 2]);
    await append(batch(0, { isTransactional: false, producerId: 9 }));
    await append(batch(0), led().guards.take(7, 0));
    replicas.acknowledge(follower, followerFetch(2));
    expect(await led().listOffset({ kind: "latest" }, -1, true)).toMatchObject({ offset: 1 });
    expect(await led().listOffset({ kind: "latest" }, -1)).toMatchObject({ offset: 2 });
  });
});
