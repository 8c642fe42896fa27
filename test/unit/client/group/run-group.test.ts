import { describe, expect, test } from "vitest";
import type { ConsumerOptions } from "../../../../client/consumer/consumer-options.ts";
import type { RunOptions } from "../../../../client/consumer/run-options.ts";
import { FakeCluster, textRecord } from "../fake-cluster.ts";
import { Conducted, world as logsOf, named } from "../run-fixture.ts";
import { FakeGroup, refuse } from "./fake-group.ts";
import { memberOf } from "./group-fixture.ts";

function world(shape: Parameters<typeof logsOf>[0]) {
  const { cluster, logs } = logsOf(shape);
  return { cluster, logs, group: new FakeGroup(cluster) };
}

/** A member whose handler the test conducts. */
class Hand {
  readonly work: Conducted;
  readonly events: string[] = [];
  readonly member: ReturnType<typeof memberOf>;
  readonly running: Promise<void>;

  constructor(cluster: FakeCluster, run: RunOptions, options: Partial<ConsumerOptions<string, string>> = {}, hasCallbacks = true) {
    const note = (what: string) => (partitions: readonly { partition: number }[]) => {
      this.events.push(`${what}${partitions.map(({ partition }) => partition).join()}`);
    };
    this.work = new Conducted(cluster);
    const callbacks = { onAssigned: note("+"), onRevoked: note("-"), onLost: note("!") };
    this.member = memberOf(cluster, { ...(hasCallbacks ? callbacks : {}), ...options });
    this.running = this.member.subscribe(["t"]).then(() => this.member.run(run, (record, context) => this.work.handle(record, context)));
    this.running.catch(() => undefined);
  }

  get owned(): number[] {
    return this.member.assignment().map(({ partition }) => partition);
  }
}

