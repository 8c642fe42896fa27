import { describe, expect, test } from "vitest";
import { offsetFetchApi } from "../../../broker/api/offset-fetch.ts";
import { txnOffsetCommitApi } from "../../../broker/api/txn-offset-commit.ts";
import type { VerificationOrder } from "../../../broker/runtime/transaction-verifier.ts";
import type { KafkaErrorCode } from "../../../protocol/errors/kafka-errors.ts";
import { groups, setUp } from "../group/coordinator-fixture.ts";
import { settled } from "../network/manual-clock.ts";
import { answerOf } from "./fixtures.ts";

const [a = ""] = groups;
const offsetsPartition = "__consumer_offsets-0";

/** The API on real partitions, and a transaction coordinator that says what the test wants. */
async function served() {
  const world = await setUp();
  await world.assign(0, 1, 3);
  const orders: VerificationOrder[] = [];
  let verdict: KafkaErrorCode | Promise<KafkaErrorCode> = "NONE";
  let verifies = true;
  const api = txnOffsetCommitApi({
    groups: world.coordinator.transactions,
    images: world.images,
    verifier: {
      verify: async (order) => {
        orders.push(order);
        return new Map([[offsetsPartition, await verdict]]);
      },
    },
    verifies: () => verifies,
  });
  const commit = async (
    offset: number,
    {
      version = 5,
      groupId = a,
      topics = ["t"],
      ...more
    }: Record<string, unknown> & { version?: number; groupId?: string; topics?: string[] } = {},
  ) => {
    const partitions = [{ partitionIndex: 0, committedOffset: offset, committedLeaderEpoch: -1, committedMetadata: null }];
    const by = { generationIdOrMemberEpoch: -1, memberId: "", groupInstanceId: null };
    const producer = { transactionalId: "x", producerId: 7, producerEpoch: 0 };
    const request = { ...by, ...producer, groupId, topics: topics.map((name) => ({ name, partitions })), ...more };
    const answer = await answerOf(api, request, version);
    return answer.topics.map(({ partitions: [one] }) => one!.errorCode).join();
  };
  const end = (producerEpoch = 0, more: object = {}) =>
    world.coordinator.transactions.appendMarker(0, {
      producerId: 7,
      producerEpoch,
      coordinatorEpoch: 2,
      kind: "commit",
      transactionVersion: 1,
      ...more,
    });
  return {
    ...world,
    commitOutside: world.commit,
    orders,
    commit,
    end,
    say: (next: KafkaErrorCode | Promise<KafkaErrorCode>) => {
      verdict = next;
    },
    waive: () => {
      verifies = false;
    },
  };
}

