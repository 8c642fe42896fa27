import { afterEach, describe, expect, test } from "vitest";
import { throttledReplicas } from "../../../broker/runtime/config/throttled-replicas.ts";
import { producedBatch } from "../../support/memory-log.ts";
import { lagMaxMs, MiniCluster, ref, topic } from "./mini-cluster.ts";

let cluster: MiniCluster;
afterEach(() => cluster.stop());

const batchBytes = producedBatch(1, "x".repeat(500)).length;

/** Milliseconds until all in sync have it. */
async function produce(fill = "x".repeat(500)): Promise<number> {
  const beganMs = cluster.clock.monotonicMs();
  let error: string | null | undefined;
  void cluster
    .node(1)
    .service.append(ref, producedBatch(1, fill), { acks: -1, timeoutMs: 60_000 })
    .then((outcome) => {
      error = outcome.error;
    });
  await cluster.until(() => error !== undefined, "an answer");
  expect(error).toBeNull();
  return cluster.clock.monotonicMs() - beganMs;
}

interface Lists {
  readonly leader?: readonly string[];
  readonly follower?: readonly string[];
}

/** Broker 3 comes back, and lacks so many batches. */
async function comeBack(batches: number, lists: Lists, rates: Partial<MiniCluster["rates"]> = {}): Promise<void> {
  cluster = new MiniCluster({
    leaderThrottledReplicas: throttledReplicas(lists.leader ?? []),
    followerThrottledReplicas: throttledReplicas(lists.follower ?? []),
  });
  await cluster.start();
  await produce("first");
  cluster.kill(3);
  for (let i = 0; i < batches; i++) await produce();
  // long enough for nobody to expect it in a moment
  await cluster.pass(lagMaxMs + 1000);
  await produce("last");
  expect(cluster.znode.current.isr).toEqual([1, 2]);
  cluster.rates = { leader: null, follower: null, ...rates };
  await cluster.boot(3);
  await cluster.assign([3]);
}

const isBack = () => cluster.znode.current.isr.length === 3;

describe.each([
  ["leader", { leader: ["0:1"] }],
  ["leader", { leader: ["*"], follower: ["0:2"] }],
  ["follower", { follower: ["0:3"] }],
] as const)("a replica that is throttled by its %s (%o)", (side, lists) => {
  test("catches up at the rate that is set, while producers wait for nobody", async () => {
    await comeBack(40, lists, { [side]: 4000 });
    const beganMs = cluster.clock.monotonicMs();
    const latencies: number[] = [];
    let missingBytes = 40 * batchBytes;
    while (!isBack()) {
      latencies.push(await produce("tiny"));
      missingBytes += producedBatch(1, "tiny").length;
      await cluster.pass(200);
    }
    const seconds = (cluster.clock.monotonicMs() - beganMs) / 1000;
    expect(Math.max(...latencies)).toBeLessThanOrEqual(20);
    expect(missingBytes / seconds / 4000).toBeGreaterThan(0.85);
    expect(missingBytes / seconds / 4000).toBeLessThan(1.15);
  });

  test("goes faster as soon as the rate is raised, and at once when it is taken away", async () => {
    await comeBack(40, lists, { [side]: 500 });
    await cluster.pass(5000);
    expect(isBack()).toBe(false);
    cluster.rates = { leader: null, follower: null, [side]: 50_000 };
    await cluster.pass(200);
    expect(isBack()).toBe(false);
    await cluster.until(() => cluster.node(3).log().endOffset > 30, "most of it", 1000);
    cluster.rates = { leader: null, follower: null };
    const beganMs = cluster.clock.monotonicMs();
    await cluster.until(isBack, "in sync", 2000);
    expect(cluster.clock.monotonicMs() - beganMs).toBeLessThanOrEqual(600);
  });
});

test("lists name replicas of one partition on one broker: others are not throttled", async () => {
  await comeBack(40, { leader: ["1:1", "0:2", "0:3"], follower: ["0:1", "0:2", "1:3"] }, { leader: 1, follower: 1 });
  await cluster.until(isBack, "in sync", 1000);
});

test("a replica that is in sync is not throttled, and one that is about to join is not either", async () => {
  await comeBack(0, { leader: ["*"], follower: ["*"] });
  await cluster.until(isBack, "in sync");
  cluster.rates = { leader: 0, follower: 0 };
  for (let i = 0; i < 5; i++) expect(await produce()).toBeLessThanOrEqual(20);
  cluster.rates = { leader: null, follower: null };
  cluster.kill(3);
  await produce();
  await cluster.pass(lagMaxMs + 1000);
  await produce();
  // its joining is proposed, and holds back the high watermark from then on; the coordinator does not answer
  const let3In = cluster.znode.holdWrites();
  await cluster.boot(3);
  await cluster.assign([3]);
  await cluster.until(() => cluster.node(3).log().writtenEndOffset === cluster.node(1).log().writtenEndOffset, "all to be copied");
  await cluster.pass(600);
  cluster.rates = { leader: 0, follower: 0 };
  const beganMs = cluster.clock.monotonicMs();
  const latency = produce();
  await cluster.until(() => cluster.highWatermark(1) === cluster.node(1).log().endOffset, "the records to be committed", 100);
  expect(await latency).toBeLessThanOrEqual(20);
  expect(cluster.clock.monotonicMs() - beganMs).toBeLessThanOrEqual(20);
  expect(cluster.node(3).table.find({ topic, partition: 0 })?.followership()?.isThrottled, "as far as 3 knows").toBe(true);
  let3In();
  await cluster.until(isBack, "in sync");
});

test("a replica that was away for a moment is not throttled: the high watermark waits for it", async () => {
  cluster = new MiniCluster({ leaderThrottledReplicas: throttledReplicas(["*"]), followerThrottledReplicas: throttledReplicas(["*"]) });
  await cluster.start();
  await produce("first");
  cluster.rates = { leader: 0, follower: 0 };
  cluster.kill(3);
  for (let i = 0; i < 10; i++) await produce();
  await cluster.boot(3);
  await cluster.assign([3]);
  await cluster.pass(30);
  expect(await produce()).toBeLessThanOrEqual(20);
  await cluster.until(isBack, "in sync", 1000);
});

test("a quota that is spent for good costs two requests a second, and no more", async () => {
  await comeBack(40, { follower: ["*"] }, { follower: 0 });
  await cluster.pass(1000);
  const before = cluster.fetches;
  await cluster.pass(10_000);
  expect(cluster.fetches - before, "of brokers 2 and 3").toBeLessThanOrEqual(42);
  expect(isBack()).toBe(false);
});

test("a topic's lists may change while it is copied", async () => {
  await comeBack(40, { leader: ["*"], follower: ["*"] }, { leader: 0, follower: 0 });
  await cluster.pass(2000);
  expect(isBack()).toBe(false);
  const none = throttledReplicas([]);
  for (const { table } of cluster.nodes.values())
    table.updateSettings(topic, { ...cluster.settings, leaderThrottledReplicas: none, followerThrottledReplicas: none });
  await cluster.until(isBack, "in sync", 1000);
});
