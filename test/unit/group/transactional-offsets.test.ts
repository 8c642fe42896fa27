import { describe, expect, test } from "vitest";
import { openBatch } from "../../../protocol/records/decode-batch.ts";
import { settled } from "../network/manual-clock.ts";
import { commitIn, end, stable } from "./transactions.ts";
import { idOf, topicsView, World } from "./world.ts";

const unstable = "UNSTABLE_OFFSET_COMMIT";
const minuteMs = 60_000;

describe("positions of a transaction", () => {
  test("count when it is committed, for all of its groups, and are dropped when it is aborted", async () => {
    const world = await World.loaded();
    expect(await commitIn(world, 1, { t: 5, u: 6 })).toEqual(["NONE", "NONE"]);
    await commitIn(world, 1, { t: 7 }, { groupId: "h" });
    await commitIn(world, 2, { t: 8 }, { groupId: "i" });
    expect([await world.offsets(), await world.offsets("h")]).toEqual([{}, {}]);
    expect(end(world, 1, "commit").error).toBeNull();
    expect([await world.offsets(), await world.offsets("h"), await world.offsets("i")]).toEqual([{ t: 5, u: 6 }, { t: 7 }, {}]);
    end(world, 2, "abort");
    expect(await world.offsets("i")).toEqual({});
    expect(world.pendingMemory.usedBytes).toBe(0);
  });

  test("are in the log as the producer's batches, without sequence", async () => {
    const world = await World.loaded();
    await commitIn(world, 7, { t: 5 });
    const [batch] = world.partition.batches;
    expect(openBatch(batch!.bytes)).toMatchObject({ producerId: 7, producerEpoch: 0, baseSequence: -1, isTransactional: true });
  });

  test("that take several batches are all in the transaction, and end with it", async () => {
    const world = await World.loaded();
    world.partition.batchBytesMax = 200;
    expect(await commitIn(world, 7, { t: 5, u: 6 })).toEqual(["NONE", "NONE"]);
    const batches = world.partition.batches.map(({ bytes }) => openBatch(bytes));
    expect(batches.map(({ recordsCount, isTransactional, producerId }) => [recordsCount, isTransactional, producerId])).toEqual([
      [1, true, 7],
      [1, true, 7],
    ]);
    await world.commit({ offsets: { t: 9 } });
    await commitIn(world, 7, { u: 8 });
    end(world, 7, "commit");
    expect(await world.offsets()).toEqual({ t: 9, u: 8 });
    await world.move();
    expect(await world.offsets()).toEqual({ t: 9, u: 8 });
  });

  test("the later one in the log counts, whichever transaction ends first, and whatever was committed outside of them", async () => {
    const world = await World.loaded();
    await commitIn(world, 1, { t: 10, u: 1 });
    await commitIn(world, 2, { t: 20 });
    await world.commit({ offsets: { u: 2 } });
    end(world, 2, "commit");
    end(world, 1, "commit");
    expect(await world.offsets()).toEqual({ t: 20, u: 2 });
    await commitIn(world, 1, { t: 30 });
    await commitIn(world, 1, { t: 31 });
    await world.commit({ offsets: { t: 29 } });
    await commitIn(world, 2, { t: 40 });
    end(world, 1, "commit");
    expect(await world.offsets()).toEqual({ t: 29, u: 2 });
    end(world, 2, "abort");
    expect(await world.offsets()).toEqual({ t: 29, u: 2 });
    await world.move();
    expect(await world.offsets()).toEqual({ t: 29, u: 2 });
  });

  test("while they are pending, who requires stable ones is told so, and for nothing else", async () => {
    const world = await World.loaded();
    await world.commit({ offsets: { t: 5, u: 6 } });
    await commitIn(world, 1, { t: 7 });
    await commitIn(world, 2, { t: 8 });
    expect(await stable(world)).toEqual({ t: unstable, u: 6 });
    expect(await stable(world, ["t", "u", "x"])).toEqual({ t: unstable, u: 6, x: -1 });
    expect(await world.offsets()).toEqual({ t: 5, u: 6 });
    end(world, 1, "abort");
    expect(await stable(world)).toEqual({ t: unstable, u: 6 });
    end(world, 2, "commit");
    expect(await stable(world)).toEqual({ t: 8, u: 6 });
  });

  test("a position that is only pending is unstable when it is asked for", async () => {
    const world = await World.loaded();
    await commitIn(world, 1, { t: 7 });
    expect(await stable(world, ["t"])).toEqual({ t: unstable });
    expect(await stable(world, ["t"], "h")).toEqual({ t: -1 });
  });

  test("are found again by the next coordinator, and end there; nothing else was counted twice", async () => {
    const world = await World.loaded();
    await world.commit({ offsets: { u: 1 } });
    await commitIn(world, 1, { t: 5 });
    await commitIn(world, 2, { u: 2 });
    const bytes = world.pendingMemory.usedBytes;
    end(world, 2, "commit");
    await world.move();
    expect(await stable(world, ["t", "u"])).toEqual({ t: unstable, u: 2 });
    expect(world.pendingMemory.usedBytes).toBeLessThan(bytes);
    end(world, 1, "commit");
    expect(await world.offsets()).toEqual({ t: 5, u: 2 });
    await world.move();
    expect([await world.offsets(), world.pendingMemory.usedBytes]).toEqual([{ t: 5, u: 2 }, 0]);
    world.shard.end();
    expect(world.pendingMemory.usedBytes).toBe(0);
  });

  test("an answer that depends on the marker waits until the marker is replicated", async () => {
    const world = await World.loaded();
    await commitIn(world, 1, { t: 5 });
    world.partition.isReplicated = false;
    const ended = end(world, 1, "commit");
    const fetch = await world.ask((machine) => machine.fetchOffsets("g", { memberId: null, memberEpoch: -1 }, null));
    expect(fetch.isWaiting).toBe(true);
    world.partition.commit();
    expect(ended.error === null && (await ended.committed)).toBe("NONE");
    await settled();
    expect(fetch.value.topics).toHaveLength(1);
  });

  test("a marker is refused until the log is loaded, and one that the log has already changes nothing", async () => {
    const world = new World();
    expect(end(world, 1, "commit")).toEqual({ error: "NOT_LEADER_OR_FOLLOWER" });
    await world.load();
    await commitIn(world, 1, { t: 5 });
    world.partition.knowsMarkers = true;
    expect(end(world, 1, "commit").error).toBeNull();
    expect(await stable(world)).toEqual({});
    expect(await stable(world, ["t"])).toEqual({ t: unstable });
    world.partition.knowsMarkers = false;
    world.partition.refusal = "TRANSACTION_COORDINATOR_FENCED";
    expect(end(world, 1, "commit")).toEqual({ error: "TRANSACTION_COORDINATOR_FENCED" });
    expect(await stable(world, ["t"])).toEqual({ t: unstable });
    world.shard.end();
    expect(end(world, 1, "commit")).toEqual({ error: "NOT_LEADER_OR_FOLLOWER" });
  });

  test("what the log refuses of a producer is told to it, and nothing is pending", async () => {
    const world = await World.loaded();
    for (const refusal of ["INVALID_PRODUCER_EPOCH", "INVALID_TXN_STATE"] as const) {
      world.partition.refusal = refusal;
      expect(await commitIn(world, 1, { t: 5 })).toEqual([refusal]);
    }
    world.partition.refusal = null;
    expect(await stable(world, ["t"])).toEqual({ t: -1 });
  });
});

