import { expect, test } from "vitest";
import { plainLook } from "../../../cli/output/look.ts";
import { Output } from "../../../cli/output/output.ts";
import { listTopics } from "../../../cli/topic/list-topics.ts";
import { figuresOf, recentRecordsIn, recordsIn, sumOf } from "../../../cli/topic/topic-figures.ts";
import { Admin, type OffsetRequest, type TopicDescription } from "../../../client/index.ts";
import { FakeCluster } from "../client/fake-cluster.ts";

const nowMs = Date.UTC(2026, 0, 1);

function topicOf(leaders: readonly number[]): TopicDescription {
  const partitions = leaders.map((leader, partition) => {
    return { partition, leader, leaderEpoch: 0, replicas: [1, 2], isr: [1, 2], offlineReplicas: [] };
  });
  return { name: "t", topicId: "b3JkZXJzb3JkZXJzb3JkZQ", isInternal: false, partitions };
}

/** Every log begins at 10 and ends at 100; the last minute begins at 70 in partition 0, and is empty elsewhere. */
function admin(answers: (leader: number) => boolean, leaders: readonly number[]) {
  const listOffsets = async (requests: readonly OffsetRequest[]) => {
    if (!answers(leaders[requests[0]?.partition ?? 0] ?? 0)) return new Promise<never>(() => {});
    return requests.map(({ topic, partition, spec }) => {
      const offset = spec === "earliest" ? 10 : spec === "latest" ? 100 : partition === 0 ? 70 : -1;
      return { topic, partition, offset, timestampMs: -1, leaderEpoch: 0 };
    });
  };
  const describeLogDirs = async (brokers: readonly number[] | null = null) => {
    const broker = brokers?.[0] ?? 0;
    const replicas = leaders.map((_, partition) => ({ topic: "t", partition, sizeInBytes: 1000, offsetLag: 0, isFuture: false }));
    return [{ broker, error: null, directories: [{ directory: "/d", error: null, totalBytes: 1, usableBytes: 1, replicas }] }];
  };
  return { listOffsets, describeLogDirs } as Pick<Admin, "listOffsets" | "describeLogDirs">;
}

const everything = new Set(["positions", "sizes", "recent"] as const);

test("records, sizes and what is new are sums over the partitions", async () => {
  const topic = topicOf([1, 2, 1]);
  const figures = await figuresOf(
    admin(() => true, [1, 2, 1]),
    [topic],
    everything,
    nowMs,
  );
  expect(sumOf(topic, figures, recordsIn)).toEqual({ value: 270, unknown: 0 });
  expect(sumOf(topic, figures, recentRecordsIn)).toEqual({ value: 30, unknown: 0 });
  expect(sumOf(topic, figures, ({ sizeInBytes }) => sizeInBytes)).toEqual({ value: 3000, unknown: 0 });
});

test("a leader that does not answer, and a partition without one, leave their parts out, and that is told", async () => {
  const topic = topicOf([1, 2, -1]);
  const figures = await figuresOf(
    admin((leader) => leader === 1, [1, 2, -1]),
    [topic],
    everything,
    nowMs,
  );
  expect(sumOf(topic, figures, recordsIn)).toEqual({ value: 90, unknown: 2 });
});

test("the list of a large cluster costs each broker a handful of requests", async () => {
  const fake = new FakeCluster([1, 2, 3]);
  for (let i = 0; i < 500; i++) fake.topic(`topic-${i}`, [1, 2, 3]);
  fake.intercept = ({ api }) => (api === "DescribeLogDirs" ? { throttleTimeMs: 0, errorCode: "NONE", results: [] } : undefined);
  const written: string[] = [];
  const stream = { on: () => stream, write: (text: string) => written.push(text) > 0 };
  const output = new Output(stream as never, () => plainLook);
  await fake.clock.until(listTopics(new Admin(fake.options), { internal: false, only: null, long: true }, { output, json: true }));
  const listed = JSON.parse(written.join("")) as { readonly records: number; readonly sizeInBytes: number | null }[];
  expect(listed).toHaveLength(500);
  expect(listed[0]).toMatchObject({ records: 0, sizeInBytes: null });
  const counts = Map.groupBy(fake.requests, (request) => request.split("@")[0]);
  expect(counts.get("ListOffsets")).toHaveLength(3 * 3);
  expect(counts.get("DescribeLogDirs")).toHaveLength(3);
  expect(counts.get("Metadata")?.length).toBeLessThan(10);
});