describe("what is committed", () => {
  test("is the place of the oldest record that is not processed, whatever is done behind it", async () => {
    const { cluster, group } = world({ records: 20, keys: 4 });
    const { work, member, running } = new Hand(cluster, { concurrency: 3, orderBy: "key" });
    work.takesMs = (value) => (value === "0:6" ? 12_000 : 10);
    await cluster.clock.advance(8_000);
    expect(work.finished).toHaveLength(16);
    expect(group.commits).toEqual(["t-0=6"]);
    await cluster.clock.advance(20_000);
    expect(group.commits).toEqual(["t-0=6", "t-0=20"]);
    await cluster.clock.until(member.close());
    await cluster.clock.until(running);
  });

  test("is never past a record that failed, also when the run has ended by it; the group continues there", async () => {
    const { cluster, group } = world({ partitions: 2, records: 10 });
    const { work, running, member } = new Hand(cluster, { concurrency: 2 });
    const broken = new Error("broken");
    work.fails = (value) => (value === "0:4" ? broken : null);
    expect(await cluster.clock.until(running.catch((error: unknown) => error))).toBe(broken);
    expect(group.offsets.get("t-0")?.offset).toBe(4);
    expect(group.offsets.get("t-1")?.offset).toBe(work.of(1).length);
    await cluster.clock.until(member.close());
    expect(group.offsets.get("t-0")?.offset).toBe(4);
    const next = new Hand(cluster, { concurrency: 2 });
    await cluster.clock.advance(4_000);
    expect(next.work.of(0)).toEqual(named(0, 4, 10));
    expect([...work.of(1), ...next.work.of(1)]).toEqual(named(1, 0, 10));
  });

  test("is committed when the run ends by its signal, before it resolves, and when the consumer closes", async () => {
    for (const how of ["signal", "close"]) {
      const { cluster, group } = world({ records: 10 });
      const stop = new AbortController();
      const { work, member, running } = new Hand(cluster, { signal: stop.signal });
      work.takesMs = () => 1_000;
      await cluster.clock.advance(3_500);
      const began = work.began.length;
      expect(group.commits).toEqual([]);
      if (how === "signal") stop.abort();
      else await cluster.clock.until(member.close());
      await cluster.clock.until(running);
      expect(work.finished).toHaveLength(began);
      expect(group.offsets.get("t-0")?.offset).toBe(began);
    }
  });

  test("without autoCommit is what the application commits, in a handler or after it; without offsets, what was processed", async () => {
    const { cluster, group } = world({ records: 6 });
    const { work, member, running } = new Hand(cluster, {}, { autoCommit: false });
    work.takesMs = (value) => (value === "0:3" ? 10_000 : 10);
    await cluster.clock.advance(6_000);
    expect(group.commits).toEqual([]);
    await cluster.clock.until(member.commit());
    expect(group.commits).toEqual(["t-0=3"]);
    await cluster.clock.until(member.commit([{ topic: "t", partition: 0, offset: 4 }]));
    await cluster.clock.until(member.close());
    await cluster.clock.until(running);
    expect(group.commits).toEqual(["t-0=3", "t-0=4"]);
  });

  test("does not go back before what the application has committed itself", async () => {
    const { cluster, group } = world({ records: 6 });
    const { work, member } = new Hand(cluster, {});
    work.takesMs = (value) => (value === "0:1" ? 20_000 : 10);
    await cluster.clock.advance(3_000);
    await cluster.clock.until(member.commit([{ topic: "t", partition: 0, offset: 4 }]));
    await cluster.clock.advance(10_000);
    expect(group.offsets.get("t-0")?.offset).toBe(4);
  });

  test("keeps the leader epoch before it, also where a run has left off", async () => {
    const { cluster, group } = world({ records: 10 });
    const stop = new AbortController();
    const { work, member, running } = new Hand(cluster, { signal: stop.signal }, { autoCommit: false });
    work.takesMs = () => 1_000;
    await cluster.clock.advance(2_500);
    stop.abort();
    await cluster.clock.until(running);
    await cluster.clock.until(member.commit());
    expect(group.offsets.get("t-0")).toEqual({ offset: work.finished.length, epoch: 0 });
    await cluster.clock.until(member.close());
  });

  test("is what a batch was marked up to, while its handler runs", async () => {
    const { cluster, group } = world({ records: 8 });
    const member = memberOf(cluster);
    await cluster.clock.until(member.subscribe(["t"]));
    const running = member.runBatches({}, async (_batch, { processed }) => {
      processed(4);
      await new Promise<void>((resolve) => cluster.clock.schedule(20_000, resolve));
    });
    await cluster.clock.advance(10_000);
    expect(group.commits).toEqual(["t-0=5"]);
    await cluster.clock.advance(20_000);
    expect(group.commits).toEqual(["t-0=5", "t-0=8"]);
    await cluster.clock.until(member.close());
    await cluster.clock.until(running);
  });
});

