import { describe, expect, test } from "vitest";
import { unassigned, unknownProfile } from "../../../broker/group/consumer/consumer-group-member.ts";
import {
  assignmentEpochRecord,
  currentRecord,
  groupEpochRecord,
  memberProfileRecord,
} from "../../../broker/group/consumer/consumer-group-records.ts";
import { classicGroupRecord, offsetRecord } from "../../../broker/group/group-records.ts";
import { BatchBuilder, encodeBatch } from "../../../protocol/records/encode-batch.ts";
import { settled } from "../network/manual-clock.ts";
import { idOf, topicsView, World } from "./world.ts";

describe("an answer and the log", () => {
  test("a commit is answered when the in-sync replicas have it, and not before", async () => {
    const world = await World.loaded();
    world.partition.isReplicated = false;
    const commit = await world.commit({ offsets: { t: 11 } });
    expect(commit.isWaiting).toBe(true);
    world.partition.commit();
    await settled();
    expect(commit.value).toEqual([{ name: "t", partitions: [{ partitionIndex: 0, errorCode: "NONE" }] }]);
  });

  test("nobody is told of a position that a failing leader could still take back", async () => {
    const world = await World.loaded();
    await world.commit({ offsets: { t: 11 } });
    world.partition.isReplicated = false;
    await world.commit({ offsets: { t: 12 } });
    const fetch = await world.ask((machine) => machine.fetchOffsets("g", { memberId: null, memberEpoch: -1 }, null));
    expect(fetch.isWaiting).toBe(true);
    await world.move();
    expect(fetch.error).toBe("NOT_COORDINATOR");
    expect(await world.offsets()).toEqual({ t: 11 });
  });

  test("an append that is refused changes nothing", async () => {
    const world = await World.loaded();
    await world.commit({ offsets: { t: 11 } });
    world.partition.refusal = "NOT_ENOUGH_REPLICAS";
    expect((await world.commit({ offsets: { t: 12 } })).error).toBe("COORDINATOR_NOT_AVAILABLE");
    expect(await world.offsets()).toEqual({ t: 11 });
  });

  test("a commit that takes too long is answered COORDINATOR_NOT_AVAILABLE and still counts when it comes about", async () => {
    const world = await World.loaded();
    world.partition.isReplicated = false;
    const commit = await world.commit({ offsets: { t: 12 } });
    await world.clock.advance(4_990);
    expect(commit.isWaiting).toBe(true);
    await world.clock.advance(20);
    expect(commit.error).toBe("COORDINATOR_NOT_AVAILABLE");
    const fetch = await world.ask((machine) => machine.fetchOffsets("g", { memberId: null, memberEpoch: -1 }, null));
    expect(fetch.isWaiting).toBe(true);
    world.partition.commit();
    await settled();
    expect(fetch.value.topics).toMatchObject([{ name: "t", partitions: [{ committedOffset: 12 }] }]);
  });

  test("those who come after an answer that took too long wait no longer than it did", async () => {
    const world = await World.loaded();
    world.partition.isReplicated = false;
    await world.commit({ offsets: { t: 12 } });
    await world.clock.advance(5_010);
    const fetch = await world.ask((machine) => machine.fetchOffsets("g", { memberId: null, memberEpoch: -1 }, null));
    await world.clock.advance(4_980);
    expect(fetch.isWaiting).toBe(true);
    await world.clock.advance(30);
    expect(fetch.error).toBe("COORDINATOR_NOT_AVAILABLE");
  });

  test("whoever waits when the leadership ends learns that this is not the coordinator", async () => {
    const world = await World.loaded();
    const join = await world.join();
    const { shard } = world;
    await world.move();
    await settled();
    expect(join.error).toBe("NOT_COORDINATOR");
    expect(await shard.run((machine) => machine.deleteGroup("g") as never)).toEqual({ error: "NOT_COORDINATOR" });
  });

  test("a broker that cannot prove its session neither answers nor throws anybody out", async () => {
    const world = await World.loaded();
    const [member = ""] = await world.stableGroup(1);
    world.partition.isProved = false;
    expect(await world.heartbeat(member, 1)).toBe("NOT_COORDINATOR");
    await world.clock.advance(60_000);
    expect(world.describe().members).toHaveLength(1);
  });

  test("more requests than may wait are refused before anything is done", async () => {
    const world = await World.loaded({}, { waitingMax: 2 });
    await world.join({ clientId: "a" });
    await world.join({ clientId: "b" });
    expect((await world.join({ clientId: "c" })).error).toBe("COORDINATOR_NOT_AVAILABLE");
    expect(world.describe().members).toHaveLength(2);
  });

  test("heartbeats write nothing to the log", async () => {
    const world = await World.loaded();
    const [member = ""] = await world.stableGroup(1);
    const { appends } = world.partition;
    for (let i = 0; i < 10; i++) expect(await world.heartbeat(member, 1)).toBe("NONE");
    expect(world.partition.appends).toBe(appends);
  });

  test("what outgrows a batch goes into several, where it may", async () => {
    const world = await World.loaded();
    world.partition.batchBytesMax = 300;
    const offsets = Object.fromEntries(Array.from({ length: 9 }, (_, i) => [`topic-${i}`, i]));
    world.topics = topicsView(...Object.keys(offsets));
    const before = world.partition.appends;
    expect((await world.commit({ offsets })).error).toBeNull();
    expect(world.partition.appends - before).toBeGreaterThan(2);
    await world.move();
    expect(await world.offsets()).toEqual(offsets);
  });
});

