import { describe, expect, test } from "vitest";
import { ConnectionLost } from "../../../client/base/errors.ts";
import { Cluster } from "../../../client/metadata/cluster.ts";
import { emptySnapshot, learnLeader, mergeMetadata } from "../../../client/metadata/cluster-snapshot.ts";
import { listOffsets } from "../../../client/metadata/offset-lookup.ts";
import type { MetadataResponse } from "../../../protocol/messages/metadata.ts";
import { FakeCluster, textRecord } from "./fake-cluster.ts";

function answer(cluster: FakeCluster, names: readonly string[] | null = null): MetadataResponse {
  const topics = names?.map((name) => ({ name, topicId: "" })) ?? null;
  return cluster.metadata({
    topics,
    allowAutoTopicCreation: false,
    includeClusterAuthorizedOperations: false,
    includeTopicAuthorizedOperations: false,
    includeReasons: false,
  });
}

describe("what is known of a cluster", () => {
  test("leader epochs never go back, for brokers hear of changes at different times", () => {
    const cluster = new FakeCluster();
    cluster.topic("t", [1, 1]);
    const stale = answer(cluster);
    cluster.moveLeader("t", 0, 2);
    const fresh = mergeMetadata(emptySnapshot, answer(cluster));
    const merged = mergeMetadata(fresh, stale);
    expect(merged.topics.get("t")?.partitions.map(({ leader, leaderEpoch }) => [leader, leaderEpoch])).toEqual([
      [2, 1],
      [1, 0],
    ]);
  });

  test("but a topic of the same name with another id starts over", () => {
    const cluster = new FakeCluster();
    cluster.topic("t", [1]);
    cluster.moveLeader("t", 0, 2);
    const before = mergeMetadata(emptySnapshot, answer(cluster));
    cluster.topic("t", [1], "x".repeat(22));
    expect(mergeMetadata(before, answer(cluster)).topics.get("t")?.partitions[0]).toMatchObject({ leader: 1, leaderEpoch: 0 });
  });

  test("topics that an answer does not mention stay, those that are gone go", () => {
    const cluster = new FakeCluster();
    cluster.topic("a", [1]);
    cluster.topic("b", [1]);
    const both = mergeMetadata(emptySnapshot, answer(cluster));
    cluster.topics.delete("b");
    expect([...mergeMetadata(both, answer(cluster, ["a"])).topics.keys()]).toEqual(["a", "b"]);
    const without = mergeMetadata(both, answer(cluster, ["b"]));
    expect([...without.topics.keys()]).toEqual(["a"]);
    expect(without.topicErrors.get("b")?.code).toBe("UNKNOWN_TOPIC_OR_PARTITION");
  });

  test("a leader told in passing counts when its epoch is newer and its broker known, or its address told as well", () => {
    const cluster = new FakeCluster();
    cluster.topic("t", [1]);
    const known = mergeMetadata(emptySnapshot, answer(cluster));
    const learnt = { topic: "t", partition: 0, leaderId: 2, leaderEpoch: 1 };
    expect(learnLeader(known, learnt, []).topics.get("t")?.partitions[0]).toMatchObject({ leader: 2, leaderEpoch: 1 });
    for (const useless of [
      { ...learnt, leaderEpoch: 0 },
      { ...learnt, leaderId: 9 },
      { ...learnt, leaderId: -1 },
      { ...learnt, partition: 5 },
    ])
      expect(learnLeader(known, useless, [])).toBe(known);
    const node = { nodeId: 9, host: "new", port: 9, rack: null };
    const elsewhere = learnLeader(known, { ...learnt, leaderId: 9 }, [node]);
    expect(elsewhere.topics.get("t")?.partitions[0]?.leader).toBe(9);
    expect(elsewhere.brokers.get(9), "its address came with the hint").toMatchObject({ id: 9, host: "new", port: 9 });
    expect(known.brokers.has(9)).toBe(false);
  });
});

