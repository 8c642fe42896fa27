import { afterEach, describe, expect, test } from "vitest";
import { producedBatch } from "../../support/memory-log.ts";
import { settled } from "../network/manual-clock.ts";
import { lagMaxMs, MiniCluster, ref, topic, topicId } from "./mini-cluster.ts";

let cluster: MiniCluster;
afterEach(() => cluster.stop());

async function start(...args: ConstructorParameters<typeof MiniCluster>): Promise<MiniCluster> {
  cluster = new MiniCluster(...args);
  await cluster.start();
  return cluster;
}

const all = { acks: -1, timeoutMs: 20_000 } as const;

/** Appends to the log of `id` and lets time pass until there is an answer. */
async function produce(id: number, fill: string, options: { acks: -1 | 1; timeoutMs: number } = all): Promise<string | number> {
  let answer: string | number | null = null;
  void cluster
    .node(id)
    .service.append(ref, producedBatch(2, fill), options)
    .then((outcome) => {
      answer = outcome.error ?? (outcome.error === null ? outcome.baseOffset : "");
    });
  await cluster.until(() => answer !== null, `an answer to ${fill}`);
  return answer ?? "";
}

function assertIdenticalLogs(ids: readonly number[] = [1, 2, 3]): void {
  const [first, ...others] = ids.map((id) => cluster.node(id).log().content);
  for (const other of others) expect(other).toStrictEqual(first);
}

describe("three replicas", () => {
  test("acknowledge acks=all when all in sync have the record, within a round trip", async () => {
    await start();
    await cluster.pass(600);
    const beforeMs = cluster.clock.monotonicMs();
    expect(await produce(1, "a")).toBe(0);
    expect(await produce(1, "b")).toBe(2);
    expect(cluster.clock.monotonicMs() - beforeMs <= 20, "nothing waited for a timer").toBe(true);
    assertIdenticalLogs();
    expect(cluster.highWatermark(1)).toBe(4);
  });

  test("tell idle followers the high watermark, and then fall silent", async () => {
    await start();
    await produce(1, "a");
    await cluster.until(() => cluster.highWatermark(2) === 2 && cluster.highWatermark(3) === 2, "the followers' high watermarks", 200);
    const before = cluster.fetches;
    await cluster.pass(5000);
    expect(cluster.fetches - before <= 24, `${cluster.fetches - before} fetches in 5 s of two followers that wait 500 ms each`).toBe(true);
  });

  test("the follower learns the high watermark even if the answer that told it was lost", async () => {
    await start();
    await produce(1, "a");
    cluster.cut.add("1>2");
    await cluster.pass(60);
    cluster.cut.clear();
    await cluster.until(() => cluster.highWatermark(2) === 2, "the high watermark at 2", 2000);
  });

  test("go on with two when one dies, and take it back when it returns", async () => {
    await start();
    expect(await produce(1, "a")).toBe(0);
    cluster.kill(3);
    expect(await produce(1, "b")).toBe(2);
    expect(cluster.znode.current.isr).toStrictEqual([1, 2]);
    await cluster.boot(3);
    await cluster.assign([3]);
    await cluster.until(() => cluster.znode.current.isr.length === 3, "all in sync again");
    expect(await produce(1, "c")).toBe(4);
    assertIdenticalLogs();
    expect(cluster.znode.changes.map(({ isr, stateVersion }) => [isr, stateVersion])).toStrictEqual([
      [[1, 2], 1],
      [[1, 2, 3], 2],
    ]);
  });

  test("a follower that is alive but silent leaves after the lag time", async () => {
    await start();
    await produce(1, "a");
    cluster.cut.add("3>1");
    const beforeMs = cluster.clock.monotonicMs();
    expect(await produce(1, "b")).toBe(2);
    const tookMs = cluster.clock.monotonicMs() - beforeMs;
    expect(tookMs > lagMaxMs - 1000 && tookMs < lagMaxMs + 2000, `took ${tookMs} ms`).toBe(true);
    expect(cluster.znode.current.isr).toStrictEqual([1, 2]);
  });

  test("refuse acks=all with too few in sync, before appending anything", async () => {
    await start();
    cluster.kill(2);
    cluster.kill(3);
    await cluster.until(() => cluster.znode.current.isr.length === 1, "the leader alone");
    expect(await produce(1, "a")).toBe("NOT_ENOUGH_REPLICAS");
    expect(cluster.node(1).log().endOffset).toBe(0);
    expect(await produce(1, "b", { acks: 1, timeoutMs: 1000 })).toBe(0);
  });

  test("take acks=all where min.insync.replicas is more than there are copies, from all of them", async () => {
    await start({ minInsyncReplicas: 4 });
    expect(await produce(1, "a")).toBe(0);
    cluster.kill(3);
    await cluster.until(() => cluster.znode.current.isr.length === 2, "one copy gone");
    expect(await produce(1, "b"), "two of three are fewer than all").toBe("NOT_ENOUGH_REPLICAS");
  });

  test("answer NOT_ENOUGH_REPLICAS_AFTER_APPEND when the in-sync set shrank meanwhile", async () => {
    await start();
    cluster.cut.add("2>1").add("3>1");
    expect(await produce(1, "a")).toBe("NOT_ENOUGH_REPLICAS_AFTER_APPEND");
  });

  test("time out while the high watermark stands still", async () => {
    await start();
    cluster.cut.add("3>1");
    const beforeMs = cluster.clock.monotonicMs();
    expect(await produce(1, "a", { acks: -1, timeoutMs: 700 })).toBe("REQUEST_TIMED_OUT");
    expect(cluster.clock.monotonicMs() - beforeMs <= 720).toBe(true);
  });
});

