import { describe, expect, test } from "vitest";
import { CommitFailed, InvalidArgument, KafkaProtocolError, NoCommittedOffset } from "../../../../client/base/errors.ts";
import { FakeCluster } from "../fake-cluster.ts";
import type { FakePartition } from "../fake-partition.ts";
import { FakeGroup, refuse } from "./fake-group.ts";
import { fill, memberOf, Worker } from "./group-fixture.ts";

function world(partitions = 4, records = 10) {
  const cluster = new FakeCluster();
  const group = new FakeGroup(cluster);
  const logs = cluster.topic(
    "t",
    Array.from({ length: partitions }, (_, i) => 1 + (i % 2)),
  );
  for (const log of logs) fill(log, 0, records);
  return { cluster, group, logs };
}

function allPlaces(logs: readonly FakePartition[]): string[] {
  return logs.flatMap((log, p) => Array.from({ length: log.endOffset }, (_, offset) => `t-${p}@${offset}`)).toSorted();
}

/** In each generation every partition has at most one owner. */
function expectSingleOwners(group: FakeGroup): void {
  for (const [generation, members] of group.assignments) {
    const all = [...members.values()].flat();
    expect(new Set(all).size, `generation ${generation}`).toBe(all.length);
  }
}

describe("sharing", () => {
  test.each([["cooperative-sticky"], ["range"], ["roundrobin"], ["sticky"]] as const)(
    "%s: members that come and go get every record once between them, each partition in order",
    async (assignor) => {
      const { cluster, group, logs } = world();
      const options = { assignors: [assignor] };
      const workers = [new Worker(cluster, ["t"], options)];
      await cluster.clock.advance(3_000);
      expect(workers[0]?.owned).toEqual(["t-0", "t-1", "t-2", "t-3"]);
      workers.push(new Worker(cluster, ["t"], options), new Worker(cluster, ["t"], options));
      for (const log of logs) fill(log, 10, 20);
      await cluster.clock.advance(12_000);
      expect(workers.map(({ owned }) => owned.length).toSorted()).toEqual([1, 1, 2]);
      for (const log of logs) fill(log, 20, 30);
      await cluster.clock.advance(2_000);
      await cluster.clock.until(workers[0]?.consumer.close() as Promise<void>);
      for (const log of logs) fill(log, 30, 40);
      await cluster.clock.advance(12_000);
      expect(workers.map(({ owned }) => owned.length).slice(1)).toEqual([2, 2]);
      expect(workers.flatMap(({ places }) => places).toSorted()).toEqual(allPlaces(logs));
      for (const { records } of workers) {
        for (const p of logs.keys()) {
          const offsets = records.filter(({ partition }) => partition === p).map(({ offset }) => offset);
          expect(offsets).toEqual(offsets.toSorted((a, b) => a - b));
        }
      }
      expectSingleOwners(group);
      for (const { consumer } of workers) await cluster.clock.until(consumer.close());
      expect(group.members.size).toBe(0);
    },
  );

  test("cooperative: what a member keeps is read on while partitions change hands", async () => {
    const { cluster, logs } = world(4, 0);
    const first = new Worker(cluster, ["t"], { fetchWaitMaxMs: 20 });
    await cluster.clock.advance(3_000);
    const second = new Worker(cluster, ["t"], { fetchWaitMaxMs: 20 });
    let atOnce = true;
    for (let i = 0; i < 100; i++) {
      for (const log of logs) fill(log, 2 * i, 2 * i + 2);
      const before = first.records.length;
      await cluster.clock.advance(100);
      atOnce &&= first.records.length > before;
    }
    expect(atOnce).toBe(true);
    expect(first.events).toEqual(["+ t-0 t-1 t-2 t-3", expect.stringMatching(/^- t-\d t-\d$/)]);
    expect([...first.owned, ...second.owned].toSorted()).toEqual(["t-0", "t-1", "t-2", "t-3"]);
    await cluster.clock.advance(1_000);
    expect([...first.places, ...second.places].toSorted()).toEqual(allPlaces(logs));
  });

  test("a partition is not given up while one of its records is being handled, and goes on from behind it", async () => {
    const { cluster, group, logs } = world(2, 10);
    const first = new Worker(cluster, ["t"]);
    first.handleMs = 20_000;
    await cluster.clock.advance(5_000);
    const second = new Worker(cluster, ["t"]);
    await cluster.clock.advance(10_000);
    expect(second.owned).toEqual([]);
    first.handleMs = 0;
    await cluster.clock.advance(20_000);
    expect([...first.places, ...second.places].toSorted()).toEqual(allPlaces(logs));
    expect(second.owned).toHaveLength(1);
    expectSingleOwners(group);
  });

  test("without callbacks, a slow handler holds up only the partition that its record is from", async () => {
    const { cluster, logs, group } = world(4, 0);
    fill(logs[0], 0, 4);
    fill(logs[3], 0, 2);
    const first = memberOf(cluster);
    await cluster.clock.until(first.subscribe(["t"]));
    const iterator = first[Symbol.asyncIterator]();
    const seen = [];
    for (let i = 0; i < 6; i++) seen.push((await cluster.clock.until(iterator.next())).value);
    fill(logs[0], 4, 6);
    expect((await cluster.clock.until(iterator.next())).value).toMatchObject({ partition: 0, offset: 4 });
    const second = memberOf(cluster);
    await cluster.clock.until(second.subscribe(["t"]));
    await cluster.clock.advance(12_000);
    expect(first.assignment().map(({ partition }) => partition)).toEqual([0, 1]);
    expect(second.assignment().map(({ partition, position }) => [partition, position])).toEqual([
      [2, 0],
      [3, 2],
    ]);
    expect(group.offsets.get("t-0")?.offset).toBe(4);
    await cluster.clock.until(iterator.next());
    await cluster.clock.until(first.close());
    expect(group.offsets.get("t-0")?.offset).toBe(5);
  });

  test("new partitions of the topic, and new topics that match, are noticed", async () => {
    const { cluster } = world(1, 2);
    const worker = new Worker(cluster, [/^t/], { metadataMaxAgeMs: 10_000 });
    await cluster.clock.advance(3_000);
    expect(worker.owned).toEqual(["t-0"]);
    const known = cluster.topics.get("t");
    const [more] = cluster.topic("t2", [2]);
    fill(more, 0, 2);
    await cluster.clock.advance(25_000);
    expect(worker.owned).toEqual(["t-0", "t2-0"]);
    known?.partitions.push(...cluster.topic("spare", [2]));
    await cluster.clock.advance(25_000);
    expect(worker.owned).toEqual(["t-0", "t-1", "t2-0"]);
    expect(worker.places.toSorted()).toEqual(["t-0@0", "t-0@1", "t2-0@0", "t2-0@1"]);
  });
});