describe.each([
  ["with callbacks", true],
  ["without callbacks", false],
])("a partition that is reassigned, %s", (_name, hasCallbacks) => {
  test("is given up when its handlers are done, and what they did is committed: nothing is handled twice, and the others go on", async () => {
    const { cluster, group } = world({ partitions: 2, records: 400 });
    const first = new Hand(cluster, { concurrency: 2 }, {}, hasCallbacks);
    first.work.takesMs = (value) => (value === "1:40" ? 8_000 : 50);
    await cluster.clock.advance(2_500);
    const second = new Hand(cluster, { concurrency: 2 }, {}, hasCallbacks);
    second.work.takesMs = () => 50;
    await cluster.clock.advance(6_000);
    expect(first.owned).toEqual([0, 1]);
    expect(second.work.began).toEqual([]);
    expect(first.work.of(0).length).toBeGreaterThan(140);
    await cluster.clock.advance(12_000);
    expect([first.owned, second.owned]).toEqual([[0], [1]]);
    await cluster.clock.advance(20_000);
    expect([...first.work.finished, ...second.work.finished].toSorted()).toEqual([...named(0, 0, 400), ...named(1, 0, 400)].toSorted());
    expect(first.work.of(1).at(-1)).toBe("1:40");
    expect(second.work.of(1)[0]).toBe("1:41");
    await cluster.clock.until(first.member.close());
    await cluster.clock.until(second.member.close());
    expect([...group.offsets.values()].map(({ offset }) => offset)).toEqual([400, 400]);
  });

  test("is given up without a handler that takes too long: it is told, and its record is handled by the next member", async () => {
    const { cluster } = world({ partitions: 2, records: 50 });
    const first = new Hand(cluster, { concurrency: 2, drainTimeoutMs: 3_000 }, {}, hasCallbacks);
    first.work.takesMs = (value) => (value === "1:7" ? 60_000 : 10);
    await cluster.clock.advance(2_500);
    const second = new Hand(cluster, { concurrency: 2 }, {}, hasCallbacks);
    await cluster.clock.advance(12_000);
    expect([first.owned, second.owned]).toEqual([[0], [1]]);
    expect(first.work.signals.get("1:7")?.aborted).toBe(true);
    expect(first.work.of(1)).toEqual(named(1, 0, 7));
    expect(second.work.of(1)).toEqual(named(1, 7, 50));
    await cluster.clock.advance(60_000);
    expect(first.member.assignment()).toMatchObject([{ partition: 0, position: 50 }]);
  });

  test("has nothing more begun of it while its handlers are waited for, and one that fails is not tried again here", async () => {
    const { cluster } = world({ partitions: 2, records: 4_000, keys: 4 });
    const first = new Hand(cluster, { concurrency: 8, orderBy: "key", retries: 1, retryDelayMs: 10 }, {}, hasCallbacks);
    // the others go on until it is given up, and then wait for two of its records, of which one fails
    first.work.takesMs = (value) => (value === "1:8" || value === "1:9" ? 10_000 : 20);
    first.work.fails = (value) => (value === "1:9" ? new Error("not here") : null);
    await cluster.clock.advance(2_500);
    const second = new Hand(cluster, { concurrency: 8, orderBy: "key" }, {}, hasCallbacks);
    second.work.takesMs = () => 20;
    await cluster.clock.advance(6_000);
    const began = first.work.began.filter((value) => value.startsWith("1:")).length;
    const beganOther = first.work.began.length - began;
    await cluster.clock.advance(1_000);
    expect(first.work.began.filter((value) => value.startsWith("1:"))).toHaveLength(began);
    expect(first.work.began.length - began).toBeGreaterThan(beganOther);
    await cluster.clock.advance(8_000);
    expect([first.owned, second.owned]).toEqual([[0], [1]]);
    expect(first.work.began.filter((value) => value === "1:9")).toHaveLength(1);
    expect(first.work.finished).toContain("1:8");
    expect(second.work.began[0], "the oldest that was not processed").toBe("1:9");
  });

  test("by key: has what lies between records that were handled done first, so that nothing is handled twice", async () => {
    const { cluster, group } = world({ partitions: 2, records: 400, keys: 4 });
    const first = new Hand(cluster, { concurrency: 8, orderBy: "key" }, {}, hasCallbacks);
    first.work.takesMs = (value) => (value === "1:0" ? 9_000 : 20);
    await cluster.clock.advance(2_500);
    const second = new Hand(cluster, { concurrency: 8, orderBy: "key" }, {}, hasCallbacks);
    await cluster.clock.advance(6_000);
    expect(first.owned).toEqual([0, 1]);
    await cluster.clock.advance(15_000);
    expect([first.owned, second.owned]).toEqual([[0], [1]]);
    expect(first.work.of(1).toSorted()).toEqual(named(1, 0, 400).toSorted());
    expect(second.work.began).toEqual([]);
    expect(group.offsets.get("t-1")?.offset).toBe(400);
  });

  test("by key: once it is given up, nothing that was taken of it is begun any more", async () => {
    const { cluster } = world({ partitions: 2, records: 400, keys: 4 });
    const first = new Hand(cluster, { concurrency: 8, orderBy: "key", drainTimeoutMs: 2_000 }, {}, hasCallbacks);
    first.work.takesMs = (value) => (value === "1:0" ? 40_000 : 20);
    await cluster.clock.advance(2_500);
    const second = new Hand(cluster, { concurrency: 8, orderBy: "key" }, {}, hasCallbacks);
    await cluster.clock.advance(12_000);
    expect([first.owned, second.owned]).toEqual([[0], [1]]);
    await cluster.clock.advance(40_000);
    expect(first.work.began).not.toContain("1:4");
    expect(second.work.of(1).toSorted()).toEqual(named(1, 0, 400).toSorted());
  });

  test("is given up while a record of it waits to be tried again", async () => {
    const { cluster } = world({ partitions: 2, records: 50 });
    const first = new Hand(cluster, { concurrency: 2, retries: 100, retryDelayMs: 30_000 }, {}, hasCallbacks);
    first.work.fails = (value) => (value === "1:7" ? new Error("never here") : null);
    await cluster.clock.advance(2_500);
    const second = new Hand(cluster, { concurrency: 2 }, {}, hasCallbacks);
    await cluster.clock.advance(8_000);
    expect(second.work.of(1)).toEqual(named(1, 7, 50));
    await cluster.clock.advance(100_000);
    expect(first.work.began.filter((value) => value === "1:7")).toHaveLength(1);
  });
});