describe("who may commit in a transaction", () => {
  test("anybody who names no member, as older producers do; a member only in its generation", async () => {
    const world = await World.loaded();
    const [a = ""] = await world.stableGroup(1);
    expect(await commitIn(world, 1, { t: 1 })).toEqual(["NONE"]);
    expect(await commitIn(world, 1, { t: 2 }, { memberId: a, generationIdOrMemberEpoch: 1 })).toEqual(["NONE"]);
    expect(await commitIn(world, 1, { t: 3 }, { memberId: a, generationIdOrMemberEpoch: 2 })).toEqual(["ILLEGAL_GENERATION"]);
    expect(await commitIn(world, 1, { t: 3 }, { memberId: "stranger", generationIdOrMemberEpoch: 1 })).toEqual(["UNKNOWN_MEMBER_ID"]);
    expect(await commitIn(world, 1, { t: 3 }, { groupInstanceId: "i" })).toEqual(["UNKNOWN_MEMBER_ID"]);
    end(world, 1, "commit");
    expect(await world.offsets()).toEqual({ t: 2 });
  });

  test("a generation of a group that there is not is illegal", async () => {
    const world = await World.loaded();
    expect(await commitIn(world, 1, { t: 1 }, { memberId: "m", generationIdOrMemberEpoch: 3 })).toEqual(["ILLEGAL_GENERATION"]);
    expect(world.machine.groups.size).toBe(0);
  });

  test("also while the members wait for their parts: what fences is the transaction", async () => {
    const world = await World.loaded();
    const [a = ""] = await world.stableGroup(2);
    await world.join({ clientId: "new" });
    await world.join({ memberId: a });
    await world.clock.advance(10_100);
    expect(world.describe().groupState).toBe("CompletingRebalance");
    expect(await commitIn(world, 1, { t: 6 }, { memberId: a, generationIdOrMemberEpoch: 2 })).toEqual(["NONE"]);
  });

  test("a text that is too long is refused, and so is more than may be pending", async () => {
    const world = await World.loaded();
    expect(await commitIn(world, 1, { t: 1 }, { metadata: "x".repeat(17) })).toEqual(["OFFSET_METADATA_TOO_LARGE"]);
    const answers: string[] = [];
    for (let producer = 0; producer < 500; producer++) answers.push(...(await commitIn(world, producer, { t: producer })));
    const accepted = answers.filter((answer) => answer === "NONE").length;
    expect(new Set(answers)).toEqual(new Set(["NONE", "COORDINATOR_NOT_AVAILABLE"]));
    expect(world.pendingMemory.usedBytes).toBeLessThanOrEqual(100_000);
    expect(accepted).toBeGreaterThan(50);
    end(world, 0, "abort");
    expect(await commitIn(world, 999, { t: 1 })).toEqual(["NONE"]);
  });
});

