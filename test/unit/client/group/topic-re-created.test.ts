import { describe, expect, test } from "vitest";
import { AssignedPartition } from "../../../../client/fetch/assigned-partition.ts";
import type { OffsetToCommit } from "../../../../client/group/group-offsets.ts";
import { type Logger, silentLogger } from "../../../../protocol/base/logger.ts";
import type { MetadataRequest } from "../../../../protocol/messages/metadata.ts";
import type { OffsetCommitRequest } from "../../../../protocol/messages/offset-commit.ts";
import { FakeCluster, type Intercepted, textRecord } from "../fake-cluster.ts";
import type { FakePartition } from "../fake-partition.ts";
import { FakeGroup, refuse } from "./fake-group.ts";
import { memberOf, Worker } from "./group-fixture.ts";

const [firstId, secondId, thirdId] = ["A", "B", "C"].map((letter) => `${letter.repeat(21)}Q`) as [string, string, string];

/** Commits name topics up to this version. */
const byNames = 9;

function world(commitVersionMax: number) {
  const cluster = new FakeCluster();
  cluster.versionMax.OffsetCommit = commitVersionMax;
  const group = new FakeGroup(cluster);
  const warnings: string[] = [];
  const log: Logger = { ...silentLogger, warn: (_about: unknown, text?: string) => void warnings.push(text ?? "") } as Logger;
  return { cluster, group, warnings, runtime: { ...cluster.runtime, log } };
}

function make(cluster: FakeCluster, name: string, id: string, count: number): FakePartition {
  const [log] = cluster.topic("t", [1], id);
  append(log as FakePartition, name, 0, count);
  return log as FakePartition;
}

function append(log: FakePartition, name: string, from: number, to: number): void {
  if (to > from) log.appendRecords(Array.from({ length: to - from }, (_, i) => textRecord(`${name} ${from + i}`)));
}

/** As brokers do: what was committed for it goes with the topic. */
function remove(cluster: FakeCluster, group: FakeGroup): void {
  cluster.topics.delete("t");
  group.offsets.delete("t-0");
}

const named = (name: string, from: number, to: number) => Array.from({ length: to - from }, (_, i) => `${name} ${from + i}`);
const valuesOf = (worker: Worker) => worker.records.map(({ value }) => value);

