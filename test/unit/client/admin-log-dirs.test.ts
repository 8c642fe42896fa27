import { expect, test } from "vitest";
import { Admin } from "../../../client/admin/admin.ts";
import { FakeCluster } from "./fake-cluster.ts";

test("every broker tells its directories, a failed one with its error; one that does not live is an error of its own", async () => {
  const fake = new FakeCluster();
  fake.intercept = ({ api, broker }) => {
    if (api !== "DescribeLogDirs") return undefined;
    const partitions = [{ partitionIndex: 0, partitionSize: 70, offsetLag: 2, isFutureKey: true }];
    const online = { errorCode: "NONE", logDir: `/data/${broker}`, topics: [{ name: "t", partitions }], totalBytes: 9, usableBytes: 5 };
    const failed = { errorCode: "KAFKA_STORAGE_ERROR", logDir: "/bad", topics: [], totalBytes: -1, usableBytes: -1 };
    return { throttleTimeMs: 0, errorCode: "NONE", results: [online, failed] };
  };
  const admin = new Admin(fake.options);
  const [first, unknown] = await fake.clock.until(admin.describeLogDirs([1, 77]));
  expect(first?.error).toBeNull();
  expect(first?.directories?.map(({ directory, error }) => [directory, error?.code])).toEqual([
    ["/data/1", undefined],
    ["/bad", "KAFKA_STORAGE_ERROR"],
  ]);
  expect(first?.directories?.[0]?.replicas).toEqual([{ topic: "t", partition: 0, sizeInBytes: 70, offsetLag: 2, isFuture: true }]);
  expect(unknown).toMatchObject({ broker: 77, error: { code: "BROKER_NOT_AVAILABLE" } });
  expect((await fake.clock.until(admin.describeLogDirs())).map(({ broker }) => broker)).toEqual([...fake.links.keys()].sort());
});

test("a move is asked of the broker that has the replica", async () => {
  const fake = new FakeCluster();
  const asked: unknown[] = [];
  fake.intercept = ({ api, broker, request }) => {
    if (api !== "AlterReplicaLogDirs") return undefined;
    asked.push([broker, request]);
    const errorCode = broker === 1 ? "NONE" : "LOG_DIR_NOT_FOUND";
    return { throttleTimeMs: 0, results: [{ topicName: "t", partitions: [{ partitionIndex: 3, errorCode }] }] };
  };
  const moves = [1, 2].map((broker) => ({ broker, topic: "t", partition: 3, directory: "/data/b" }));
  const results = await fake.clock.until(new Admin(fake.options).alterReplicaLogDirs(moves));
  expect(results.map(({ broker, error }) => [broker, error?.code])).toEqual([
    [1, undefined],
    [2, "LOG_DIR_NOT_FOUND"],
  ]);
  expect(asked.toSorted()).toEqual(
    [1, 2].map((broker) => [broker, { dirs: [{ path: "/data/b", topics: [{ name: "t", partitions: [3] }] }] }]),
  );
});