describe("a topic that is deleted and re-created", () => {
  const [firstId, secondId] = ["A", "B"].map((letter) => `${letter.repeat(21)}Q`) as [string, string];
  const make = (cluster: FakeCluster, name: string, id: string, count: number) => {
    const [log] = cluster.topic("t", [1], id);
    if (count > 0) log?.appendRecords(Array.from({ length: count }, (_, i) => textRecord(`${name} ${i}`)));
    return log;
  };
  const remove = (cluster: FakeCluster, group: FakeGroup) => {
    cluster.topics.delete("t");
    group.offsets.delete("t-0");
  };

  test("a record of the old one that is being handled says nothing about the new one", async () => {
    const cluster = new FakeCluster();
    const group = new FakeGroup(cluster);
    const log = make(cluster, "old", firstId, 3);
    const options = { metadataMaxAgeMs: 1_000, autoCommitIntervalMs: 500, offsetReset: "latest" } as const;
    const { work, member, running } = new Hand(cluster, {}, options);
    work.takesMs = () => 15_000;
    await cluster.clock.advance(5_000);
    log?.appendRecords([textRecord("old 3")]);
    await cluster.clock.advance(1_000);
    expect(work.began).toEqual(["old 3"]);
    remove(cluster, group);
    make(cluster, "new", secondId, 30);
    const before = group.commits.length;
    await cluster.clock.advance(10_000);
    expect(group.commits.slice(before)).toEqual(["t-0=30"]);
    await cluster.clock.until(member.close());
    await cluster.clock.until(running);
  });

  test("what was taken of the old one is not begun once there is something of the new one", async () => {
    const cluster = new FakeCluster();
    const group = new FakeGroup(cluster);
    make(cluster, "old", firstId, 20);
    const { work, member, running } = new Hand(cluster, {}, { metadataMaxAgeMs: 1_000 });
    work.takesMs = (value) => (value.startsWith("old") ? 30_000 : 10);
    await cluster.clock.advance(3_000);
    remove(cluster, group);
    make(cluster, "new", secondId, 5);
    await cluster.clock.advance(60_000);
    expect(work.began).toEqual(["old 0", ...["new 0", "new 1", "new 2", "new 3", "new 4"]]);
    await cluster.clock.until(member.close());
    await cluster.clock.until(running);
    expect(group.offsets.get("t-0")?.offset).toBe(5);
  });
});

