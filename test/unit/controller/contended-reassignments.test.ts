import { expect, test } from "vitest";
import { silentLogger } from "../../../protocol/base/logger.ts";
import { cluster, created, options, topic } from "./requests.ts";

const move = { ...options, mayChangeReplicationFactor: true };
const count = 60;
const wanted = Array.from({ length: count }, (_, partition) => ({ topic: "t", partition, replicas: [1, 3] }));

/** Before each transaction of an assignment, the state of the partition that `next` names is written, as leaders do. */
async function contended(next: () => number | undefined) {
  const world = await cluster([1, 2, 3]);
  await created(world, topic("t", Array.from({ length: count }, () => [1, 2]))); // biome-ignore format: the assignment
  const leader = world.ensemble.open({ sessionTimeoutMs: 6_000, log: silentLogger });
  await world.run(leader.connected());
  const { coordinator } = world.node(world.controllerId!);
  const write = coordinator.write.bind(coordinator);
  coordinator.write = async (operations) => {
    const isAssignment = operations.some(({ kind, path }) => kind === "set" && path === "/brokers/topics/t");
    const partition = isAssignment ? next() : undefined;
    const path = `/brokers/topics/t/partitions/${partition}/state`;
    if (partition !== undefined) await leader.write([{ kind: "set", path, data: world.ensemble.tree.read(path)!.data, version: -1 }]);
    return write(operations);
  };
  const epoch = () => world.ensemble.tree.read("/controller_epoch")!.data.toString();
  const term = epoch();
  const answers = await world.run(world.controller.alterPartitionReassignments(wanted, move));
  const stored = JSON.parse(world.ensemble.tree.read("/brokers/topics/t")!.data.toString());
  return { answers, moving: Object.keys(stored.adding_replicas), isSameTerm: () => epoch() === term, world };
}

test("however many leaders write in-sync sets meanwhile, each once: all are reassigned", async () => {
  let written = 0;
  const { answers, moving, isSameTerm } = await contended(() => (written < 40 ? written++ : undefined));
  expect(answers.filter(({ error }) => error !== "NONE")).toEqual([]);
  expect(moving).toHaveLength(count);
  expect(written).toBe(40);
  expect(isSameTerm()).toBe(true);
});

test("a partition that is changed again and again is left as it is, and the controller stays", async () => {
  const { answers, moving, isSameTerm, world } = await contended(() => 7);
  expect(answers.filter(({ error }) => error !== "NONE")).toMatchObject([{ partition: 7, error: "REQUEST_TIMED_OUT" }]);
  expect(moving).toHaveLength(count - 1);
  await world.pass(2_000);
  expect(isSameTerm()).toBe(true);
});
