import { expect, test } from "vitest";
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