describe("positions", () => {
  test("what was processed is committed every few seconds, the record being handled is not", async () => {
    const { cluster, group } = world(1, 10);
    const consumer = memberOf(cluster);
    await cluster.clock.until(consumer.subscribe(["t"]));
    const iterator = consumer[Symbol.asyncIterator]();
    for (let i = 0; i < 4; i++) await cluster.clock.until(iterator.next());
    await cluster.clock.advance(6_000);
    expect(group.commits).toEqual(["t-0=3"]);
    await cluster.clock.until(iterator.next());
    await cluster.clock.advance(6_000);
    expect(group.commits).toEqual(["t-0=3", "t-0=4"]);
    await cluster.clock.advance(6_000);
    expect(group.commits).toHaveLength(2);
    await cluster.clock.until(consumer.close());
    expect(group.offsets.get("t-0")).toEqual({ offset: 4, epoch: 0 });
  });

  test("a batch counts as processed as a whole", async () => {
    const { cluster, group } = world(1, 10);
    const consumer = memberOf(cluster);
    await cluster.clock.until(consumer.subscribe(["t"]));
    const batches = consumer.batches();
    for (let i = 0; i < 3; i++) await cluster.clock.until(batches.next());
    await cluster.clock.until(consumer.close());
    expect(group.offsets.get("t-0")?.offset).toBe(4);
  });

  test("commit says that everything handed out is done; committed offsets are where the next member begins", async () => {
    const { cluster, group } = world(1, 10);
    const consumer = memberOf(cluster, { autoCommit: false });
    await cluster.clock.until(consumer.subscribe(["t"]));
    const iterator = consumer[Symbol.asyncIterator]();
    for (let i = 0; i < 3; i++) await cluster.clock.until(iterator.next());
    await cluster.clock.until(consumer.commit());
    expect(group.offsets.get("t-0")?.offset).toBe(3);
    await cluster.clock.until(consumer.commit([{ topic: "t", partition: 0, offset: 7, metadata: "m" }]));
    const [committed] = await cluster.clock.until(consumer.committed([{ topic: "t", partition: 0 }]));
    expect(committed).toMatchObject({ offset: 7, leaderEpoch: -1 });
    await cluster.clock.until(iterator.next());
    await cluster.clock.until(consumer.close());
    expect(group.offsets.get("t-0")?.offset).toBe(7);
    const next = new Worker(cluster, ["t"]);
    await cluster.clock.advance(3_000);
    expect(next.places).toEqual(["t-0@7", "t-0@8", "t-0@9"]);
  });

  test.each([
    ["earliest", 10],
    ["latest", 0],
  ] as const)("without a commit: %s", async (offsetReset, count) => {
    const { cluster } = world(1, 10);
    const worker = new Worker(cluster, ["t"], { offsetReset });
    await cluster.clock.advance(3_000);
    expect(worker.records).toHaveLength(count);
  });

  test("without a commit: none fails, and goes on after a seek", async () => {
    const { cluster } = world(1, 10);
    const consumer = memberOf(cluster, { offsetReset: "none" });
    await cluster.clock.until(consumer.subscribe(["t"]));
    await expect(cluster.clock.until(consumer[Symbol.asyncIterator]().next())).rejects.toBeInstanceOf(NoCommittedOffset);
    consumer.seek({ topic: "t", partition: 0 }, { offset: 8 });
    expect((await cluster.clock.until(consumer[Symbol.asyncIterator]().next())).value).toMatchObject({ offset: 8 });
  });

  test("seek in onAssigned decides where reading begins, also by time; pause and resume work", async () => {
    const { cluster } = world(2, 10);
    const worker: Worker = new Worker(cluster, ["t"], {
      onAssigned: (partitions) => {
        for (const each of partitions) worker.consumer.seek(each, each.partition === 0 ? { offset: 6 } : { timestampMs: 1_008 });
        worker.consumer.pause([{ topic: "t", partition: 1 }]);
      },
    });
    await cluster.clock.advance(3_000);
    expect(worker.places).toEqual(["t-0@6", "t-0@7", "t-0@8", "t-0@9"]);
    worker.consumer.resume([{ topic: "t", partition: 1 }]);
    await cluster.clock.advance(1_000);
    expect(worker.places.slice(4)).toEqual(["t-1@8", "t-1@9"]);
    expect(worker.consumer.assignment().map(({ lag }) => lag)).toEqual([0, 0]);
  });

  test("onRevoked may commit; afterwards nobody can", async () => {
    const { cluster, group } = world(2, 10);
    const worker: Worker = new Worker(cluster, ["t"], { autoCommit: false, onRevoked: () => worker.consumer.commit() });
    await cluster.clock.advance(3_000);
    const second = new Worker(cluster, ["t"]);
    await cluster.clock.advance(12_000);
    expect([...group.offsets].map(([key, { offset }]) => `${key}=${offset}`).toSorted()).toEqual(["t-0=10", "t-1=10"]);
    expect(second.records).toEqual([]);
    const [gone] = second.consumer.assignment();
    group.override = ({ api, request }) => (api === "OffsetCommit" ? refuse(api, "ILLEGAL_GENERATION", request) : undefined);
    const late = worker.consumer.commit([{ topic: "t", partition: gone?.partition ?? 0, offset: 3 }]);
    await expect(cluster.clock.until(late)).rejects.toBeInstanceOf(CommitFailed);
  });

  test("offsets are committed without subscribing, too", async () => {
    const { cluster, group } = world(1, 10);
    const consumer = memberOf(cluster);
    await cluster.clock.until(consumer.assign([{ topic: "t", from: { offset: 4 } }]));
    await cluster.clock.until(consumer[Symbol.asyncIterator]().next());
    await cluster.clock.until(consumer.commit());
    expect(group.commits).toEqual(["t-0=5"]);
    await expect(cluster.clock.until(consumer.subscribe(["t"]))).rejects.toBeInstanceOf(InvalidArgument);
  });

  test("stopAtEnd ends when everything that is ours is read", async () => {
    const { cluster, logs } = world(3, 10);
    const worker = new Worker(cluster, ["t"], { stopAtEnd: true });
    await cluster.clock.until(worker.done);
    expect(worker.places.toSorted()).toEqual(allPlaces(logs));
  });

  test("stopAtEnd is no end where it could not be found out where to begin", async () => {
    const { cluster, group, logs } = world(3, 10);
    let isRefused = true;
    group.override = ({ api, request }) =>
      api === "OffsetFetch" && isRefused ? refuse(api, "GROUP_AUTHORIZATION_FAILED", request) : undefined;
    const consumer = memberOf(cluster, { stopAtEnd: true });
    await cluster.clock.until(consumer.subscribe(["t"]));
    const readAll = async () => (await Array.fromAsync(consumer)).map(({ partition, offset }) => `t-${partition}@${offset}`);
    for (let round = 0; round < 2; round++)
      await expect(cluster.clock.until(readAll())).rejects.toMatchObject({ code: "GROUP_AUTHORIZATION_FAILED" });
    isRefused = false;
    expect((await cluster.clock.until(readAll())).toSorted()).toEqual(allPlaces(logs));
    expect(await cluster.clock.until(readAll())).toEqual([]);
  });
});