describe.each([
  ["its id", 10],
  ["its name", byNames],
])("a topic that is deleted and re-created, whose positions are committed by %s", (_by, commitVersionMax) => {
  test.each([
    ["cooperative-sticky", 4, 3_000],
    ["cooperative-sticky", 40, 3_000],
    ["range", 40, 3_000],
    ["cooperative-sticky", 4, 0],
    ["cooperative-sticky", 40, 0],
    ["range", 40, 20_000],
  ] as const)(
    "%s, %i records, %i ms between: what was processed of the old one is not committed onto it",
    async (assignor, count, gapMs) => {
      const { cluster, group, runtime, warnings } = world(commitVersionMax);
      make(cluster, "old", firstId, 20);
      const worker = new Worker(cluster, ["t"], { assignors: [assignor], autoCommitIntervalMs: 60_000, metadataMaxAgeMs: 1_000, runtime });
      await cluster.clock.advance(10_000);
      expect(valuesOf(worker)).toEqual(named("old", 0, 20));
      expect(group.commits).toEqual([]);
      remove(cluster, group);
      await cluster.clock.advance(gapMs);
      const log = make(cluster, "new", secondId, count);
      await cluster.clock.advance(40_000);
      append(log, "new", count, count + 5);
      await cluster.clock.advance(10_000);
      expect(valuesOf(worker)).toEqual([...named("old", 0, 20), ...named("new", 0, count + 5)]);
      await cluster.clock.until(worker.consumer.close());
      expect(group.offsets.get("t-0")?.offset).toBe(count + 5);
      expect(group.commits.filter((commit) => commit === "t-0=20" || commit === "t-0=19")).toEqual([]);
      expect(warnings.filter((text) => text.includes("deleted")).length).toBeLessThanOrEqual(2);
      expect(warnings.join()).toContain("the topic was deleted");
    },
  );

  test("a record of the old one that is still being handled says nothing about the new one", async () => {
    const { cluster, group } = world(commitVersionMax);
    make(cluster, "old", firstId, 3);
    const consumer = memberOf(cluster, { metadataMaxAgeMs: 1_000, autoCommitIntervalMs: 500, offsetReset: "latest" });
    await cluster.clock.until(consumer.subscribe(["t"]));
    const records = consumer[Symbol.asyncIterator]();
    const first = records.next();
    await cluster.clock.advance(5_000);
    append(cluster.topics.get("t")?.partitions[0] as FakePartition, "old", 3, 4);
    expect((await cluster.clock.until(first)).value?.value).toBe("old 3");
    remove(cluster, group);
    make(cluster, "new", secondId, 30);
    const before = group.commits.length;
    await cluster.clock.advance(10_000);
    // the reset policy's place is what is committed, and nothing of the old topic's before
    expect(group.commits.slice(before)).toEqual(["t-0=30"]);
    await cluster.clock.until(consumer.close());
  });

  test("what the application itself commits late, of the old one, is dropped with a warning; also after the partition came back", async () => {
    const { cluster, group, runtime, warnings } = world(commitVersionMax);
    make(cluster, "old", firstId, 20);
    const worker = new Worker(cluster, ["t"], { autoCommit: false, metadataMaxAgeMs: 1_000, runtime });
    await cluster.clock.advance(5_000);
    const done: OffsetToCommit = { topic: "t", partition: 0, offset: 20 };
    remove(cluster, group);
    await cluster.clock.advance(3_000);
    make(cluster, "new", secondId, 0);
    await cluster.clock.advance(10_000);
    await cluster.clock.until(worker.consumer.commit([done]));
    expect(group.commits).toEqual([]);
    expect(warnings.join()).toContain("positions are not committed");
    append(cluster.topics.get("t")?.partitions[0] as FakePartition, "new", 0, 5);
    await cluster.clock.advance(2_000);
    await cluster.clock.until(worker.consumer.commit([{ ...done, offset: 5 }]));
    expect(group.commits).toEqual(["t-0=5"]);
  });

  test.each([["auto-commits"], ["a commit of the application"]])(
    "with the reset policy `none` there is no position in the new one for %s or `close` to put there",
    async (by) => {
      const { cluster, group } = world(commitVersionMax);
      make(cluster, "old", firstId, 20);
      group.offsets.set("t-0", { offset: 0, epoch: 0 });
      const autoCommitIntervalMs = by === "auto-commits" ? 500 : 60_000;
      const worker = new Worker(cluster, ["t"], { metadataMaxAgeMs: 1_000, autoCommitIntervalMs, offsetReset: "none" });
      await cluster.clock.advance(5_000);
      expect(valuesOf(worker)).toEqual(named("old", 0, 20));
      remove(cluster, group);
      make(cluster, "new", secondId, 40);
      const before = group.commits.length;
      await cluster.clock.advance(10_000);
      await expect(worker.done).rejects.toThrow("offset 20 of t-0 is out of the log's range");
      expect(worker.consumer.position("t", 0)).toBe(-1);
      if (by !== "auto-commits") await cluster.clock.until(worker.consumer.commit());
      await cluster.clock.until(worker.consumer.close());
      expect(group.commits.slice(before)).toEqual([]);
      expect(group.offsets.get("t-0")).toBe(undefined);
    },
  );

  test("nothing is committed while the place to begin in the new one is looked up", async () => {
    const { cluster, group } = world(commitVersionMax);
    make(cluster, "old", firstId, 20);
    const worker = new Worker(cluster, ["t"], { metadataMaxAgeMs: 1_000, autoCommitIntervalMs: 500 });
    await cluster.clock.advance(5_000);
    expect(valuesOf(worker)).toEqual(named("old", 0, 20));
    let lookUp: (() => void) | null = null;
    group.override = ({ api, broker, request }) => {
      if (api !== "ListOffsets") return undefined;
      return (respond) => {
        lookUp = () => respond(cluster.listOffsets(request, broker));
      };
    };
    remove(cluster, group);
    make(cluster, "new", secondId, 40);
    const before = group.commits.length;
    await cluster.clock.advance(5_000);
    expect(lookUp).not.toBe(null);
    expect(group.commits.slice(before)).toEqual([]);
    group.override = () => undefined;
    (lookUp as (() => void) | null)?.();
    await cluster.clock.advance(5_000);
    expect(valuesOf(worker)).toEqual([...named("old", 0, 20), ...named("new", 0, 40)]);
    expect(group.commits.slice(before)).toEqual(["t-0=40"]);
    await cluster.clock.until(worker.consumer.close());
  });

  test("a position that was found for the old one is not begun from in the new one", async () => {
    const { cluster, group } = world(commitVersionMax);
    make(cluster, "old", firstId, 20);
    group.offsets.set("t-0", { offset: 12, epoch: 0 });
    let asked = 0;
    group.override = ({ api, request }) => {
      if (api !== "OffsetFetch" || asked++ > 0) return undefined;
      return (respond) => {
        // 1. the coordinator reads the position, 2. the topic is re-created, 3. metadata says so, 4. the answer arrives
        const answer = group.answerFetch(request);
        remove(cluster, group);
        make(cluster, "new", secondId, 30);
        cluster.clock.schedule(2_000, () => respond(answer));
      };
    };
    const worker = new Worker(cluster, ["t"], { metadataMaxAgeMs: 500 });
    await cluster.clock.advance(10_000);
    expect(valuesOf(worker)).toEqual(named("new", 0, 30));
  });

  test("a coordinator that has not heard of the new topic yet is asked again, not believed", async () => {
    const { cluster, group } = world(commitVersionMax);
    make(cluster, "new", secondId, 10);
    const worker = new Worker(cluster, ["t"], { autoCommitIntervalMs: 2_000 });
    await cluster.clock.advance(1_500);
    expect(worker.records).toHaveLength(10);
    let isBehind = true;
    group.override = ({ api, request, broker }) => {
      const asksForTopics = api === (commitVersionMax === byNames ? "Metadata" : "OffsetCommit");
      if (!asksForTopics || broker !== group.coordinator || !isBehind) return undefined;
      isBehind = false;
      if (api === "OffsetCommit") return refuse(api, "UNKNOWN_TOPIC_ID", request);
      const { topics, ...rest } = cluster.metadata(request);
      return { ...rest, topics: topics.map((topic) => ({ ...topic, topicId: firstId })) };
    };
    await cluster.clock.advance(3_000);
    expect(isBehind).toBe(false);
    expect(group.offsets.get("t-0")?.offset).toBe(10);
  });

  test("a topic about which metadata and the coordinator disagree does not hold up those that were given to us with it", async () => {
    const { cluster, group } = world(commitVersionMax);
    for (const [name, id] of Object.entries({ t: firstId, u: secondId }))
      append(cluster.topic(name, [1], id)[0] as FakePartition, name, 0, 5);
    group.offsets.set("u-0", { offset: 2, epoch: 0 });
    let disagrees = true;
    let isCompared = false;
    group.override = ({ api, request }) => {
      // what is asked for after the positions is which topics they were of
      const isComparison = api === "Metadata" && isCompared;
      isCompared = api === "OffsetFetch";
      if (!isComparison || !disagrees) return undefined;
      const { topics, ...rest } = cluster.metadata(request);
      return { ...rest, topics: topics.map((topic) => (topic.name === "t" ? { ...topic, topicId: thirdId } : topic)) };
    };
    const worker = new Worker(cluster, ["t", "u"], { autoCommit: false });
    await cluster.clock.advance(3_000);
    expect(valuesOf(worker)).toEqual(named("u", 2, 5));
    expect(worker.events).toEqual(["+ u-0"]);
    disagrees = false;
    await cluster.clock.advance(3_000);
    expect(valuesOf(worker)).toEqual([...named("u", 2, 5), ...named("t", 0, 5)]);
    expect(worker.events).toEqual(["+ u-0", "+ t-0"]);
    await cluster.clock.until(worker.consumer.close());
  });

  test("while the coordinator does not know one topic as we do, the others are committed, once", async () => {
    const { cluster, group } = world(commitVersionMax);
    for (const [name, id] of Object.entries({ t: firstId, u: secondId, v: thirdId }))
      append(cluster.topic(name, [1], id)[0] as FakePartition, name, 0, 5);
    const worker = new Worker(cluster, ["t", "u", "v"], { autoCommit: false, requestTimeoutMs: 10_000 });
    await cluster.clock.advance(5_000);
    expect(worker.records).toHaveLength(15);
    group.override = (seen) => {
      const { api, request } = seen;
      if (api === "OffsetCommit" && commitVersionMax > byNames) return withoutTopic(firstId, group, seen);
      // only what is committed is asked for before a commit; the consumer's own metadata has `v` too
      if (api !== "Metadata" || (request as MetadataRequest).topics?.some(({ name }) => name === "v")) return undefined;
      const { topics, ...rest } = cluster.metadata(request);
      return { ...rest, topics: topics.map((topic) => (topic.name === "t" ? { ...topic, topicId: thirdId } : topic)) };
    };
    const done = ["t", "u"].map((topic) => ({ topic, partition: 0, offset: 5 }));
    await expect(cluster.clock.until(worker.consumer.commit(done))).rejects.toThrow("its coordinator does not know topic t as we do");
    expect(group.commits).toEqual(["u-0=5"]);
    group.override = () => undefined;
    await cluster.clock.until(worker.consumer.commit(done));
    expect(group.commits).toEqual(["u-0=5", "t-0=5", "u-0=5"]);
  });

  test("a commit costs what it names: no topic's metadata is asked for where ids are told", async () => {
    const { cluster } = world(commitVersionMax);
    make(cluster, "old", firstId, 5);
    const worker = new Worker(cluster, ["t"], { autoCommit: false });
    await cluster.clock.advance(5_000);
    const before = cluster.requests.length;
    await cluster.clock.until(worker.consumer.commit());
    const metadata = cluster.requests.slice(before).filter((request) => request.startsWith("Metadata"));
    expect(metadata).toHaveLength(commitVersionMax === byNames ? 1 : 0);
    await cluster.clock.until(worker.consumer.close());
  });
});

