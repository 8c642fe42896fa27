import { expect, test } from "vitest";
import { plainLook } from "../../../cli/output/look.ts";
import { CopyingPace } from "../../../cli/rebalance/copying-pace.ts";
import { movesUnderWay } from "../../../cli/rebalance/moves-under-way.ts";
import { parseRate } from "../../../cli/rebalance/rate.ts";
import { readCopies } from "../../../cli/rebalance/read-copies.ts";
import { moveFields, movesAsText } from "../../../cli/rebalance/show-moves.ts";
import { planAsText, planFields } from "../../../cli/rebalance/show-plan.ts";
import type { Admin, BrokerLogDirectories, OffsetRequest, PartitionReassignment } from "../../../client/index.ts";
import type { PlanInput } from "../../../placement/plan-contract.ts";
import { broker, partition, planned } from "../placement/clusters.ts";

const input: PlanInput = {
  brokers: [broker(1, { rack: "a" }), broker(2, { rack: "b" })],
  partitions: [partition("t-0", [1], 4000, { traffic: 30 }), partition("t-1", [1], 3500, { traffic: 30 })],
  goal: { kind: "balance" },
  by: "bytes",
};

test("a plan is printed: the moves, each broker before and after, and what it costs", () => {
  expect(planAsText(planned(input), { by: "bytes", bytesPerSecond: 100 }, plainLook)).toBe(
    `topic  partition  from  to  copied
t              1  1     2     3500

broker  rack  leaders  then  replicas  then  size  then  receives  sends
     1  a           2     1         2     1  7500  4000         0   3500
     2  b           0     1         0     1     0  3500      3500      0

1 copy to make, 3.4 KiB; 1 preferred leader to change; 35s at least, at 100 B/s for each broker
`,
  );
});

test("its JSON has the same, and the traffic where that is what is planned by", () => {
  const fields = planFields(planned({ ...input, by: "traffic" }), { by: "traffic", bytesPerSecond: null });
  expect(fields).toMatchObject({
    by: "traffic",
    bytes: 3500,
    expectedMs: null,
    moves: [{ topic: "t", partition: 1, from: [1], to: [2], adding: [2], removing: [1], bytes: 3500 }],
    brokers: [
      { broker: 1, rack: "a", before: { bytesPerSecond: 60 }, after: { replicas: 1, bytesPerSecond: 30 }, sendsBytes: 3500 },
      { broker: 2, rack: "b", before: { bytesPerSecond: 0 }, after: { replicas: 1, bytesPerSecond: 30 }, receivesBytes: 3500 },
    ],
    leaderless: [],
    overfull: [],
  });
});

test.each([
  ["20MB/s", 20e6],
  ["1.5 KiB/s", 1536],
  ["7", 7],
  ["2gb", 2e9],
])("%s is a rate", (text, rate) => {
  expect(parseRate(text)).toBe(rate);
});

test.each(["", "fast", "0", "MB/s", "20 MB per second", "-1", "9999999GiB/s"])("%j is no rate", (text) => {
  expect(() => parseRate(text)).toThrow(/bytes a second/);
});

function cluster(directories: readonly BrokerLogDirectories[], moves: readonly PartitionReassignment[] = []): Admin {
  const replica = { leaderEpoch: 0, offlineReplicas: [] };
  return {
    describeCluster: async () => ({ brokers: [1, 2].map((id) => ({ id, rack: null, host: "", port: 0 })) }),
    listTopics: async () => [
      {
        name: "t",
        partitions: [
          { partition: 0, leader: 1, replicas: [1, 2], isr: [1, 2], ...replica },
          { partition: 1, leader: -1, replicas: [2, 1], isr: [2], ...replica },
        ],
      },
    ],
    describeLogDirs: async () => directories.map((each) => ({ ...each, error: null })),
    describeTopics: async () => [{ name: "t", partitions: [{ partition: 0, leader: 1 }], error: null }],
    listPartitionReassignments: async () => moves,
  } as unknown as Admin;
}

function directory(usableBytes: number, sizes: readonly (readonly [partition: number, bytes: number])[], isFuture = false) {
  const replicas = sizes.map(([partition, sizeInBytes]) => ({ topic: "t", partition, sizeInBytes, offsetLag: 0, isFuture }));
  return { directory: "/d", error: null, totalBytes: 1000, usableBytes, replicas };
}