describe("TxnOffsetCommit", () => {
  test("in every version commits what counts once the transaction is committed, and asks the coordinator once for it", async () => {
    for (let version = 0; version <= 5; version++) {
      const { commit, end, offsetOf, orders } = await served();
      expect(await commit(5, { version })).toBe("NONE");
      expect(await commit(6, { version })).toBe("NONE");
      expect(orders).toEqual([
        {
          transactionalId: "x",
          producerId: 7,
          producerEpoch: 0,
          partitions: [{ topic: "__consumer_offsets", partition: 0 }],
          adds: version >= 5,
        },
      ]);
      expect(await offsetOf(a)).toBe("");
      const ended = end();
      expect(ended.error === null && (await ended.committed)).toBe("NONE");
      expect(await offsetOf(a)).toBe("t 6");
      await commit(7, { version });
      expect(orders.length, "the next transaction is another").toBe(2);
    }
  });

  test("what the coordinator refuses is told as the producer's version knows it, and nothing is appended", async () => {
    const { commit, say, table } = await served();
    const endOffset = () => {
      const leader = table.leader({ topic: "__consumer_offsets", partition: 0 });
      return typeof leader === "string" ? -1 : leader.standing().endOffset;
    };
    const rows: readonly (readonly [KafkaErrorCode, number, string])[] = [
      ["TRANSACTION_ABORTABLE", 5, "TRANSACTION_ABORTABLE"],
      ["TRANSACTION_ABORTABLE", 4, "TRANSACTION_ABORTABLE"],
      ["TRANSACTION_ABORTABLE", 3, "INVALID_TXN_STATE"],
      ["CONCURRENT_TRANSACTIONS", 5, "CONCURRENT_TRANSACTIONS"],
      ["CONCURRENT_TRANSACTIONS", 4, "COORDINATOR_LOAD_IN_PROGRESS"],
      ["NOT_COORDINATOR", 5, "COORDINATOR_LOAD_IN_PROGRESS"],
      ["COORDINATOR_NOT_AVAILABLE", 3, "COORDINATOR_LOAD_IN_PROGRESS"],
      ["INVALID_PRODUCER_EPOCH", 5, "INVALID_PRODUCER_EPOCH"],
      ["PRODUCER_FENCED", 3, "PRODUCER_FENCED"],
      ["INVALID_PRODUCER_ID_MAPPING", 5, "INVALID_PRODUCER_ID_MAPPING"],
    ];
    for (const [said, version, told] of rows) {
      say(said);
      expect(await commit(5, { version }), `${said} in ${version}`).toBe(told);
    }
    expect(endOffset()).toBe(0);
    say("NONE");
    expect(await commit(5)).toBe("NONE");
  });

  test("a commit whose transaction ends while the coordinator is asked is refused, and so is one of an earlier epoch", async () => {
    const { commit, say, end, offsetOf, orders } = await served();
    let answer: (error: KafkaErrorCode) => void = () => {};
    say(
      new Promise((resolve) => {
        answer = resolve;
      }),
    );
    const late = commit(5, { version: 3 });
    await settled();
    expect(orders).toHaveLength(1);
    expect(end().error).toBeNull();
    answer("NONE");
    expect(await late, "to be asked again").toBe("COORDINATOR_NOT_AVAILABLE");
    say("NONE");
    expect(await commit(6, { version: 3 }), "the next transaction's").toBe("NONE");
    end(1, { transactionVersion: 2 });
    expect(await offsetOf(a)).toBe("t 6");
    expect(await commit(7), "the epoch has risen with the transaction's end").toBe("INVALID_PRODUCER_EPOCH");
    expect(await commit(8, { producerEpoch: 1 })).toBe("NONE");
  });

  test("a leadership that ends while the coordinator is asked, and comes back, has forgotten what was asked", async () => {
    const { commit, say, assign, offsetOf } = await served();
    let answer: (error: KafkaErrorCode) => void = () => {};
    say(
      new Promise((resolve) => {
        answer = resolve;
      }),
    );
    const asked = commit(5);
    await settled();
    await assign(0, 2, 4);
    await assign(0, 1, 5);
    answer("NONE");
    expect(await asked).toBe("NOT_COORDINATOR");
    expect(await offsetOf(a)).toBe("");
    say("NONE");
    expect(await commit(6)).toBe("NONE");
  });

  test("those who require stable positions are told in every version that knows how while one is pending", async () => {
    const { commit, commitOutside, end, coordinator } = await served();
    await commitOutside(a, 1);
    const api = offsetFetchApi(coordinator);
    const fetched = async (version: number, requireStable: boolean) => {
      const topics = [{ name: "t", partitionIndexes: [0] }];
      const request = { groupId: a, topics, groups: [{ groupId: a, memberId: null, memberEpoch: -1, topics }], requireStable };
      const answer = await answerOf(api, request, version);
      const [one] = (version >= 8 ? answer.groups[0]! : answer).topics[0]!.partitions;
      return [one!.errorCode, one!.committedOffset];
    };
    await commit(5);
    for (let version = 7; version <= 9; version++) {
      expect(await fetched(version, true)).toEqual(["UNSTABLE_OFFSET_COMMIT", -1]);
      expect(await fetched(version, false)).toEqual(["NONE", 1]);
    }
    end();
    for (let version = 7; version <= 9; version++) expect(await fetched(version, true)).toEqual(["NONE", 5]);
  });

  test("nobody is asked where the setting says so, unless the group is to be added", async () => {
    const { commit, waive, orders } = await served();
    waive();
    expect(await commit(5, { version: 4 })).toBe("NONE");
    expect(orders).toEqual([]);
    expect(await commit(5, { version: 5, producerId: 8 })).toBe("NONE");
    expect(orders).toMatchObject([{ adds: true, producerId: 8 }]);
  });

  test("partitions that do not exist are told apart, and nobody is asked about them alone", async () => {
    const { commit, orders } = await served();
    expect(await commit(5, { topics: ["x"] })).toBe("UNKNOWN_TOPIC_OR_PARTITION");
    expect(orders).toEqual([]);
    expect(await commit(5, { topics: ["x", "t"] })).toBe("UNKNOWN_TOPIC_OR_PARTITION,NONE");
  });

  test("what names no producer, no transaction, no group, or a group of another coordinator, is refused", async () => {
    const { commit, orders } = await served();
    expect(await commit(5, { producerId: -1 })).toBe("INVALID_PRODUCER_ID_MAPPING");
    expect(await commit(5, { producerEpoch: -1 })).toBe("INVALID_PRODUCER_ID_MAPPING");
    expect(await commit(5, { transactionalId: "" })).toBe("INVALID_PRODUCER_ID_MAPPING");
    expect(await commit(5, { groupId: "" })).toBe("INVALID_GROUP_ID");
    expect(await commit(5, { groupId: groups[1] })).toBe("NOT_COORDINATOR");
    expect(orders).toEqual([]);
  });
});
