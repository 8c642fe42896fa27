import { expect, test } from "vitest";
import { producedBatch } from "../../support/memory-log.ts";
import { record, ref, setUp } from "./partition-fixture.ts";

const options = { currentLeaderEpoch: -1, lastFetchedEpoch: -1, maxBytes: 1e6, minOneBatch: true };

/** Leads, with two committed records and, at offset 2, one that only this broker has; then the session is lost. */
async function stoodDown() {
  const world = await setUp({ minInsyncReplicas: 1 });
  await world.append();
  await world.append();
  await world.assign({ isr: [1, 2], isrEpochs: { 1: 101, 2: 102 }, stateVersion: 4 });
  void world.append(producedBatch(), -1);
  await world.log.written(3);
  world.table.standDown();
  const partition = world.table.find(ref)!;
  const reader = () => {
    const found = partition.reader();
    if (typeof found === "string") throw new Error(found);
    return found;
  };
  const read = (fetchOffset: number, more: Partial<typeof options> = {}) => reader().read({ ...options, ...more, fetchOffset });
  return { ...world, partition, reader, read };
}

test("a broker without a session serves what was committed of what it led, and nothing behind that", async () => {
  const { read, partition, append } = await stoodDown();
  expect(await read(0)).toMatchObject({ error: null, highWatermark: 2, diverging: null });
  expect(await read(1)).toMatchObject({ error: null });
  // whoever has read all that is committed here must look for another leader, who may have more
  for (const offset of [2, 3, 9]) expect(await read(offset)).toEqual({ error: "NOT_LEADER_OR_FOLLOWER" });
  expect(partition.leader()).toBe("NOT_LEADER_OR_FOLLOWER");
  expect(await append()).toMatchObject({ error: "NOT_LEADER_OR_FOLLOWER" });
});

test("it tells a client of another epoch so, and says nothing of divergence", async () => {
  const { read } = await stoodDown();
  expect(await read(0, { currentLeaderEpoch: record.leaderEpoch })).toMatchObject({ error: null });
  expect(await read(0, { currentLeaderEpoch: 6 })).toEqual({ error: "UNKNOWN_LEADER_EPOCH" });
  expect(await read(1, { lastFetchedEpoch: 9 })).toEqual({ error: "NOT_LEADER_OR_FOLLOWER" });
});

test("it says where the log begins, but not where it ends", async () => {
  const { reader } = await stoodDown();
  expect(await reader().listOffset({ kind: "earliest" }, -1)).toMatchObject({ error: null, offset: 0, leaderEpoch: record.leaderEpoch });
  for (const kind of ["latest", "max-timestamp"] as const)
    expect(await reader().listOffset({ kind }, -1)).toEqual({ error: "NOT_LEADER_OR_FOLLOWER" });
  expect(await reader().listOffset({ kind: "earliest" }, 6)).toEqual({ error: "UNKNOWN_LEADER_EPOCH" });
});

test("a read under way when another role begins is refused", async () => {
  const { read, reader, assign, partition } = await stoodDown();
  const under = read(0);
  const former = reader();
  await assign({ leader: 2, leaderEpoch: 6 });
  expect(await under).toEqual({ error: "NOT_LEADER_OR_FOLLOWER" });
  expect(await former.read({ ...options, fetchOffset: 0 })).toEqual({ error: "NOT_LEADER_OR_FOLLOWER" });
  expect(partition.reader()).toBe("NOT_LEADER_OR_FOLLOWER");
});

test("a replica that only followed serves nothing", async () => {
  const { assign, table } = await setUp();
  await assign({ leader: 2, leaderEpoch: 6 });
  table.standDown();
  expect(table.find(ref)?.reader()).toBe("NOT_LEADER_OR_FOLLOWER");
});
