import { describe, expect, test } from "vitest";
import { LogTruncated } from "../../../client/base/errors.ts";
import { judgeEpochEnd } from "../../../client/fetch/assigned-partition.ts";
import { consumerFor, fill, take, values, valuesOf } from "./consumer-fixture.ts";
import { FakeCluster, textRecord } from "./fake-cluster.ts";
import type { FakePartition } from "./fake-partition.ts";

// Two elections that were not clean: broker 1 leads epoch 3 up to offset 120; broker 2, which has 90 of these records, leads epoch 4 up to
// offset 100; then broker 1 leads again, with its own 120 records and none of epoch 4.

const fetchesMax = 100;
const ofFirst = (from: number, to: number) => values(from, to).map((value) => `first ${value}`);

interface Elections {
  readonly cluster: FakeCluster;
  readonly partition: FakePartition;
  readonly firstLeadsAgain: () => void;
}

/** Broker 2 leads. */
function elections(): Elections {
  const cluster = new FakeCluster();
  const [partition] = cluster.topic("t", [2]) as [FakePartition];
  partition.leaderEpoch = 3;
  for (const value of ofFirst(0, 120)) partition.appendRecords([textRecord(value)]);
  const logOfFirst = partition.batches;
  partition.batches = logOfFirst.slice(0, 90);
  partition.leaderEpoch = 4;
  fill(partition, 90, 100);
  let fetches = 0;
  // one that fetches the same again and again without a pause would leave no time for the test to fail
  cluster.intercept = ({ api }) => (api === "Fetch" && ++fetches > fetchesMax ? "ignore" : undefined);
  const firstLeadsAgain = () => {
    partition.batches = [...logOfFirst];
    cluster.moveLeader("t", 0, 1);
  };
  return { cluster, partition, firstLeadsAgain };
}

describe.each([
  ["the check of the position", {}],
  ["the fetch itself, where brokers cannot check positions", { OffsetForLeaderEpoch: -1 }],
])("a log that parts from ours below the position though it is longer, found by %s", (_by, versionMax) => {
  test("is read from the position on", async () => {
    const { cluster, partition, firstLeadsAgain } = elections();
    cluster.versionMax = versionMax;
    const consumer = consumerFor(cluster, { offsetReset: "latest" });
    await cluster.clock.until(consumer.assign([{ topic: "t", from: "beginning" }]));
    expect(valuesOf(await take(cluster, consumer, 100))).toEqual([...ofFirst(0, 90), ...values(90, 100)]);
    firstLeadsAgain();
    expect(valuesOf(await take(cluster, consumer, 20))).toEqual(ofFirst(100, 120));
    fill(partition, 120, 124);
    expect((await take(cluster, consumer, 4)).map(({ value, leaderEpoch }) => [value, leaderEpoch])).toEqual(
      values(120, 124).map((value) => [value, 5]),
    );
  });

  test("fails the iteration where no reset policy says that reading may go on, until a seek", async () => {
    const { cluster, firstLeadsAgain } = elections();
    cluster.versionMax = versionMax;
    const consumer = consumerFor(cluster, { offsetReset: "none" });
    await cluster.clock.until(consumer.assign([{ topic: "t", from: "beginning" }]));
    await take(cluster, consumer, 100);
    firstLeadsAgain();
    const error = await take(cluster, consumer, 1).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(LogTruncated);
    expect(error).toMatchObject({ offset: 100, message: "t-0 was truncated somewhere below the position 100" });
    consumer.seek({ topic: "t", partition: 0 }, { offset: 90 });
    expect(valuesOf(await take(cluster, consumer, 30))).toEqual(ofFirst(90, 120));
  });

  test("costs what was fetched and not handed out, and nothing else", async () => {
    const { cluster, firstLeadsAgain } = elections();
    cluster.versionMax = versionMax;
    const consumer = consumerFor(cluster, { offsetReset: "none" });
    await cluster.clock.until(consumer.assign([{ topic: "t", from: "beginning" }]));
    await take(cluster, consumer, 80);
    firstLeadsAgain();
    await cluster.clock.advance(2_000);
    expect(valuesOf(await take(cluster, consumer, 40))).toEqual(ofFirst(80, 120));
  });
});

test.each([
  ["the same epoch reaches further", { epoch: 4, endOffset: 101 }, { kind: "in-log" }],
  ["the same epoch ends here", { epoch: 4, endOffset: 100 }, { kind: "in-log" }],
  ["the same epoch ends before", { epoch: 4, endOffset: 90 }, { kind: "truncated", epoch: 4, endOffset: 90 }],
  ["an older epoch ends before", { epoch: 3, endOffset: 90 }, { kind: "truncated", epoch: 3, endOffset: 90 }],
  ["an older epoch reaches further", { epoch: 3, endOffset: 120 }, { kind: "truncated", epoch: 3, endOffset: 100 }],
  ["no epoch is so old, and the log begins before", { epoch: -1, endOffset: 50 }, { kind: "truncated", epoch: -1, endOffset: 50 }],
  ["the leader's version of the answer has no epochs", { epoch: -1, endOffset: 120 }, { kind: "in-log" }],
  ["the leader knows nothing", { epoch: -1, endOffset: -1 }, { kind: "in-log" }],
])("what an answer means at offset 100 after a record of epoch 4: %s", (_what, answer, verdict) => {
  expect(judgeEpochEnd({ offset: 100, epoch: 4 }, answer)).toEqual(verdict);
});