describe("membership", () => {
  test("a slow handler keeps it until maxPollIntervalMs; then the member leaves, and joins again with the next record it asks for", async () => {
    const { cluster, group } = world(1, 10);
    const worker = new Worker(cluster, ["t"], { maxPollIntervalMs: 60_000 });
    worker.handleMs = 55_000;
    await cluster.clock.advance(120_000);
    expect(worker.events).toEqual(["+ t-0"]);
    expect(group.left).toEqual([]);
    worker.handleMs = 70_000;
    await cluster.clock.advance(120_000);
    expect(group.left).toHaveLength(1);
    worker.handleMs = 0;
    await cluster.clock.advance(80_000);
    expect(worker.events.slice(0, 3)).toEqual(["+ t-0", "! t-0", "+ t-0"]);
    expect(worker.owned).toEqual(["t-0"]);
    expect(new Set(worker.places).size).toBe(10);
  });

  test("a member that is silent is taken out after the session timeout; its partitions go on from what it had committed", async () => {
    const { cluster, group, logs } = world(2, 10);
    const first = memberOf(cluster, { sessionTimeoutMs: 10_000 });
    await cluster.clock.until(first.subscribe(["t"]));
    const iterator = first[Symbol.asyncIterator]();
    for (let i = 0; i < 3; i++) await cluster.clock.until(iterator.next());
    await cluster.clock.until(first.commit());
    const dead = [...group.members.keys()][0];
    group.override = ({ api, request }) =>
      (request as { memberId?: string }).memberId === dead && api === "Heartbeat" ? "ignore" : undefined;
    const second = new Worker(cluster, ["t"], { sessionTimeoutMs: 10_000 });
    await cluster.clock.advance(12_000);
    group.remove(dead as string);
    await cluster.clock.advance(12_000);
    expect(second.owned).toEqual(["t-0", "t-1"]);
    expect(second.records).toHaveLength(allPlaces(logs).length - 3);
  });

  test("a member that was thrown out loses its partitions and joins again", async () => {
    const { cluster, group } = world(1, 10);
    const worker = new Worker(cluster, ["t"]);
    await cluster.clock.advance(7_000);
    group.members.clear();
    group.state = "Empty";
    await cluster.clock.advance(5_000);
    expect(worker.events).toEqual(["+ t-0", "! t-0", "+ t-0"]);
    expect(worker.records).toHaveLength(10);
  });

  test("a static member comes back within its session and nobody notices", async () => {
    const { cluster, group } = world(2, 10);
    const other = new Worker(cluster, ["t"]);
    const first = new Worker(cluster, ["t"], { groupInstanceId: "a" });
    await cluster.clock.advance(10_000);
    const { generation } = group;
    const owned = first.owned;
    const noticed = [...other.events];
    expect(owned).toHaveLength(1);
    await cluster.clock.until(first.consumer.close());
    const again = new Worker(cluster, ["t"], { groupInstanceId: "a" });
    await cluster.clock.advance(10_000);
    expect(group.generation).toBe(generation);
    expect(again.owned).toEqual(owned);
    expect(group.left).toEqual([]);
    expect(other.events).toEqual(noticed);
  });

  test.each([["COORDINATOR_LOAD_IN_PROGRESS"], ["COORDINATOR_NOT_AVAILABLE"], ["NOT_COORDINATOR"]] as const)(
    "%s for a while, anywhere, is waited out",
    async (code) => {
      const { cluster, group, logs } = world(2, 10);
      const seen: Record<string, number> = { JoinGroup: 0, SyncGroup: 0, Heartbeat: 0, OffsetCommit: 0, OffsetFetch: 0 };
      group.override = ({ api, request }) => {
        const times = seen[api];
        if (times === undefined) return undefined;
        seen[api] = times + 1;
        return times % 3 === 2 ? undefined : refuse(api, code, request);
      };
      const worker = new Worker(cluster, ["t"]);
      await cluster.clock.advance(30_000);
      expect(worker.places.toSorted()).toEqual(allPlaces(logs));
      expect([...group.offsets.values()].map(({ offset }) => offset)).toEqual([10, 10]);
    },
  );

  test("the coordinator moves: found again, and nobody loses anything", async () => {
    const { cluster, group, logs } = world(2, 10);
    const workers = [new Worker(cluster, ["t"]), new Worker(cluster, ["t"])];
    await cluster.clock.advance(12_000);
    group.coordinator = 2;
    for (const log of logs) fill(log, 10, 20);
    await cluster.clock.advance(12_000);
    group.coordinator = 1;
    cluster.hang(2);
    cluster.moveLeader("t", 1, 1);
    for (const log of logs) fill(log, 20, 30);
    await cluster.clock.advance(20_000);
    expect(workers.flatMap(({ events }) => events.filter((event) => event.startsWith("!")))).toEqual([]);
    expect(workers.flatMap(({ places }) => places).toSorted()).toEqual(allPlaces(logs));
    expect(group.commits.slice(-2).toSorted()).toEqual(["t-0=30", "t-1=30"]);
  });

  test.each([["INCONSISTENT_GROUP_PROTOCOL"], ["GROUP_AUTHORIZATION_FAILED"], ["FENCED_INSTANCE_ID"]] as const)(
    "%s ends the iteration",
    async (code) => {
      const { cluster, group } = world(1, 10);
      group.override = ({ api, request }) => (api === "JoinGroup" ? refuse(api, code, request) : undefined);
      const worker = new Worker(cluster, ["t"]);
      const error = await cluster.clock.until(worker.done.catch((failure: unknown) => failure));
      expect(error).toBeInstanceOf(KafkaProtocolError);
      expect(error).toMatchObject({ code });
    },
  );

  test("what a callback throws comes out of the iteration, and the group goes on", async () => {
    const { cluster } = world(1, 10);
    let thrown = 0;
    const worker = new Worker(cluster, ["t"], {
      onAssigned: () => {
        if (thrown++ === 0) throw new Error("not now");
      },
    });
    await expect(cluster.clock.until(worker.done)).rejects.toThrow("not now");
    expect((await cluster.clock.until(worker.consumer[Symbol.asyncIterator]().next())).value).toMatchObject({ offset: 0 });
  });

  test("a topic that does not exist is an error of subscribe; so is subscribing without a group", async () => {
    const { cluster } = world(1, 1);
    const consumer = memberOf(cluster, { requestTimeoutMs: 1_000 });
    await expect(cluster.clock.until(consumer.subscribe(["nowhere"]))).rejects.toBeInstanceOf(KafkaProtocolError);
    const { group: _none, ...options } = { group: "g", bootstrap: cluster.bootstrap, runtime: cluster.runtime };
    const { Consumer } = await import("../../../../client/consumer/consumer.ts");
    await expect(new Consumer(options).subscribe(["t"])).rejects.toBeInstanceOf(InvalidArgument);
  });
});