describe("a change of leaders", () => {
  test("with divergent tails ends in identical logs, and nothing acknowledged is lost", async () => {
    await start();
    expect(await produce(1, "a")).toBe(0);
    // the old leader is cut off and writes on alone
    for (const other of [2, 3]) cluster.cut.add(`${other}>1`).add(`1>${other}`);
    const lonely = [
      cluster.node(1).service.append(ref, producedBatch(2, "x"), all),
      cluster.node(1).service.append(ref, producedBatch(1, "y"), all),
    ];
    await settled();
    cluster.elect(2, [2, 3]);
    await cluster.assign([2, 3]);
    expect(await produce(2, "b")).toBe(2);
    expect(await produce(2, "c")).toBe(4);
    // it comes back and hears of its fate
    cluster.cut.clear();
    await cluster.assign([1]);
    expect((await Promise.all(lonely)).map(({ error }) => error)).toStrictEqual(["NOT_LEADER_OR_FOLLOWER", "NOT_LEADER_OR_FOLLOWER"]); // biome-ignore format: one line
    await cluster.until(() => cluster.znode.current.isr.length === 3, "the old leader in sync");
    assertIdenticalLogs();
    expect(cluster.node(1).log().truncations).toStrictEqual([2]);
  });

  test("the old leader that does not know of it can neither shrink the in-sync set nor commit", async () => {
    await start();
    expect(await produce(1, "a")).toBe(0);
    cluster.elect(2, [2, 3]);
    await cluster.assign([2, 3]);
    expect(await produce(1, "x")).toBe("NOT_LEADER_OR_FOLLOWER");
    expect(cluster.znode.current.isr).toStrictEqual([2, 3]);
    expect(cluster.node(1).table.find(ref)?.role).toBe("none");
    expect(cluster.highWatermark(1)).toBe(2);
    await cluster.assign([1]);
    expect(await produce(2, "b")).toBe(2);
    await cluster.until(() => cluster.znode.current.isr.length === 3, "all in sync");
    assertIdenticalLogs();
  });

  test("back and forth leaves the same log everywhere", async () => {
    await start();
    for (const [round, leader] of [2, 3, 1, 3, 2].entries()) {
      void cluster.node(cluster.znode.current.leader).service.append(ref, producedBatch(3, String(round)), { acks: 1, timeoutMs: 100 });
      cluster.elect(leader, cluster.znode.current.isr);
      await cluster.assign();
      expect(typeof (await produce(leader, `r${round}`))).toBe("number");
    }
    await cluster.until(() => cluster.znode.current.isr.length === 3, "all in sync");
    await cluster.pass(600);
    assertIdenticalLogs();
  });

  test("an epoch in which nothing was appended leaves no trace that makes others cut committed records", async () => {
    await start();
    await produce(1, "a");
    // 1 gets one more record than 3; 3 leads without appending; 1 leads again and 3 copies that record
    cluster.cut.add("3>1").add("1>3");
    void cluster.node(1).service.append(ref, producedBatch(2, "b"), { acks: 1, timeoutMs: 100 });
    await cluster.pass(20);
    cluster.elect(3, [1, 2, 3]);
    await cluster.assign([3]);
    cluster.elect(1, [1, 2, 3]);
    cluster.cut.clear();
    await cluster.assign();
    await cluster.until(() => cluster.highWatermark(1) === 4 && cluster.highWatermark(2) === 4, "b committed");
    cluster.elect(3, [1, 2, 3]);
    await cluster.assign();
    expect(await produce(3, "c")).toBe(4);
    expect([1, 2].map((id) => cluster.node(id).log().truncations)).toStrictEqual([[], []]); // biome-ignore format: one line
    assertIdenticalLogs();
  });

  test("an answer to an ISR write of the last epoch does not end the leadership of this one", async () => {
    await start();
    cluster.kill(3);
    const released = cluster.znode.holdWrites();
    await cluster.until(() => cluster.znode.writes.length === 1, "the leader proposes");
    cluster.elect(1, [1, 2, 3]);
    await cluster.assign();
    released();
    await cluster.pass(50);
    expect(cluster.node(1).table.find(ref)?.role).toBe("leading");
    expect(await produce(1, "a")).toBe(0);
    expect(cluster.znode.current.isr).toStrictEqual([1, 2]);
  });

  test("a higher epoch for the same leader does not fail appends that wait", async () => {
    await start();
    cluster.cut.add("3>1");
    const waiting = cluster.node(1).service.append(ref, producedBatch(2, "a"), all);
    await settled();
    cluster.elect(1, [1, 2]);
    await cluster.assign();
    let outcome: unknown = null;
    void waiting.then((one) => {
      outcome = one.error;
    });
    await cluster.until(() => outcome === null, "the append");
    expect((await waiting).error).toBeNull();
  });

  test("after an unclean election the followers give up what the new leader lacks", async () => {
    await start();
    await produce(1, "a");
    cluster.cut.add("1>3").add("3>1");
    await cluster.until(() => cluster.highWatermark(1) === 2, "committed");
    await produce(1, "b", { acks: -1, timeoutMs: lagMaxMs + 3000 });
    cluster.kill(1);
    cluster.elect(3, [3], { leaderRecovering: true });
    cluster.cut.clear();
    await cluster.assign();
    await cluster.until(() => cluster.znode.current.isr.length === 2, "2 and 3 in sync");
    expect(await produce(3, "c")).toBe(2);
    assertIdenticalLogs([2, 3]);
  });

  test("a follower that knows better than a leader that lost committed records sets itself aside", async () => {
    await start();
    await produce(1, "a");
    await produce(1, "b");
    await cluster.until(() => cluster.highWatermark(2) === 4, "committed at 2");
    await cluster.node(3).log().truncateTo(2);
    cluster.elect(3, [3, 2]);
    await cluster.assign();
    await cluster.node(3).service.append(ref, producedBatch(1, "z"), { acks: 1, timeoutMs: 100 });
    await cluster.until(() => cluster.node(2).table.find(ref)?.role === "diverged", "2 set aside");
    expect(cluster.node(2).log().endOffset, "its log is untouched").toBe(4);
  });
});

