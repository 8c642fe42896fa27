import { describe, expect, test } from "vitest";
import { alterReplicaLogDirsApi } from "../../../broker/api/alter-replica-log-dirs.ts";
import { describeLogDirsApi } from "../../../broker/api/describe-log-dirs.ts";
import type { DescribedDirectory } from "../../../broker/log/store-contract.ts";
import { answerOf } from "./fixtures.ts";

const directories: readonly DescribedDirectory[] = [
  {
    directory: "/data/1",
    isOnline: true,
    space: { totalBytes: 1000, usableBytes: 300 },
    logs: [
      { topic: "a", partition: 0, sizeInBytes: 70, endOffset: 7, copyOf: null },
      { topic: "a", partition: 1, sizeInBytes: 50, endOffset: 5, copyOf: null },
      { topic: "b", partition: 0, sizeInBytes: 20, endOffset: 2, copyOf: { endOffset: 9 } },
    ],
  },
  { directory: "/data/2", isOnline: false, space: null, logs: [] },
];
const api = describeLogDirsApi({ describe: async () => directories }, (topic, partition) =>
  partition === 1 ? null : topic === "a" ? 9 : 0,
);

describe("DescribeLogDirs", () => {
  test("lists each directory's logs with size and lag, and says which one failed", async () => {
    const { results, errorCode } = await answerOf(api, { topics: null }, 4);
    expect(errorCode).toBe("NONE");
    expect(results).toEqual([
      {
        errorCode: "NONE",
        logDir: "/data/1",
        topics: [
          {
            name: "a",
            partitions: [
              { partitionIndex: 0, partitionSize: 70, offsetLag: 2, isFutureKey: false },
              { partitionIndex: 1, partitionSize: 50, offsetLag: -1, isFutureKey: false },
            ],
          },
          { name: "b", partitions: [{ partitionIndex: 0, partitionSize: 20, offsetLag: 7, isFutureKey: true }] },
        ],
        totalBytes: 1000,
        usableBytes: 300,
      },
      { errorCode: "KAFKA_STORAGE_ERROR", logDir: "/data/2", topics: [], totalBytes: -1, usableBytes: -1 },
    ]);
  });

  test.each([0, 1, 2, 3])("version %i lists what was asked for only, without what it cannot say", async (version) => {
    const { results } = await answerOf(api, { topics: [{ topic: "a", partitions: [1, 5] }] }, version);
    expect(results[0]?.topics).toEqual([
      { name: "a", partitions: [{ partitionIndex: 1, partitionSize: 50, offsetLag: -1, isFutureKey: false }] },
    ]);
    expect(results.map(({ totalBytes }) => totalBytes)).toEqual([-1, -1]);
  });
});

test.each([0, 1, 2])("AlterReplicaLogDirs %i answers for each replica, by topic", async (version) => {
  const moved: string[] = [];
  const moving = alterReplicaLogDirsApi({
    move: (topic, partition, directory) => {
      moved.push(`${topic}-${partition} to ${directory}`);
      return partition === 0 ? "NONE" : "REPLICA_NOT_AVAILABLE";
    },
  });
  const dirs = [
    { path: "/data/1", topics: [{ name: "a", partitions: [0, 1] }] },
    {
      path: "/data/2",
      topics: [
        { name: "a", partitions: [2] },
        { name: "b", partitions: [0] },
      ],
    },
  ];
  const { results } = await answerOf(moving, { dirs }, version);
  expect(moved).toEqual(["a-0 to /data/1", "a-1 to /data/1", "a-2 to /data/2", "b-0 to /data/2"]);
  expect(results).toEqual([
    {
      topicName: "a",
      partitions: [
        { partitionIndex: 0, errorCode: "NONE" },
        { partitionIndex: 1, errorCode: "REPLICA_NOT_AVAILABLE" },
        { partitionIndex: 2, errorCode: "REPLICA_NOT_AVAILABLE" },
      ],
    },
    { topicName: "b", partitions: [{ partitionIndex: 0, errorCode: "NONE" }] },
  ]);
});
