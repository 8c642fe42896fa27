import { describe, expect, test } from "vitest";
import type { GroupMachine } from "../../../broker/group/group-machine.ts";
import type { VersionedMarker } from "../../../broker/log/log-contract.ts";
import type { Entered } from "../../../broker/state-machine/shards.ts";
import { groups, setUp } from "./coordinator-fixture.ts";
import { shardConfig } from "./world.ts";

const [a = ""] = groups;

/** On real partitions, whose logs judge producers and markers. */
async function coordinating() {
  const world = await setUp();
  await world.assign(0, 1, 3);
  const { coordinator, table } = world;
  const enter = (producerId = 7, origin?: Parameters<typeof coordinator.transactions.enter>[2], producerEpoch = 0) =>
    coordinator.transactions.enter(a, { producerId, producerEpoch }, origin);
  const entered = (producerId = 7, producerEpoch = 0): Entered<GroupMachine> => {
    const outcome = enter(producerId, undefined, producerEpoch);
    if (outcome.error !== null) throw new Error(outcome.error);
    return outcome;
  };
  const commitAt = async (at: Entered<GroupMachine>, offset: number, producerId = 7, producerEpoch = 0) => {
    const partitions = [
      { partitionIndex: 0, committedOffset: offset, committedLeaderEpoch: -1, commitTimestamp: -1, committedMetadata: null },
    ];
    const by = { memberId: "", groupInstanceId: null, generationIdOrMemberEpoch: -1, topics: [{ name: "t", partitions }] };
    const transaction = { producerId, producerEpoch, guard: at.guard };
    const ran = await at.run((machine, now) => machine.commitInTransaction(a, { ...by, transaction }, now));
    return ran.error ?? ran.value[0]!.partitions[0]!.errorCode;
  };
  const commit = async (offset: number, producerId = 7, producerEpoch = 0) => {
    const at = entered(producerId, producerEpoch);
    try {
      return await commitAt(at, offset, producerId, producerEpoch);
    } finally {
      at.leave();
    }
  };
  const end = (more: Partial<VersionedMarker> = {}) =>
    coordinator.transactions.appendMarker(0, {
      ...{ producerId: 7, producerEpoch: 0, coordinatorEpoch: 2, kind: "commit", transactionVersion: 1 },
      ...more,
    });
  const endOffset = () => {
    const leader = table.leader({ topic: "__consumer_offsets", partition: 0 });
    return typeof leader === "string" ? -1 : leader.standing().endOffset;
  };
  return { ...world, enter, entered, commit, commitAt, end, endOffset };
}

describe("a group's positions in transactions, on a real log", () => {
  test("outlive a move of the coordinator, and the transaction ends where it is then", async () => {
    const { commit, end, assign, offsetOf } = await coordinating();
    expect(await commit(5)).toBe("NONE");
    await assign(0, 2, 4);
    expect(end()).toEqual({ error: "NOT_LEADER_OR_FOLLOWER" });
    await assign(0, 1, 5);
    expect(await offsetOf(a)).toBe("");
    expect(await commit(6), "it is still open").toBe("NONE");
    expect(end().error).toBeNull();
    expect(await offsetOf(a)).toBe("t 6");
    await assign(0, 2, 6);
    await assign(0, 1, 7);
    expect(await offsetOf(a)).toBe("t 6");
  });

  test("a marker that is sent again changes nothing; one of an older coordinator, or of an older epoch, is refused", async () => {
    const { commit, end, endOffset, offsetOf } = await coordinating();
    await commit(5);
    expect(end().error).toBeNull();
    const after = endOffset();
    const again = end();
    expect(again.error === null && (await again.committed)).toBe("NONE");
    expect(endOffset()).toBe(after);
    await commit(6);
    expect(end({ coordinatorEpoch: 1 })).toMatchObject({ error: "TRANSACTION_COORDINATOR_FENCED" });
    expect(await offsetOf(a)).toBe("t 5");
    end({ producerEpoch: 4, transactionVersion: 2 });
    expect(await offsetOf(a)).toBe("t 6");
    expect(end({ producerEpoch: 3, transactionVersion: 2 })).toMatchObject({ error: "INVALID_PRODUCER_EPOCH" });
    expect(await commit(7)).toBe("INVALID_PRODUCER_EPOCH");
    expect(await commit(8, 7, 4)).toBe("NONE");
  });

  test("nothing is begun without a guard, nor under one that a marker has ended, also between two parts of a request", async () => {
    const { entered, commitAt, end, endOffset, offsetOf } = await coordinating();
    const at = entered();
    expect(at.isOpen).toBe(false);
    expect(await commitAt(at, 5)).toBe("NONE");
    expect(entered().isOpen).toBe(true);
    expect(end().error).toBeNull();
    const before = endOffset();
    expect(await commitAt(at, 6)).toBe("COORDINATOR_NOT_AVAILABLE");
    at.leave();
    expect(await commitAt(at, 6)).toBe("COORDINATOR_NOT_AVAILABLE");
    const stranger = entered(8);
    expect(await commitAt(stranger, 6)).toBe("INVALID_TXN_STATE");
    expect([endOffset(), await offsetOf(a)]).toEqual([before, "t 5"]);
  });

  test("may be waited for by so many, and no more", async () => {
    const { enter, entered } = await coordinating();
    const all = Array.from({ length: shardConfig.waitingMax }, (_, index) => entered(index));
    expect(enter()).toEqual({ error: "COORDINATOR_NOT_AVAILABLE" });
    all[0]!.leave();
    expect(enter().error).toBeNull();
  });

  test("are refused to a connection that is older than the leadership", async () => {
    const { enter, assign, clock } = await coordinating();
    const retired: string[] = [];
    const old = { acceptedMs: clock.monotonicMs(), retire: () => void retired.push("old") };
    expect(enter(7, old).error).toBeNull();
    await assign(0, 2, 4);
    expect(enter(7, old)).toEqual({ error: "NOT_COORDINATOR" });
    await clock.advance(10);
    await assign(0, 1, 5);
    expect(enter(7, old)).toEqual({ error: "NOT_COORDINATOR" });
    expect(retired).toEqual(["old"]);
    expect(enter(7).error).toBeNull();
  });
});