describe("the in-sync set", () => {
  test("whose write went through without an answer holds the high watermark back until that is known", async () => {
    await start();
    await produce(1, "a");
    cluster.znode.fates = ["lost", "lost"];
    cluster.kill(3);
    expect(await produce(1, "b")).toBe(2);
    expect(cluster.znode.current.isr).toStrictEqual([1, 2]);
    expect(cluster.znode.writes.length >= 2).toBe(true);
  });

  test("whose write got lost is written again", async () => {
    await start();
    cluster.znode.fates = ["dropped", "dropped", "dropped"];
    cluster.kill(3);
    expect(await produce(1, "b")).toBe(0);
    expect(cluster.znode.current.isr).toStrictEqual([1, 2]);
  });

  test("loses a member that comes back without its records before it can be elected on their strength", async () => {
    await start();
    await produce(1, "a");
    await produce(1, "b");
    cluster.kill(2);
    await cluster.stores.get(2)?.logs.get(`${topic}-0`)?.log.truncateTo(2);
    await cluster.boot(2);
    cluster.cut.add("1>2");
    await cluster.assign([2]);
    await cluster.until(() => !cluster.znode.current.isr.includes(2), "2 is out", 900);
    cluster.cut.clear();
    await cluster.until(() => cluster.znode.current.isr.length === 3, "2 is back");
    assertIdenticalLogs();
  });
});

