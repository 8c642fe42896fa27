import { expect, test, vi } from "vitest";
import { Partition } from "../../../broker/partition/partition.ts";
import { producedBatch } from "../../support/memory-log.ts";
import { MiniCluster, ref } from "./mini-cluster.ts";

test("a partition in which nothing happens is neither named by its followers nor visited by its leader", async () => {
  const cluster = new MiniCluster();
  await cluster.start();
  const appended = cluster.node(1).service.append(ref, producedBatch(), { acks: -1, timeoutMs: 5000 });
  await cluster.until(() => [1, 2, 3].every((id) => cluster.highWatermark(id) === 1), "all know that it is committed");
  expect((await appended).error).toBe(null);
  await cluster.pass(3000);
  const ticks = vi.spyOn(Partition.prototype, "tick");
  cluster.named = 0;
  const fetches = cluster.fetches;
  await cluster.pass(20_000);
  expect(ticks).not.toHaveBeenCalled();
  expect(cluster.named).toBe(0);
  expect(cluster.fetches - fetches, "each follower waits at the leader").toBeLessThanOrEqual(82);
  // once something happens, it has been in sync all the time
  cluster.cut.add("2>1");
  void cluster.node(1).service.append(ref, producedBatch(), { acks: -1, timeoutMs: 20_000 });
  await cluster.pass(3500);
  expect(cluster.znode.current.isr, "the lag time is not over").toStrictEqual([1, 2, 3]);
  await cluster.pass(2500);
  expect(cluster.znode.current.isr).toStrictEqual([1, 3]);
  ticks.mockRestore();
  await cluster.stop();
});