describe("loading", () => {
  test("requests are told that the groups are being loaded until all of the log is committed", async () => {
    const world = await World.loaded();
    await world.commit({ offsets: { t: 11 } });
    world.partition.isReplicated = false;
    await world.commit({ offsets: { t: 12 } });
    await world.move(world.partition.endOffset); // the new leader has the last record; its followers may not
    expect((await world.commit({ offsets: { t: 13 } })).error).toBe("COORDINATOR_LOAD_IN_PROGRESS");
    expect(world.shard.isServing).toBe(false);
    world.partition.commit();
    for (let i = 0; i < 5; i++) await world.clock.advance(0);
    expect(await world.offsets()).toEqual({ t: 12 });
  });

  test("a record that cannot be read is left out and the others are not", async () => {
    const world = await World.loaded();
    await world.commit({ offsets: { t: 11 } });
    const odd = new BatchBuilder();
    odd.append({ key: Buffer.from([0, 1, 0]), value: null, timestampMs: 1 });
    odd.append({ key: Buffer.from([0, 2, 0, 1, 0x61]), value: Buffer.from([0, 99]), timestampMs: 1 });
    odd.append({ key: Buffer.from([0, 77, 0]), value: Buffer.from([1]), timestampMs: 1 });
    const member = { memberId: "m", groupInstanceId: null, clientId: "c", clientHost: "/h", rebalanceTimeout: 1, sessionTimeout: 1 };
    const members = [{ ...member, subscription: Buffer.alloc(0), assignment: Buffer.alloc(0) }];
    const headless = { protocolType: "consumer", generation: 4, protocol: "range", leader: null, currentStateTimestamp: -1, members };
    odd.append({ ...classicGroupRecord("headless", headless), timestampMs: 1 });
    world.partition.append(null, odd.build());
    await world.commit({ offsets: { u: 21 } });
    await world.move();
    expect(await world.offsets()).toEqual({ t: 11, u: 21 });
    expect(world.describe("headless").groupState).toBe("Dead");
  });

  test("the end of a transaction is no offset, although its key begins as one", async () => {
    const world = await World.loaded();
    await world.commit({ offsets: { t: 11 } });
    const producer = { producerId: 5, producerEpoch: 0, isTransactional: true };
    // an abort with more behind it, as a later version may have it; read as an offset it would be one of the group "" in the topic "t"
    const marker = { key: Buffer.from([0, 0, 0, 0, 0, 1, 0x74, 0, 0, 0, 0]), value: Buffer.alloc(20), timestampMs: 1 };
    world.partition.append(null, encodeBatch([marker], { ...producer, isControl: true }));
    await world.move();
    expect([...world.machine.offsets.groupIds()]).toEqual(["g"]);
    expect(await world.offsets()).toEqual({ t: 11 });
  });

  test("what a transaction's batch commits counts when the transaction is committed", async () => {
    const world = await World.loaded();
    const value = { offset: 7, leaderEpoch: -1, metadata: "", commitTimestamp: 1, expireTimestamp: -1, topicId: idOf("t") };
    const committed = { ...offsetRecord("g", "t", 0, value), timestampMs: 1 };
    world.partition.append(null, encodeBatch([committed], { producerId: 5, producerEpoch: 0, isTransactional: true }));
    await world.move();
    expect(await world.offsets()).toEqual({});
    world.partition.appendMarker(null, { producerId: 5, producerEpoch: 0, coordinatorEpoch: 1, kind: "commit", transactionVersion: 1 });
    await world.move();
    expect(await world.offsets()).toEqual({ t: 7 });
  });

  test("groups at the end of what their numbers can hold go on", async () => {
    const world = await World.loaded();
    const last = 2 ** 31 - 1;
    const stored = new BatchBuilder();
    const member = { memberId: "m", groupInstanceId: null, clientId: "c", clientHost: "/h", rebalanceTimeout: last, sessionTimeout: 1000 };
    const members = [{ ...member, subscription: Buffer.alloc(0), assignment: Buffer.alloc(0) }];
    const old = { protocolType: "consumer", generation: last, protocol: "range", leader: "m", currentStateTimestamp: -1, members };
    const profile = { ...unknownProfile, subscribedTopicNames: ["t"] };
    for (const record of [
      classicGroupRecord("g", old),
      groupEpochRecord("k", last),
      assignmentEpochRecord("k", last),
      memberProfileRecord("k", "m", profile),
      currentRecord("k", "m", { ...unassigned, epoch: last, previousEpoch: last }),
    ])
      stored.append({ ...record, timestampMs: 1 });
    world.partition.append(null, stored.build());
    await world.move();
    // both members' sessions end, and the groups go into their next generation and epoch
    await world.clock.advance(120_000);
    expect(world.machine.classic.find("g")).toMatchObject({ generation: 1, state: "Empty" });
    expect(world.machine.consumer.describe("k").answer).toMatchObject({ errorCode: "NONE", members: [] });
    await world.move();
    expect(world.machine.classic.find("g")?.generation).toBe(1);
  });

  test("what is no batch is told of, and waited for, instead of ending the broker", async () => {
    const world = await World.loaded();
    await world.commit({ offsets: { t: 11 } });
    const { bytes } = world.partition.batches[0]!;
    const size = bytes.readInt32BE(8);
    bytes.writeInt32BE(-5, 8);
    await world.move();
    expect((await world.commit({ offsets: { t: 13 } })).error).toBe("COORDINATOR_LOAD_IN_PROGRESS");
    bytes.writeInt32BE(size, 8);
    await world.clock.advance(20_000);
    expect(await world.offsets()).toEqual({ t: 11 });
  });
});
