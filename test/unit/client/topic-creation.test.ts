import { describe, expect, test } from "vitest";
import { Admin } from "../../../client/admin/admin.ts";
import { differencesOf } from "../../../client/admin/topic-creation.ts";
import type { CreateTopicsRequest } from "../../../protocol/messages/create-topics.ts";
import type { DescribeConfigsRequest } from "../../../protocol/messages/describe-configs.ts";
import { FakeCluster, type Interception } from "./fake-cluster.ts";

/** A cluster that creates topics when it is asked to. */
function world(answer: (attempt: number, create: () => void) => string | "close") {
  const fake = new FakeCluster([1, 2]);
  let attempts = 0;
  let asked: CreateTopicsRequest["topics"] = [];
  fake.intercept = ({ api, request }): Interception => {
    if (api === "DescribeConfigs") {
      const { resources } = request as DescribeConfigsRequest;
      const config = {
        readOnly: false,
        isDefault: false,
        configSource: 1,
        isSensitive: false,
        synonyms: [],
        configType: 1,
        documentation: null,
      };
      return {
        throttleTimeMs: 0,
        results: resources.map(({ resourceName, configurationKeys }) => ({
          errorCode: "NONE",
          errorMessage: null,
          resourceType: 2,
          resourceName,
          configs: (configurationKeys ?? []).map((name: string) => ({ name, value: "1000", ...config })),
        })),
      };
    }
    if (api !== "CreateTopics") return undefined;
    asked = (request as CreateTopicsRequest).topics;
    const [topic] = asked;
    const errorCode = answer(++attempts, () => fake.topic(topic?.name ?? "", new Array(topic?.numPartitions ?? 1).fill(1)));
    if (errorCode === "close") return "close";
    return {
      throttleTimeMs: 0,
      topics: asked.map(({ name }) => ({
        name,
        topicId: "A".repeat(22),
        errorCode,
        errorMessage: null,
        topicConfigErrorCode: "NONE",
        numPartitions: 3,
        replicationFactor: 2,
        configs: [],
      })),
    };
  };
  return { fake, admin: new Admin(fake.options), attempts: () => attempts };
}

const wanted = { name: "t", partitions: 3, replicationFactor: 2, configs: { "retention.ms": "1000" } };

describe("createTopicIfMissing", () => {
  test("creates what is missing, and says so", async () => {
    const { fake, admin } = world((_attempt, create) => {
      create();
      return "NONE";
    });
    expect(await fake.clock.until(admin.createTopicIfMissing(wanted))).toEqual({
      name: "t",
      topicId: expect.any(String),
      created: true,
      partitions: 3,
      replicationFactor: 2,
      differences: [],
    });
  });

  test("leaves what is there, and tells where it differs", async () => {
    const { fake, admin } = world(() => "TOPIC_ALREADY_EXISTS");
    fake.topic("t", [1, 2]);
    expect(await fake.clock.until(admin.createTopicIfMissing(wanted))).toMatchObject({
      created: false,
      partitions: 2,
      differences: [{ what: "partitions", wanted: "3", actual: "2" }],
    });
    const other = { ...wanted, partitions: 2, replicationFactor: 3, configs: { "retention.ms": "5", "cleanup.policy": "1000" } };
    expect((await fake.clock.until(admin.createTopicIfMissing(other))).differences).toEqual([
      { what: "replicationFactor", wanted: "3", actual: "2" },
      { what: "retention.ms", wanted: "5", actual: "1000" },
    ]);
    expect((await fake.clock.until(admin.createTopicIfMissing({ name: "t" }))).differences).toEqual([]);
  });

  test.each([["close"], ["REQUEST_TIMED_OUT"]])(
    "an attempt with an unclear outcome (%s) is followed by another, which may find it",
    async (first) => {
      const { fake, admin, attempts } = world((attempt, create) => {
        if (attempt > 1) return "TOPIC_ALREADY_EXISTS";
        create();
        return first;
      });
      expect(await fake.clock.until(admin.createTopicIfMissing(wanted))).toMatchObject({ created: false, differences: [] });
      expect(attempts()).toBe(2);
    },
  );

  test("waits until every broker that answers knows it, with leaders", async () => {
    const { fake, admin } = world((_attempt, create) => {
      create();
      return "NONE";
    });
    const creating = admin.createTopicIfMissing(wanted);
    const { intercept } = fake;
    let behind = true;
    let leaderless = true;
    fake.intercept = (seen) => {
      if (seen.api !== "Metadata" || seen.broker !== 2 || !(behind || leaderless)) return intercept(seen);
      const metadata = fake.metadata(seen.request);
      const topics = metadata.topics.map((topic) => {
        if (behind) return { ...topic, errorCode: "UNKNOWN_TOPIC_OR_PARTITION" as const, partitions: [] };
        return { ...topic, partitions: topic.partitions.map((partition, i) => (i === 1 ? { ...partition, leaderId: -1 } : partition)) };
      });
      return { ...metadata, topics };
    };
    let isDone = false;
    void creating.then(() => (isDone = true));
    await fake.clock.advance(3_000);
    expect(isDone).toBe(false);
    behind = false;
    await fake.clock.advance(3_000);
    expect(isDone).toBe(false);
    leaderless = false;
    expect(await fake.clock.until(creating)).toMatchObject({ created: true });
  });

  test("does not wait for a broker that does not answer", async () => {
    const { fake, admin } = world((_attempt, create) => {
      create();
      return "NONE";
    });
    fake.hang(2);
    expect(await fake.clock.until(admin.createTopicIfMissing(wanted))).toMatchObject({ created: true });
  });

  test("one that exists and is about to be deleted is created anew", async () => {
    const { fake, admin } = world((attempt, create) => {
      if (attempt < 3) return "TOPIC_ALREADY_EXISTS";
      create();
      return "NONE";
    });
    expect(await fake.clock.until(admin.createTopicIfMissing(wanted))).toMatchObject({ created: true });
  });

  test("throws what keeps it from being created, and the last failure when time is up", async () => {
    const { fake, admin } = world(() => "INVALID_REPLICATION_FACTOR");
    await expect(fake.clock.until(admin.createTopicIfMissing(wanted))).rejects.toMatchObject({ code: "INVALID_REPLICATION_FACTOR" });
    const never = world(() => "NONE");
    const before = never.fake.clock.monotonicMs();
    const failing = new Admin({ ...never.fake.options, operationTimeoutMs: 5_000 }).createTopicIfMissing(wanted);
    await expect(never.fake.clock.until(failing)).rejects.toMatchObject({ code: "UNKNOWN_TOPIC_OR_PARTITION" });
    expect(never.fake.clock.monotonicMs() - before).toBeLessThanOrEqual(5_000);
  });
});

test("an assignment is compared partition by partition", () => {
  const partition = { leader: 1, leaderEpoch: 0, isr: [1, 2], offlineReplicas: [] };
  const there = [
    { ...partition, replicas: [1, 2] },
    { ...partition, replicas: [2, 1] },
  ] as never;
  const same = {
    name: "t",
    assignment: [
      [1, 2],
      [2, 1],
    ],
  };
  expect(differencesOf(same, { partitions: there }, [])).toEqual([]);
  const other = { name: "t", assignment: [[1, 2], [1, 2], [3]] };
  expect(differencesOf(other, { partitions: there }, [])).toEqual([
    { what: "partitions", wanted: "3", actual: "2" },
    { what: "assignment", wanted: "1: 1, 2", actual: "1: 2, 1" },
  ]);
});