describe("a leader that cannot prove its session", () => {
  test("appends nothing", async () => {
    await start();
    cluster.provedUntilMs.set(1, 0);
    expect(await produce(1, "a")).toBe("NOT_LEADER_OR_FOLLOWER");
    expect(cluster.node(1).log().endOffset).toBe(0);
  });

  test("acknowledges nothing, though the record is replicated (stopped and woken up)", async () => {
    await start();
    cluster.cut.add("3>1");
    const waiting = cluster.node(1).service.append(ref, producedBatch(2, "a"), all);
    await settled();
    cluster.provedUntilMs.set(1, cluster.clock.monotonicMs());
    cluster.cut.clear();
    await cluster.until(() => cluster.highWatermark(1) === 2, "replicated");
    expect((await waiting).error).toBe("NOT_LEADER_OR_FOLLOWER");
  });

  test("stands down and leads again when assigned again", async () => {
    await start();
    await produce(1, "a");
    const waiting = cluster.node(1).service.append(ref, producedBatch(2, "b"), all);
    cluster.node(1).table.standDown();
    expect((await waiting).error).toBe("NOT_LEADER_OR_FOLLOWER");
    expect(await produce(1, "c")).toBe("NOT_LEADER_OR_FOLLOWER");
    cluster.elect(1, [1, 2, 3]);
    await cluster.assign();
    expect(await produce(1, "d")).toBe(4);
    assertIdenticalLogs();
  });
});

describe("storage", () => {
  test("a failed directory answers KAFKA_STORAGE_ERROR, takes nothing up and follows nobody", async () => {
    await start();
    await produce(1, "a");
    cluster.cut.add("2>1").add("3>1");
    const waiting = cluster.node(1).service.append(ref, producedBatch(2, "b"), all);
    await settled();
    cluster.stores.get(1)?.fail();
    expect((await waiting).error).toBe("KAFKA_STORAGE_ERROR");
    expect(await produce(1, "c")).toBe("KAFKA_STORAGE_ERROR");
    cluster.elect(2, [2, 3]);
    const state = { topic, topicId, state: cluster.znode.current, settings: cluster.settings };
    expect(cluster.reported).toStrictEqual(["1: 0 offline"]);
    await cluster.node(1).table.assign([state]);
    expect(cluster.node(1).table.find(ref)?.role).toBe("offline");
    expect(cluster.node(1).fetchers.leaders).toStrictEqual([]);
  });

  test("high watermarks are found again after a restart", async () => {
    await start();
    await produce(1, "a");
    await cluster.pass(6000);
    expect(cluster.stores.get(2)?.highWatermarks).toStrictEqual(new Map([[`${topic}-0`, 2]]));
    cluster.kill(2);
    await cluster.boot(2);
    cluster.cut.add("2>1");
    await cluster.assign([2]);
    expect(cluster.highWatermark(2)).toBe(2);
  });

  test("a withdrawn replica's log is deleted, and its producers are told", async () => {
    await start();
    cluster.cut.add("3>1");
    const waiting = cluster.node(1).service.append(ref, producedBatch(2, "b"), all);
    await cluster.node(1).table.withdraw([{ ref, topicId, isDeleted: true }]);
    expect((await waiting).error).toBe("NOT_LEADER_OR_FOLLOWER");
    expect(cluster.stores.get(1)?.logs.size).toBe(0);
    expect(cluster.node(1).table.find(ref)).toBeNull();
  });

  test("a topic deleted and created again does not inherit the old log", async () => {
    await start();
    await produce(1, "a");
    const state = { ...cluster.znode.current, leaderEpoch: 0, stateVersion: 0, isr: [1] };
    await cluster.node(1).table.assign([{ topic, topicId: "AAAAAAAAAAAAAAAAAAAAAg", state, settings: cluster.settings }]);
    expect(cluster.node(1).log().endOffset).toBe(0);
    expect(cluster.highWatermark(1)).toBe(0);
  });
});

test("a newly assigned partition is fetched at once, whatever long poll is under way", async () => {
  await start();
  await cluster.pass(600);
  const second = { ...cluster.znode.current, partition: 1 };
  const beforeMs = cluster.clock.monotonicMs();
  for (const id of [1, 2, 3]) await cluster.node(id).table.assign([{ topic, topicId, state: second, settings: cluster.settings }]);
  let isDone = false;
  void cluster
    .node(1)
    .service.append({ topic, partition: 1 }, producedBatch(1, "q"), all)
    .then(({ error }) => {
      expect(error).toBeNull();
      isDone = true;
    });
  await cluster.until(() => isDone, "replicated");
  const tookMs = cluster.clock.monotonicMs() - beforeMs;
  expect(tookMs <= 100, `took ${tookMs} ms`).toBe(true);
});
