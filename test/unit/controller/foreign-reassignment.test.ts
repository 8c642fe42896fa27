import { describe, expect, test } from "vitest";
import { silentLogger } from "../../../protocol/base/logger.ts";
import { cluster, created, options, seen, topic } from "./requests.ts";

const path = "/brokers/topics/t";
const replicas = { 0: [3, 2, 1], 1: [2, 3] };
const reassignment = { adding_replicas: { 0: [3] }, removing_replicas: { 0: [1] } };

/** A topic that another tool was reassigning before this project's brokers took the cluster over. */
async function begunElsewhere(members: object) {
  const world = await cluster();
  await created(world, topic("t", [[1, 2], [2, 3]])); // biome-ignore format: the assignment
  const tool = world.ensemble.open({ sessionTimeoutMs: 6_000, log: silentLogger });
  await world.run(tool.connected());
  const known = JSON.parse(world.ensemble.tree.read(path)!.data.toString());
  const data = Buffer.from(JSON.stringify({ version: 3, partitions: replicas, ...reassignment, ...members }));
  await world.run(tool.write([{ kind: "set", path, data, version: -1 }]));
  const previous = world.controllerId!;
  world.kill(previous);
  await world.controllerAfter(previous);
  await world.until("the new controller has loaded", () => world.aliveIds.every((id) => seen(world, id, "t")?.replicas.length === 3));
  return { world, stored: () => JSON.parse(world.ensemble.tree.read(path)!.data.toString()), topicId: known.topic_id };
}

test("a topic's id is added to a reassignment that another tool has begun, and erases nothing of it", async () => {
  const { stored } = await begunElsewhere({});
  expect(stored()).toMatchObject({ partitions: replicas, ...reassignment });
  expect(stored().topic_id).toMatch(/^.{22}$/);
});

test("while partitions are reassigned, a topic gets no more of them", async () => {
  const { world, stored, topicId } = await begunElsewhere({});
  const wanted = [{ name: "t", count: 3, assignments: null }];
  expect(await world.run(world.controller.createPartitions(wanted, options))).toMatchObject([{ error: "REASSIGNMENT_IN_PROGRESS" }]);
  expect(stored()).toMatchObject({ partitions: replicas, ...reassignment });
  expect(topicId).toMatch(/^.{22}$/);
});

describe("what another tool writes into a topic's znode in the middle of a term", () => {
  const move = { ...options, mayChangeReplicationFactor: true };

  /** `change`: the znode's contents, from what they are. */
  async function changedBy(change: (known: Record<string, unknown>) => object) {
    const world = await cluster();
    await created(world, topic("t", [[1, 2], [1, 2]])); // biome-ignore format: the assignment
    const tool = world.ensemble.open({ sessionTimeoutMs: 6_000, log: silentLogger });
    await world.run(tool.connected());
    const stored = () => JSON.parse(world.ensemble.tree.read(path)!.data.toString());
    const data = Buffer.from(JSON.stringify(change(stored())));
    await world.run(tool.write([{ kind: "set", path, data, version: -1 }]));
    const epoch = () => world.ensemble.tree.read("/controller_epoch")!.data.toString();
    const term = epoch();
    const alter = async (replicas: readonly number[]) =>
      (await world.run(world.controller.alterPartitionReassignments([{ topic: "t", partition: 0, replicas }], move)))[0]!;
    return { world, stored, alter, isSameTerm: () => epoch() === term };
  }

  test("more partitions are kept, and the next controller takes them up", async () => {
    const { world, stored, alter } = await changedBy((known) => ({ ...known, partitions: { 0: [1, 2], 1: [1, 2], 2: [2, 3] } }));
    expect(await alter([1, 3])).toMatchObject({ error: "NONE" });
    expect(await alter([2, 3])).toMatchObject({ error: "NONE" });
    expect(stored().partitions).toEqual({ 0: [2, 3, 1], 1: [1, 2], 2: [2, 3] });
    expect(await alter([1, 2])).toMatchObject({ error: "NONE" });
    expect(stored()).toMatchObject({ partitions: { 0: [1, 2], 2: [2, 3] }, adding_replicas: {} });
    const more = await world.run(world.controller.createPartitions([{ name: "t", count: 3, assignments: [[1, 3]] }], options));
    expect(more).toMatchObject([{ error: "REASSIGNMENT_IN_PROGRESS" }]);
    expect(stored().partitions[2]).toEqual([2, 3]);
    const previous = world.controllerId!;
    world.kill(previous);
    await world.controllerAfter(previous);
    await world.until("it is taken up", () => world.aliveIds.every((id) => seen(world, id, "t", 2) !== undefined));
  });

  test("a reassignment goes on as soon as it is seen", async () => {
    const { world, stored, alter } = await changedBy((known) => ({ ...known, removing_replicas: { 1: [2] } }));
    await alter([2, 1]);
    await world.until("it is seen", () => seen(world, 1, "t", 1)?.reassignment !== undefined);
    const { reassignments } = await world.run(world.controller.listPartitionReassignments(null, 1000));
    expect(reassignments).toMatchObject([{ partition: 1, removing: [2] }]);
    const { leaderEpoch, stateVersion: expectedVersion, isrEpochs } = seen(world, 1, "t", 1)!;
    const topicId = world.node(1).images.current.topics.get("t")!.id;
    const left = { topic: "t", topicId, partition: 1, leader: 1, leaderEpoch, isr: [1], isrEpochs, formerSize: 2, expectedVersion };
    await world.run(world.node(1).isrStore.writeIsr(left));
    await world.until("it is over", () => stored().removing_replicas[1] === undefined);
    expect(stored().partitions[1]).toEqual([1]);
  });

  test("another topic of that name, or fewer partitions, is not overwritten", async () => {
    const cases = [
      [(known: object) => ({ ...known, topic_id: "AAAAAAAAAAAAAAAAAAAAAQ" }), "UNKNOWN_TOPIC_OR_PARTITION"],
      [(known: object) => ({ ...known, partitions: { 0: [1, 2] } }), "REASSIGNMENT_IN_PROGRESS"],
    ] as const;
    for (const [change, error] of cases) {
      const { stored, alter, isSameTerm } = await changedBy(change);
      const before = stored();
      for (let attempt = 0; attempt < 2; attempt++) expect(await alter([1, 3])).toMatchObject({ error });
      expect(stored()).toEqual(before);
      expect(isSameTerm()).toBe(true);
    }
  });
});