describe("membership", () => {
  test("a partition that was lost: its handlers are told at once, and nothing that they finish later counts", async () => {
    const { cluster, group } = world({ records: 10 });
    const { work, events, running, member } = new Hand(cluster, {});
    work.takesMs = (value) => (value === "0:2" ? 10_000 : 10);
    await cluster.clock.advance(3_000);
    group.members.clear();
    group.state = "Empty";
    await cluster.clock.advance(4_000);
    expect(work.signals.get("0:2")?.aborted).toBe(true);
    expect(events).toEqual(["+0", "!0", "+0"]);
    await cluster.clock.advance(30_000);
    // nothing was committed before the loss; and its lane was busy until the first time was over
    expect(work.finished).toEqual([...named(0, 0, 3), ...named(0, 0, 10)]);
    await cluster.clock.until(member.close());
    await cluster.clock.until(running);
    expect(group.offsets.get("t-0")?.offset).toBe(10);
  });

  test("handlers may take long as long as each is done within maxPollIntervalMs; one that is not costs the membership until it is", async () => {
    const { cluster, group } = world({ partitions: 2, records: 10 });
    const { work, events } = new Hand(cluster, { concurrency: 2 }, { maxPollIntervalMs: 60_000 });
    work.takesMs = (value) => (value === "0:3" ? 100_000 : 40_000);
    await cluster.clock.advance(120_000);
    expect([events, group.left]).toEqual([["+0,1"], []]);
    await cluster.clock.advance(70_000);
    expect(group.left).toHaveLength(1);
    const began = work.began.length;
    await cluster.clock.advance(25_000);
    expect(work.began, "others may have its partitions: nothing more is begun").toHaveLength(began);
    expect([events, group.left.length], "and it does not join again yet").toEqual([["+0,1"], 1]);
    work.takesMs = () => 10;
    await cluster.clock.advance(40_000);
    expect(events).toEqual(["+0,1", "!0,1", "+0,1"]);
    expect(new Set(work.finished).size).toBe(20);
  });

  test("heartbeats go on while handlers run", async () => {
    const { cluster, group } = world({ records: 4 });
    const { work, events } = new Hand(cluster, {}, { sessionTimeoutMs: 10_000 });
    work.takesMs = () => 50_000;
    await cluster.clock.advance(190_000);
    expect([events, group.left]).toEqual([["+0"], []]);
    expect(work.finished).toHaveLength(3);
  });

  test("no handler is begun while a callback of the application runs", async () => {
    const { cluster } = world({ partitions: 2, records: 400 });
    let isBusy = false;
    const first: Hand = new Hand(
      cluster,
      { concurrency: 2 },
      {
        onRevoked: async () => {
          isBusy = true;
          await new Promise<void>((resolve) => cluster.clock.schedule(5_000, resolve));
          isBusy = false;
        },
      },
    );
    let beganMeanwhile = 0;
    first.work.takesMs = () => {
      if (isBusy) beganMeanwhile++;
      return 50;
    };
    await cluster.clock.advance(2_500);
    new Hand(cluster, {});
    await cluster.clock.advance(30_000);
    expect(first.owned).toEqual([0]);
    expect(beganMeanwhile).toBe(0);
    expect(first.work.of(0)).toHaveLength(400);
  });

  test("a member that is out of its group for good: the run rejects", async () => {
    const { cluster, group } = world({ records: 4 });
    group.override = ({ api, request }) => (api === "JoinGroup" ? refuse(api, "GROUP_AUTHORIZATION_FAILED", request) : undefined);
    const { running } = new Hand(cluster, {});
    await expect(cluster.clock.until(running)).rejects.toMatchObject({ code: "GROUP_AUTHORIZATION_FAILED" });
  });
});
