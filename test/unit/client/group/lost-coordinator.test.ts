import { describe, expect, test } from "vitest";
import { FakeCluster } from "../fake-cluster.ts";
import { FakeGroup } from "./fake-group.ts";
import { fill, Worker } from "./group-fixture.ts";

// How soon a member of a group is with the next coordinator, counted from when the brokers know it.

async function reading() {
  const cluster = new FakeCluster([1, 2, 3]);
  const [partition] = cluster.topic("t", [2]);
  const group = new FakeGroup(cluster);
  fill(partition, 0, 4);
  const worker = new Worker(cluster, ["t"], { autoCommit: false });
  await cluster.clock.advance(5_000);
  expect(worker.places).toEqual(["t-0@0", "t-0@1", "t-0@2", "t-0@3"]);
  return { cluster, group, worker };
}

const searches = ({ requests }: FakeCluster) => requests.filter((request) => request.startsWith("FindCoordinator@")).length;

describe("a commit whose coordinator", () => {
  test.each([20, 90, 170, 350, 800, 2_500])("is killed is answered soon after another one coordinates, %d ms later", async (outageMs) => {
    const { cluster, group, worker } = await reading();
    await cluster.kill(1);
    const committed = worker.consumer.commit([{ topic: "t", partition: 0, offset: 3 }]);
    await cluster.clock.advance(outageMs);
    group.coordinator = 2;
    const movedMs = cluster.clock.monotonicMs();
    await cluster.clock.until(committed);
    expect(cluster.clock.monotonicMs() - movedMs).toBeLessThanOrEqual(Math.min(Math.max(outageMs * 0.35, 90), 600));
    expect(group.commits).toEqual(["t-0=3"]);
  });

  test.each([1_100, 1_700, 3_000])("falls silent is answered soon after another one coordinates, %d ms later", async (outageMs) => {
    const { cluster, group, worker } = await reading();
    cluster.hang(1);
    const committed = worker.consumer.commit([{ topic: "t", partition: 0, offset: 3 }]);
    await cluster.clock.advance(outageMs);
    group.coordinator = 2;
    const movedMs = cluster.clock.monotonicMs();
    await cluster.clock.until(committed);
    expect(cluster.clock.monotonicMs() - movedMs).toBeLessThanOrEqual(Math.min(outageMs * 0.3, 600));
    expect(group.commits).toEqual(["t-0=3"]);
  });

  test("never comes back is looked for some times a second, and no more", async () => {
    const { cluster, worker } = await reading();
    await cluster.kill(1);
    const committed = worker.consumer.commit([{ topic: "t", partition: 0, offset: 3 }]);
    committed.catch(() => undefined);
    const before = searches(cluster);
    await cluster.clock.advance(10_000);
    // of the commit, and of heartbeats
    expect(searches(cluster) - before).toBeLessThanOrEqual(60);
    await worker.consumer.close();
  });
});

test("heartbeats go to the next coordinator in time, so the member stays", async () => {
  const { cluster, group, worker } = await reading();
  cluster.hang(1);
  await cluster.clock.advance(2_500);
  group.coordinator = 3;
  await cluster.clock.advance(6_000);
  expect(cluster.requests).toContain("Heartbeat@3");
  expect([group.generation, worker.owned]).toEqual([1, ["t-0"]]);
});
