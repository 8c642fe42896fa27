import { expect, test } from "vitest";
import { Admin } from "../../../../client/admin/admin.ts";
import { judgePosition } from "../../../../client/admin/group-lag.ts";
// loaded when it is first needed, which takes real time: the clock here is simulated
import "../../../../client/admin/record-times.ts";
import { Consumer } from "../../../../client/consumer/consumer.ts";
import { FakeCluster, textRecord } from "../fake-cluster.ts";
import type { FakePartition } from "../fake-partition.ts";

test.each([
  [
    { position: 50, startOffset: 0, endOffset: 60 },
    { lag: 10, outOfRange: null },
  ],
  [
    { position: 60, startOffset: 0, endOffset: 60 },
    { lag: 0, outOfRange: null },
  ],
  [
    { position: 40, startOffset: 40, endOffset: 60 },
    { lag: 20, outOfRange: null },
  ],
  [
    { position: 3, startOffset: 40, endOffset: 60 },
    { lag: 20, outOfRange: "before-start" },
  ],
  [
    { position: 65, startOffset: 40, endOffset: 60 },
    { lag: -5, outOfRange: "behind-end" },
  ],
])("%o: what is gone is nobody's lag, and a position outside the log is marked", ({ position, ...range }, expected) => {
  expect(judgePosition(position, range)).toEqual(expected);
});

/** Groups' offsets are read from broker 1. */
function serveOffsets(cluster: FakeCluster, offsets: readonly number[]): void {
  cluster.intercept = ({ api }) => {
    const node = { nodeId: 1, host: "fake", port: 9001, errorCode: "NONE", errorMessage: null };
    if (api === "FindCoordinator") return { throttleTimeMs: 0, coordinators: [{ key: "g", ...node }], ...node };
    if (api !== "OffsetFetch") return undefined;
    const rest = { committedLeaderEpoch: -1, metadata: "", errorCode: "NONE" };
    const partitions = offsets.map((committedOffset, partitionIndex) => ({ partitionIndex, committedOffset, ...rest }));
    return { throttleTimeMs: 0, groups: [{ groupId: "g", errorCode: "NONE", topics: [{ name: "t", partitions }] }] };
  };
}

test("how far behind a group is, in records and in time, in every partition it or its members have", async () => {
  const cluster = new FakeCluster();
  const logs = cluster.topic("t", [1, 2, 1, 2, 1, 1, 2]);
  const nowMs = cluster.clock.nowMs();
  for (const log of logs) log.appendRecords([7_000, 6_000, 5_000, 4_000].map((age) => textRecord("v", null, nowMs - age)));
  const [, , cut, , , timeless, noLeader] = logs as FakePartition[] & { length: 7 };
  cut?.batches.splice(0);
  if (cut !== undefined) cut.startOffset = 40;
  cut?.appendRecords([textRecord("v", null, nowMs - 2_000), textRecord("v", null, nowMs - 1_000)]);
  timeless?.batches.splice(0);
  timeless?.appendRecords([textRecord("v", null, -1)]);
  if (noLeader !== undefined) noLeader.leader = -1;
  serveOffsets(cluster, [4, 1, 3, 9, -1, 0, 2]);
  const admin = new Admin({ bootstrap: cluster.bootstrap, runtime: cluster.runtime });
  const lags = await cluster.clock.until(
    admin.groupLag("g", [
      { topic: "t", partition: 4 },
      { topic: "gone", partition: 0 },
    ]),
  );
  const tookMs = cluster.clock.nowMs() - nowMs;
  const rounded = lags.map(({ topic, partition, position, lag, lagMs, outOfRange }) => [
    `${topic}-${partition}`,
    position,
    lag,
    lagMs === null || lagMs === 0 ? lagMs : lagMs - tookMs,
    outOfRange,
  ]);
  expect(rounded).toEqual([
    ["gone-0", null, null, null, null],
    ["t-0", 4, 0, 0, null],
    ["t-1", 1, 3, 6_000, null],
    ["t-2", 3, 2, 2_000, "before-start"],
    ["t-3", 9, -5, null, "behind-end"],
    ["t-4", null, null, null, null],
    ["t-5", 0, 1, null, null],
    ["t-6", 2, null, null, null],
  ]);
  await admin.close();
});

test("a consumer's own lag counts what is there, too", async () => {
  const cluster = new FakeCluster();
  const [log] = cluster.topic("t", [1]);
  log?.appendRecords([textRecord("a")]);
  await using consumer = new Consumer({ bootstrap: cluster.bootstrap, runtime: cluster.runtime });
  await cluster.clock.until(consumer.assign([{ topic: "t", from: "beginning" }]));
  await cluster.clock.advance(1_000);
  expect(consumer.assignment().map(({ lag }) => lag)).toEqual([1]);
  if (log !== undefined) log.startOffset = 1;
  log?.appendRecords([textRecord("b"), textRecord("c")]);
  await cluster.clock.advance(2_000);
  expect(consumer.assignment()).toMatchObject([{ position: 0, logStartOffset: 1, highWatermark: 3, lag: 2 }]);
});
