import { expect, test } from "vitest";
import { futureRecordsOf } from "../../../cli/topic/future-records.ts";
import { describeTopic, topicAsText } from "../../../cli/topic/show-topics.ts";
import { isUnderReplicated } from "../../../cli/topic/topic-health.ts";
import type { Admin, OffsetRequest, TopicDescription } from "../../../client/index.ts";

const nowMs = Date.UTC(2026, 0, 1);
const topic: TopicDescription = {
  name: "t",
  topicId: "b3JkZXJzb3JkZXJzb3JkZQ",
  isInternal: false,
  partitions: [0, 1, 2].map((partition) => ({
    partition,
    leader: partition === 2 ? -1 : 1,
    leaderEpoch: 0,
    replicas: [1],
    isr: [1],
    offlineReplicas: [],
  })),
};

function admin(newestMs: (partition: number) => number): Admin {
  const listOffsets = async (requests: readonly OffsetRequest[]) =>
    requests.map((asked) => ({
      topic: asked.topic,
      partition: asked.partition,
      offset: 17,
      leaderEpoch: 0,
      timestampMs: newestMs(asked.partition),
    }));
  return { listOffsets } as unknown as Admin;
}

const options = { configs: false, offsets: false, underReplicated: false, internal: false };
const figures = new Map();

test("a topic's description tells of records whose time is to come", async () => {
  const asked = admin((partition) => (partition === 1 ? Date.UTC(2031, 5, 6, 7, 8, 9) : nowMs + 1000));
  const futureRecords = await futureRecordsOf(asked, [topic], nowMs);
  const described = await describeTopic(asked, topic, { figures, futureRecords }, options);
  expect(described.partitions.map(({ futureRecord }) => futureRecord)).toEqual([
    undefined,
    { offset: 17, timestampMs: Date.UTC(2031, 5, 6, 7, 8, 9) },
    undefined,
  ]);
  expect(topicAsText(described, options)).toContain(
    "partition 1: the record at offset 17 is of 2031-06-06T07:08:09.000Z, which is to come: retention.ms keeps it, and all that come after it, until then\n",
  );
});

test("what a reassignment adds and removes is shown while it lasts", async () => {
  const asked = admin(() => nowMs);
  const more = { figures, futureRecords: new Map() };
  const shownOf = async (of: TopicDescription) => topicAsText(await describeTopic(asked, of, more, options), options);
  expect(await shownOf(topic)).not.toContain("adding");
  const [first, ...others] = topic.partitions;
  const moving = { ...first!, replicas: [4, 1, 2], isr: [1], addingReplicas: [4], removingReplicas: [1, 2] };
  const [, head, row, next] = (await shownOf({ ...topic, partitions: [moving, ...others] })).split("\n");
  expect(head).toMatch(/offline +adding +removing +size/);
  expect(row).toMatch(/4,1,2 +1 +- +4 +1,2 +-/);
  expect(next).toMatch(/1 +1 +- +- +- +-/);
  expect([moving, { ...moving, replicas: [4, 1, 2, 3] }].map(isUnderReplicated)).toEqual([false, true]);
});

test("a time beyond all dates is shown as it is", async () => {
  const asked = admin(() => Number.MAX_SAFE_INTEGER);
  const futureRecords = await futureRecordsOf(asked, [topic], nowMs);
  const described = await describeTopic(asked, topic, { figures, futureRecords }, options);
  expect(topicAsText(described, options)).toContain("is of 9007199254740991 ms, which is to come");
});

test("leaders that do not answer, or do not know, leave it out", async () => {
  const silent = { listOffsets: () => new Promise<never>(() => {}) };
  expect([...(await futureRecordsOf(silent, [topic], nowMs))]).toEqual([]);
  const old = { listOffsets: () => Promise.reject(new Error("UNSUPPORTED_VERSION")) };
  expect([...(await futureRecordsOf(old, [topic], nowMs))]).toEqual([]);
});
