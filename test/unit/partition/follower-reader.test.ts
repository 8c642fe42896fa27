import { describe, expect, test } from "vitest";
import type { ConsumerReadOptions } from "../../../broker/partition/client-contract.ts";
import type { ReplicaFetchedPartition } from "../../../protocol/peer/messages.ts";
import { MemoryLog, producedBatch, testSettings } from "../../support/memory-log.ts";
import { parsedBatch } from "../../support/parsed-batch.ts";
import { ref, setUp, topicId } from "./partition-fixture.ts";

const notYet = { error: "OFFSET_NOT_AVAILABLE", isExpectedSoon: true };
const maybeNever = { ...notYet, meanwhile: null };
const unknown = { error: "OFFSET_NOT_AVAILABLE" };
const following = { leader: 2, isr: [2, 1], replicas: [2, 1] };

/** Follows broker 2 in epoch 5, in sync. */
async function follows(state: Parameters<typeof setUp>[1] = {}) {
  const world = await setUp({}, { ...following, ...state });
  const followed = () => world.table.following()[0]!;
  const read = async (fetchOffset: number, more: Partial<ConsumerReadOptions> = {}) => {
    const options = { fetchOffset, currentLeaderEpoch: -1, lastFetchedEpoch: -1, maxBytes: 1e6, minOneBatch: true, ...more };
    return (await world.table.follower(ref)?.read(options)) ?? { error: "NOT_LEADER_OR_FOLLOWER" };
  };
  const answered = (more: Partial<ReplicaFetchedPartition> = {}, bytes: Buffer = Buffer.alloc(0)) =>
    followed().applyFetched(followed().nextFetch()!, { ...answer, ...more }, bytes);
  const woken = () => {
    let isWoken = false;
    void world.table.changed([ref], Number.POSITIVE_INFINITY).then(() => {
      isWoken = true;
    });
    return async () => {
      for (let i = 0; i < 10; i++) await Promise.resolve();
      return isWoken;
    };
  };
  return { ...world, read, answered, woken };
}

const answer: ReplicaFetchedPartition = {
  ...{ topicId, partition: 0, error: "NONE", leaderEpoch: 5, highWatermark: 0, logStartOffset: 0, diverging: null, epochs: [] },
  recordsBytes: 0,
};

/** So many batches of one record, as a leader has them under an epoch. */
function records(count: number, epoch = 5): Buffer {
  const leader = new MemoryLog(testSettings);
  const batches = Array.from({ length: count }, () => producedBatch());
  for (const batch of batches) leader.appendAsLeader(parsedBatch(batch), epoch, 0);
  return Buffer.concat(batches);
}

