import { describe, expect, test } from "vitest";
import type { CoordinatorLink } from "../../../../client/coordinator/coordinator-link.ts";
import { AssignedPartition } from "../../../../client/fetch/assigned-partition.ts";
import { PositionKeeper } from "../../../../client/group/position-keeper.ts";
import type { Cluster } from "../../../../client/metadata/cluster.ts";
import { zeroTopicId } from "../../../../protocol/base/ids.ts";
import { seededRandom } from "../../../../protocol/base/random.ts";
import { apis } from "../../../../protocol/messages/apis.ts";
import { ManualClock } from "../manual-clock.ts";

const [topicId, otherId] = ["A", "B"].map((letter) => `${letter.repeat(21)}Q`) as [string, string];

/** The group has committed 12 in a topic that our metadata does not have. */
function world(does: { readonly refreshSucceed: boolean; readonly coordinatorKnow: boolean }) {
  const clock = new ManualClock();
  let refreshes = 0;
  const refresh = async () => {
    refreshes++;
    if (!does.refreshSucceed) throw new Error("no broker answered");
  };
  const metadata = { topic: () => undefined, refresh };
  const settings = { retryBackoffMs: 100, retryBackoffMaxMs: 1_000, requestTimeoutMs: 30_000 };
  const committed = { partitionIndex: 0, committedOffset: 12, committedLeaderEpoch: 0, metadata: "", errorCode: "NONE" };
  const known = { name: "t", topicId, errorCode: "NONE" };
  const retrying = async (api: unknown) =>
    api === apis.offsetFetch
      ? { errorCode: "NONE", topics: [], groups: [{ groupId: "g", errorCode: "NONE", topics: [{ name: "t", partitions: [committed] }] }] }
      : { topics: [does.coordinatorKnow ? known : { ...known, errorCode: "UNKNOWN_TOPIC_OR_PARTITION" }] };
  const keeper = new PositionKeeper({
    cluster: { metadata, settings, runtime: { clock, random: seededRandom(1) } } as unknown as Cluster,
    link: { retrying } as unknown as CoordinatorLink,
    groupId: "g",
    partition: () => undefined,
  });
  const find = async () => {
    const { value } = await clock.until(keeper.find([{ topic: "t", partition: 0 }], false, new AbortController().signal).next());
    return value?.[0];
  };
  return { keeper, find, refreshes: () => refreshes };
}

describe("what is committed for a topic that metadata does not have", () => {
  test.each([
    ["metadata cannot be had", { refreshSucceed: false, coordinatorKnow: true }],
    ["metadata cannot be had, though the coordinator does not know the topic", { refreshSucceed: false, coordinatorKnow: false }],
    ["the coordinator knows the topic", { refreshSucceed: true, coordinatorKnow: true }],
  ])("is kept where %s", async (_where, does) => {
    const { find, refreshes } = world(does);
    expect(await find()).toMatchObject({ offset: 12, topicId: zeroTopicId });
    expect(refreshes()).toBeLessThan(20);
  });

  test("goes with the topic where fresh metadata and the coordinator agree that there is none", async () => {
    const { find, refreshes } = world({ refreshSucceed: true, coordinatorKnow: false });
    expect(await find()).toMatchObject({ offset: -1 });
    expect(refreshes()).toBe(3);
  });
});

test("which topic a partition's records were of is remembered until it is back, and only of the last that went", () => {
  const { keeper } = world({ refreshSucceed: true, coordinatorKnow: true });
  const back = (index: number) => {
    const partition = new AssignedPartition("t", index, { offset: 0 }, otherId);
    keeper.begin(partition, 0);
    return partition;
  };
  const go = (index: number) => {
    const partition = new AssignedPartition("t", index, { offset: 0 }, topicId);
    partition.consumed(1, 0);
    keeper.end(partition);
  };
  for (let index = 0; index < 10_002; index++) go(index);
  expect([0, 1, 2, 10_001].map((index) => back(index).handedOutTopicId)).toEqual([zeroTopicId, zeroTopicId, topicId, topicId]);
  expect(back(2).handedOutTopicId).toBe(zeroTopicId);
});