describe("pending positions and what goes", () => {
  test("positions that are deleted do not come back with the transaction's end", async () => {
    const world = await World.loaded();
    await world.commit({ offsets: { u: 1 } });
    await commitIn(world, 1, { t: 5, u: 6 });
    const topics = ["t", "u", "x"].map((name) => ({ name, partitions: [{ partitionIndex: 0 }] }));
    await world.ask((machine) => machine.deleteOffsets("g", topics));
    expect(await stable(world, ["t", "u"])).toEqual({ t: -1, u: -1 });
    expect(world.pendingMemory.usedBytes).toBe(0);
    await world.move();
    end(world, 1, "commit");
    expect(await world.offsets()).toEqual({});
  });

  test("nor does a deleted group", async () => {
    const world = await World.loaded();
    await world.commit({ offsets: { u: 1 } });
    await commitIn(world, 1, { t: 5, u: 6 });
    const parts: unknown[] = [];
    for (let isDone = false; !isDone; ) {
      const asked = await world.ask((machine) => machine.deleteGroup("g", 1));
      parts.push(asked.value);
      ({ isDone } = asked.value);
    }
    expect(parts).toEqual([
      { errorCode: "NONE", isDone: false },
      { errorCode: "NONE", isDone: true },
    ]);
    await world.move();
    end(world, 1, "commit");
    expect([world.machine.groups.size, await world.offsets()]).toEqual([0, {}]);
  });

  test("a group with something pending is not forgotten, and its positions do not expire until the transaction is over", async () => {
    const world = await World.loaded({ offsetsRetentionMs: minuteMs, offsetsRetentionCheckIntervalMs: minuteMs });
    await world.commit({ offsets: { t: 5 } });
    await commitIn(world, 1, { t: 6 });
    await commitIn(world, 2, { t: 7 }, { groupId: "h" });
    await world.clock.advance(10 * minuteMs);
    expect(await world.offsets()).toEqual({ t: 5 });
    expect([...world.machine.groups.values()].map(({ groupId }) => groupId)).toEqual(["g", "h"]);
    await world.move();
    expect([...world.machine.groups.values()].map(({ groupId }) => groupId)).toEqual(["g", "h"]);
    for (const producer of [1, 2]) end(world, producer, "abort");
    await world.clock.advance(10 * minuteMs);
    expect([await world.offsets(), world.machine.groups.size]).toEqual([{}, 0]);
  });

  test("of a deleted topic they are shown to nobody, and what a transaction commits in its successor stays", async () => {
    const world = await World.loaded({ offsetsRetentionCheckIntervalMs: minuteMs });
    await world.commit({ offsets: { t: 5 } });
    await commitIn(world, 1, { t: 6 });
    const successor = { ...topicsView("t", "u").topics.get("t")!, id: "successor____________A" };
    const view = topicsView("u");
    world.topics = {
      ...view,
      topics: new Map([...view.topics, ["t", successor]]),
      deletedTopics: new Map([[idOf("t"), "t"]]),
    };
    expect(await stable(world, ["t"]), "what is pending is a position in the old one").toEqual({ t: -1 });
    await commitIn(world, 2, { t: 1 });
    expect(await stable(world, ["t"])).toEqual({ t: unstable });
    world.shard.runAll((machine, now) => machine.topicsChanged(new Set(["t"]), now));
    await world.clock.advance(100);
    expect(await stable(world, ["t"]), "the old position is removed, and takes nothing along").toEqual({ t: unstable });
    end(world, 1, "commit");
    expect(await world.offsets()).toEqual({});
    end(world, 2, "commit");
    expect(await world.offsets()).toEqual({ t: 1 });
  });

  test("of a deleted topic they are removed some time after their transaction was committed", async () => {
    const world = await World.loaded({ offsetsRetentionCheckIntervalMs: minuteMs });
    await commitIn(world, 1, { t: 6 });
    world.topics = { ...topicsView("u"), deletedTopics: new Map([[idOf("t"), "t"]]) };
    world.shard.runAll((machine, now) => machine.topicsChanged(new Set(["t"]), now));
    await world.clock.advance(100);
    end(world, 1, "commit");
    expect(await world.offsets()).toEqual({});
    expect(world.machine.offsets.size).toBe(1);
    await world.clock.advance(3 * minuteMs);
    expect(world.machine.offsets.size).toBe(0);
  });
});