/** A coordinator that does not know the topic, and does as it is told for the others. */
function withoutTopic(topicId: string, group: FakeGroup, seen: Intercepted): object {
  const { topics, ...rest } = seen.request as OffsetCommitRequest;
  const [unknown, known] = [true, false].map((isUnknown) => topics.filter((topic) => (topic.topicId === topicId) === isUnknown));
  const override = group.override;
  group.override = () => undefined;
  const answer = group.handle({ ...seen, request: { ...rest, topics: known } as never }) as { readonly topics: readonly object[] };
  group.override = override;
  const refused = refuse("OffsetCommit", "UNKNOWN_TOPIC_ID", { topics: unknown }) as { readonly topics: readonly object[] };
  return { throttleTimeMs: 0, topics: [...refused.topics, ...answer.topics] };
}

describe("which topic a partition's metadata means", () => {
  const partition = () => new AssignedPartition("t", 0, { offset: 7 }, firstId);

  test("a topic that was there before is old, however many came since; one that is named for long is the newest all the same", () => {
    const ours = partition();
    expect(ours.judgeTopicId(secondId, 0)).toBe("new");
    ours.beginAnew(secondId, "beginning");
    ours.beginAnew(thirdId, "beginning");
    expect([firstId, secondId, thirdId].map((id) => ours.judgeTopicId(id, 10))).toEqual(["old", "old", "ours"]);
    expect(ours.judgeTopicId(firstId, 1_000)).toBe("old");
    expect(ours.judgeTopicId(firstId, 30_000)).toBe("old");
    expect(ours.judgeTopicId(firstId, 31_000)).toBe("new");
    ours.beginAnew(firstId, "beginning");
    expect([thirdId, firstId].map((id) => ours.judgeTopicId(id, 31_001))).toEqual(["old", "ours"]);
  });

  test("an iteration that was to stop at the old one's end stops, wherever the new one begins", () => {
    const ours = partition();
    ours.stopAt(20);
    expect(ours.isStopped).toBe(false);
    ours.beginAnew(secondId, "beginning");
    ours.located(0);
    expect(ours.isStopped).toBe(true);
  });
});
