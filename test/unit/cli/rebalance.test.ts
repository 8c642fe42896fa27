import { expect, test } from "vitest";
import { plainLook } from "../../../cli/output/look.ts";
import { parseRate } from "../../../cli/rebalance/rate.ts";
import { readCopies } from "../../../cli/rebalance/read-copies.ts";
import { planAsText, planFields } from "../../../cli/rebalance/show-plan.ts";
import type { Admin, BrokerLogDirectories } from "../../../client/index.ts";
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

1 copy to make, 3.4 KiB; 1 preferred leader to change; 35s at least, at 100 B a second for each broker
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

function cluster(directories: readonly BrokerLogDirectories[]): Admin {
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