test("a partition is as large as its leader's copy, or the largest where none leads; a move between disks does not count", async () => {
  const found = [
    {
      broker: 1,
      directories: [
        directory(100, [
          [0, 50],
          [1, 7],
        ]),
        directory(200, [[0, 20]], true),
      ],
    },
    {
      broker: 2,
      directories: [
        directory(-1, [
          [0, 60],
          [1, 9],
        ]),
      ],
    },
  ];
  const { brokers, partitions } = await readCopies(cluster(found), "bytes");
  expect(partitions.map(({ partition, bytes, leader }) => [partition, bytes, leader])).toEqual([
    [0, 50, 1],
    [1, 9, -1],
  ]);
  expect(brokers.map(({ id, roomBytes }) => [id, roomBytes])).toEqual([
    [1, 300],
    [2, null],
  ]);
});

const moving: PartitionReassignment = { topic: "t", partition: 0, replicas: [2, 1], adding: [2], removing: [1] };

test("a partition that is being moved is planned with where it will be, as far as both answers agree", async () => {
  const found = [1, 2].map((id) => ({ broker: id, directories: [directory(100, [[0, 50]])] }));
  const { partitions, moving: count } = await readCopies(cluster(found, [moving]), "bytes");
  expect([partitions[0]?.replicas, count]).toEqual([[2], 1]);
  // cancelled meanwhile: 3 is none of its replicas any more
  const cancelled = await readCopies(cluster(found, [{ ...moving, adding: [3] }]), "bytes");
  expect(cancelled.partitions[0]?.replicas).toEqual([1, 2]);
});

test("what is left of a move is what the new copy lacks; how fast it goes shows from the second look on", async () => {
  const pace = new CopyingPace();
  const look = async (copied: number, nowMs: number) => {
    const found = [
      { broker: 1, directories: [directory(100, [[0, 50_000]])] },
      { broker: 2, directories: [directory(100, [[0, copied]])] },
    ];
    return pace.saw(await movesUnderWay(cluster(found, [moving])), nowMs);
  };
  expect(movesAsText(await look(10_000, 5_000), null, plainLook)).toBe(
    `topic  partition  adding  removing   left  rate  eta
t              0  2       1         40000     -    -
1 move under way, 39.1 KiB left
`,
  );
  const next = await look(30_000, 7_000);
  expect(movesAsText(next, 20_000_000, plainLook)).toBe(
    `topic  partition  adding  removing   left   rate  eta
t              0  2       1         20000  10000   2s
1 move under way, 19.5 KiB left, 9.8 KiB/s, 2s, throttled to 20 MB/s
`,
  );
  expect(moveFields(next, null)).toEqual({
    moves: [{ topic: "t", partition: 0, adding: [2], removing: [1], bytesLeft: 20_000, bytesPerSecond: 10_000, expectedMs: 2000 }],
    bytesLeft: 20_000,
    throttle: null,
  });
});

test("where a broker does not say, nothing is made up", async () => {
  const [one] = new CopyingPace().saw(await movesUnderWay(cluster([{ broker: 2, directories: [directory(100, [[0, 1]])] }], [moving])), 0);
  expect(one).toMatchObject({ bytesLeft: null, bytesPerSecond: null });
});

test("what is written to partitions is counted by the sizes that were asked for anyway", async () => {
  const found = [1, 2].map((id) => ({ broker: id, directories: [directory(100, [[0, 6000]])] }));
  let asked = 0;
  const admin = {
    ...cluster(found),
    describeLogDirs: async () => {
      asked++;
      return found.map((each) => ({ ...each, error: null }));
    },
    // 100 records, of which the last 20 are of the last minute
    listOffsets: async (requests: readonly OffsetRequest[]) =>
      requests.map(({ topic, partition, spec }) => ({
        ...{ topic, partition, error: null },
        offset: spec === "earliest" ? 0 : spec === "latest" ? 100 : 80,
      })),
  } as unknown as Admin;
  const { partitions } = await readCopies(admin, "traffic");
  expect(partitions.map(({ traffic }) => traffic)).toEqual([20, 0]);
  expect(asked).toBe(1);
});
