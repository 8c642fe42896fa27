import { describe, expect, test } from "vitest";
import { groupFinder } from "../../../broker/api/group-finder.ts";
import type { NewTopic, TopicMaker } from "../../../broker/api/topic-maker.ts";
import type { ClusterImage } from "../../../broker/cluster/cluster-image.ts";
import { silentLogger } from "../../../protocol/base/logger.ts";
import { partitionOfKey } from "../../../protocol/base/partition-of-key.ts";
import { broker, image, ManualClock, partition, topic, topicId } from "./fixtures.ts";

const config = { partitions: 50, replicationFactor: 3, segmentBytes: 104_857_600 };
const transactions = { ...config, partitions: 7 };

/** Makes topics when it is told to. */
function setUp(current: ClusterImage) {
  const created: NewTopic[] = [];
  let answer = () => {};
  const topicMaker: TopicMaker = {
    make: (topics) => {
      created.push(...topics);
      return new Promise((resolve) => {
        answer = () => resolve(topics.map(() => ({ error: "NONE", message: null })));
      });
    },
  };
  const images = { current };
  const finder = groupFinder({ images, topicMaker, log: silentLogger, clock: new ManualClock(), config, transactions });
  return { finder, images, created, answer: () => answer() };
}

const offsets = (leader: number) =>
  topic(
    "__consumer_offsets",
    topicId("O"),
    Array.from({ length: 50 }, (_, index) => partition(index, { leader: index === 47 ? leader : 1 })),
  );

describe("finding a group's coordinator", () => {
  test("the first question has the topic made: compacted, with as many copies as there are brokers", async () => {
    const { finder, created, answer } = setUp(image([]));
    for (let i = 0; i < 3; i++) expect(await finder.find("group", "a", "PUBLIC")).toMatchObject({ error: "COORDINATOR_NOT_AVAILABLE" });
    expect(created).toMatchObject([{ name: "__consumer_offsets", numPartitions: 50, replicationFactor: 2 }]);
    expect(created[0]?.configs.map(({ name, value }) => `${name}=${value}`)).toEqual([
      "cleanup.policy=compact",
      "compression.type=producer",
      "segment.bytes=104857600",
    ]);
    answer();
    await new Promise((resolve) => setImmediate(resolve));
    await finder.find("group", "a", "PUBLIC");
    expect(created, "asked once more, as it is still not there").toHaveLength(2);
  });

  test("brokers that are leaving get no copy, and there are never more than wanted", async () => {
    const brokers = new Map([1, 2, 3, 4, 5].map((id) => [id, broker(id)]));
    const many = setUp(image([], { brokers }));
    await many.finder.find("group", "a", "PUBLIC");
    expect(many.created).toMatchObject([{ replicationFactor: 3 }]);
    const few = setUp(image([], { leavingBrokers: new Set([2]) }));
    await few.finder.find("group", "a", "PUBLIC");
    expect(few.created).toMatchObject([{ replicationFactor: 1 }]);
  });

  test("it is the leader of the group's partition, at its address on the client's listener", async () => {
    expect(partitionOfKey("a", 50)).toBe(47);
    const { finder } = setUp(image([offsets(2)], { brokers: new Map([1, 2].map((id) => [id, broker(id, ["PUBLIC", "INSIDE"])])) }));
    expect(await finder.find("group", "a", "INSIDE")).toMatchObject({ error: null, node: { nodeId: 2, host: "inside-2", port: 9002 } });
    expect(await finder.find("group", "b", "PUBLIC")).toMatchObject({ error: null, node: { nodeId: 1, host: "public-1" } });
  });

  test("nobody, while the partition has no leader, or none on that listener", async () => {
    const none = setUp(image([offsets(-1)]));
    expect(await none.finder.find("group", "a", "PUBLIC")).toMatchObject({ error: "COORDINATOR_NOT_AVAILABLE" });
    const led = setUp(image([offsets(2)]));
    expect(await led.finder.find("group", "a", "OTHER")).toMatchObject({ error: "COORDINATOR_NOT_AVAILABLE" });
    expect([none.created, led.created]).toEqual([[], []]);
  });

  test("a transactional id has one of its own, for which another topic is created", async () => {
    const { finder, created } = setUp(image([offsets(2)]));
    expect(await finder.find("transaction", "a", "PUBLIC")).toMatchObject({ error: "COORDINATOR_NOT_AVAILABLE" });
    expect(created).toMatchObject([{ name: "__transaction_state", numPartitions: 7 }]);
  });
});