describe("refreshing", () => {
  const clusterOf = (fake: FakeCluster) =>
    new Cluster({ ...fake.options, metadataMaxAgeMs: 10_000 }, { kind: "consumer", mayCreateTopics: false });
  const asked = (fake: FakeCluster) => fake.requests.filter((request) => request.startsWith("Metadata")).length;

  test("many who ask at once share one request, and those who come later the next", async () => {
    const fake = new FakeCluster();
    const cluster = clusterOf(fake);
    const first = Array.from({ length: 50 }, () => cluster.metadata.refresh());
    await fake.clock.until(Promise.all(first));
    expect(asked(fake)).toBe(2);
    for (let i = 0; i < 100; i++) cluster.metadata.requestRefresh();
    await fake.clock.advance(1_000);
    expect(asked(fake)).toBe(3);
  });

  test("what is requested while another's refresh runs is requested again if that one fails, until one succeeds, and not too often", async () => {
    const fake = new FakeCluster();
    fake.topic("t", [-1]);
    const cluster = clusterOf(fake);
    await fake.clock.until(cluster.metadata.awaitTopic("t", 10_000));
    fake.intercept = ({ api }) => (api === "Metadata" ? "close" : undefined);
    const anothers = cluster.metadata.refresh().catch((error: unknown) => error);
    for (let i = 0; i < 100; i++) cluster.metadata.requestRefresh();
    expect(await fake.clock.until(anothers)).toBeInstanceOf(ConnectionLost);
    const before = asked(fake);
    await fake.clock.advance(5_000);
    expect(asked(fake) - before, "two brokers are asked about once per second").toBeLessThanOrEqual(20);
    fake.intercept = () => undefined;
    fake.moveLeader("t", 0, 2);
    await fake.clock.advance(3_000);
    expect(cluster.metadata.partition("t", 0)?.leader).toBe(2);
    const whenDone = asked(fake);
    await fake.clock.advance(5_000);
    expect(asked(fake) - whenDone, "it has what was requested").toBe(0);
  });

  test("old metadata is refreshed when it is used, and topics that nobody uses are forgotten", async () => {
    const fake = new FakeCluster();
    fake.topic("used", [1]);
    fake.topic("unused", [1]);
    const cluster = clusterOf(fake);
    for (const name of ["used", "unused"]) await fake.clock.until(cluster.metadata.awaitTopic(name, 10_000));
    const before = asked(fake);
    for (let i = 0; i < 6; i++) {
      await fake.clock.advance(5_000);
      cluster.metadata.topic("used");
    }
    await fake.clock.advance(1_000);
    expect(asked(fake) - before).toBe(2);
    expect([...cluster.metadata.snapshot.topics.keys()]).toEqual(["used"]);
  });

  test("a broker that hangs costs a few seconds, not the request timeout: another is asked", async () => {
    const fake = new FakeCluster();
    fake.topic("t", [1]);
    const cluster = clusterOf(fake);
    await fake.clock.until(cluster.metadata.awaitTopic("t", 10_000));
    const stuck = [...fake.links].find(([, links]) => links.size > 0)?.[0];
    fake.intercept = ({ broker }) => (broker === stuck ? "ignore" : undefined);
    cluster.metadata.requestRefresh();
    const before = asked(fake);
    await fake.clock.advance(12_000);
    expect(fake.requests.slice(-1)).toEqual([`Metadata@${stuck === 1 ? 2 : 1}`]);
    expect(asked(fake)).toBeGreaterThan(before);
  });

  test("a name that no topic can have is refused here, and the other topics are asked about all the same", async () => {
    const fake = new FakeCluster();
    fake.topic("t", [1]);
    const cluster = clusterOf(fake);
    await expect(cluster.metadata.awaitTopic("n".repeat(40_000), 10_000)).rejects.toThrow("INVALID_TOPIC_EXCEPTION");
    expect(cluster.metadata.topic("n".repeat(250))).toBeUndefined();
    expect((await fake.clock.until(cluster.metadata.awaitTopic("t", 10_000))).name).toBe("t");
  });

  test("when no broker can be reached, the error names them all", async () => {
    const fake = new FakeCluster();
    await fake.kill(1);
    await fake.kill(2);
    const error = await fake.clock.until(
      clusterOf(fake)
        .metadata.refresh()
        .catch((e: unknown) => e),
    );
    expect(error).toBeInstanceOf(ConnectionLost);
    expect(String(error)).toContain("fake:9001");
    expect(String(error)).toContain("fake:9002");
  });

  test("offsets are asked of the leaders, again when one has moved", async () => {
    const fake = new FakeCluster();
    const [a, b] = fake.topic("t", [1, 2]);
    a?.appendRecords([textRecord("x")]);
    b?.appendRecords([textRecord("x"), textRecord("y")]);
    const cluster = clusterOf(fake);
    await fake.clock.until(cluster.metadata.awaitTopic("t", 10_000));
    fake.moveLeader("t", 0, 2);
    const queries = [0, 1].map((partition) => ({ topic: "t", partition, spec: "latest" as const }));
    const found = await fake.clock.until(listOffsets(cluster, queries, fake.clock.monotonicMs() + 5_000));
    expect(found.map(({ offset }) => offset)).toEqual([1, 2]);
  });
});