describe("a follower serves", () => {
  test("what it knows to be committed, and waits for the rest", async () => {
    const { read, answered } = await follows();
    await answered({ highWatermark: 2 }, records(3));
    expect(await read(0)).toMatchObject({ error: null, highWatermark: 2, diverging: null });
    expect(await read(1, { maxBytes: 1 })).toMatchObject({ error: null, highWatermark: 2 });
    expect(await read(2)).toMatchObject({ error: null, highWatermark: 2, sizeInBytes: 0 });
    expect(await read(3)).toEqual({ ...notYet, meanwhile: expect.objectContaining({ highWatermark: 2, sizeInBytes: 0 }) });
    for (const offset of [4, 99]) expect(await read(offset), `${offset}`).toEqual(maybeNever);
  });

  test("nothing below where its log begins", async () => {
    const { read, answered, log } = await follows();
    await answered({ highWatermark: 3 }, records(3));
    await log.advanceStartOffset(2);
    expect(await read(1)).toEqual({ error: "OFFSET_OUT_OF_RANGE" });
    expect(await read(2)).toMatchObject({ error: null });
  });

  test("nothing before its leader has compared the two logs under this epoch", async () => {
    const { read, answered, assign, woken } = await follows();
    expect(await read(0)).toMatchObject(notYet);
    const isWoken = woken();
    await answered({ highWatermark: 2 }, records(2));
    expect(await isWoken()).toBe(true);
    expect(await read(0)).toMatchObject({ error: null, highWatermark: 2 });
    await assign({ leaderEpoch: 6, stateVersion: 4 });
    expect(await read(0)).toMatchObject(notYet);
    await answered({ leaderEpoch: 6, highWatermark: 0 });
    expect(await read(0), "what it knew is still committed").toMatchObject({ error: null, highWatermark: 2 });
  });

  test("after an unclean election nothing that its leader lacks, while it cuts and afterwards", async () => {
    const { read, answered, assign, log } = await follows();
    await answered({ highWatermark: 3 }, records(3));
    await assign({ leaderEpoch: 6, stateVersion: 4, leaderRecovering: true, isr: [2, 1] });
    expect(await read(2)).toMatchObject(notYet);
    await answered({ leaderEpoch: 6, diverging: { epoch: 5, endOffset: 1 } });
    expect(log.endOffset).toBe(1);
    expect(await read(0), "cut, and not compared again").toMatchObject(notYet);
    await answered({ leaderEpoch: 6, highWatermark: 1 });
    expect(await read(0)).toMatchObject({ error: null, highWatermark: 1 });
    expect(await read(2)).toMatchObject(notYet);
  });

  test("nothing that was read while the log was cut", async () => {
    const { read, answered, assign, log } = await follows({ leaderRecovering: true });
    await answered({ highWatermark: 2 }, records(2));
    const original = log.read.bind(log);
    log.read = async (...args) => {
      const found = await original(...args);
      await answered({ diverging: { epoch: 5, endOffset: 1 } });
      return found;
    };
    expect(await read(0)).toEqual(unknown);
    await assign({ leaderEpoch: 6 });
  });

  test("not that an offset is out of range, because the log was cut while it was read", async () => {
    const { read, answered, log } = await follows({ leaderRecovering: true });
    await answered({ highWatermark: 3 }, records(3));
    const original = log.read.bind(log);
    log.read = async (...args) => {
      await answered({ diverging: { epoch: 5, endOffset: 1 } });
      return original(...args);
    };
    expect(await read(2), "kafkajs would begin elsewhere").toEqual(unknown);
  });

  test("nothing while it is out of sync, hears nothing of its leader, or cannot prove its session", async () => {
    const { read, answered, assign, silent, session, woken } = await follows();
    await answered({ highWatermark: 2 }, records(2));
    silent.add(2);
    expect(await read(0)).toEqual(unknown);
    silent.clear();
    session.provedUntilMs = 0;
    expect(await read(0)).toEqual(unknown);
    session.provedUntilMs = Number.POSITIVE_INFINITY;
    expect(await read(0)).toMatchObject({ error: null });
    const isWoken = woken();
    await assign({ isr: [2], stateVersion: 4 });
    expect(await isWoken(), "nobody waits here for what does not come").toBe(true);
    expect(await read(0)).toEqual(unknown);
    await assign({ isr: [2, 1], stateVersion: 5 });
    expect(await read(0)).toMatchObject({ error: null });
  });

  test("nobody any more once it does not follow", async () => {
    const { read, answered, table, woken } = await follows();
    await answered({ highWatermark: 2 }, records(2));
    const isWoken = woken();
    table.standDown();
    expect(await isWoken()).toBe(true);
    expect(await read(0)).toEqual({ error: "NOT_LEADER_OR_FOLLOWER" });
  });
});

test("a client of another epoch is told so, and one whose records are others is sent to the leader", async () => {
  const { read, answered } = await follows();
  await answered({ highWatermark: 2 }, records(2));
  expect(await read(0, { currentLeaderEpoch: 4 })).toEqual({ error: "FENCED_LEADER_EPOCH" });
  expect(await read(0, { currentLeaderEpoch: 6 })).toEqual({ error: "UNKNOWN_LEADER_EPOCH" });
  expect(await read(0, { currentLeaderEpoch: 5 })).toMatchObject({ error: null });
  expect(await read(1, { lastFetchedEpoch: 9 })).toEqual(unknown);
});

test("those who wait are woken when the high watermark moves, and the leader is told at once for as long as they come", async () => {
  const { read, answered, table, woken, clock } = await follows();
  expect(table.isReadHere(2)).toBe(false);
  await answered({ highWatermark: 1 }, records(2));
  await read(1);
  expect([table.isReadHere(2), table.isReadHere(3)]).toEqual([true, false]);
  const isWoken = woken();
  await answered({ highWatermark: 1 });
  expect(await isWoken(), "nothing moved").toBe(false);
  await answered({ highWatermark: 2 });
  expect(await isWoken()).toBe(true);
  await clock.advance(20_000);
  expect(table.isReadHere(2)).toBe(false);
});
