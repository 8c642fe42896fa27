import { expect, test } from "vitest";
import type { IsrChangeRequest } from "../../../broker/partition/cluster-contract.ts";
import { silentLogger } from "../../../protocol/base/logger.ts";
import { cluster, created, options, topic } from "./requests.ts";

/**
 * Broker 1 led a topic, was not told that it was deleted, and a topic of the same name is there by now: same path, same version, same
 * epoch.
 */
async function behind(assignment: readonly number[]) {
  const world = await cluster();
  const [first] = await created(world, topic("t", [[1, 2]]));
  world.isLost = (_from, to, kind) => to === 1 && kind === "metadata-update";
  const wait = { ...options, timeoutMs: 100 };
  await world.run(world.controller.deleteTopics([{ name: "t", id: null }], wait));
  const [second] = await world.run(world.controller.createTopics([topic("t", [assignment])], wait));
  const stale: IsrChangeRequest = {
    topic: "t",
    topicId: first!,
    partition: 0,
    leader: 1,
    leaderEpoch: 0,
    isr: [1],
    isrEpochs: {},
    formerSize: 1,
    expectedVersion: 0,
  };
  return { world, stale, second: second!.topicId };
}

test.each([[[2, 3]], [[1, 3]]])(
  "a leader of a deleted topic does not write its in-sync set into the topic re-created on %j",
  async (assignment) => {
    const { world, stale } = await behind(assignment);
    const before = world.state("t");
    expect(await world.run(world.node(1).isrStore.writeIsr(stale))).toEqual({ kind: "unknown" });
    expect(world.state("t")).toEqual(before);
    world.isLost = () => false;
    await world.until("it is told", () => world.node(1).images.current.topics.get("t")?.id !== stale.topicId);
    expect(await world.run(world.node(1).isrStore.writeIsr(stale))).toEqual({ kind: "fenced" });
  },
);

test("a topic that another tool has made, with an id and no more, lets its leaders write", async () => {
  const world = await cluster();
  const [id] = await created(world, topic("t", [[1, 2]]));
  const { names } = world.ensemble.tree.children("/brokers/topics/t")!;
  const own = names.filter((name) => name !== "partitions").map((name) => `/brokers/topics/t/${name}`);
  const tool = world.ensemble.open({ sessionTimeoutMs: 6_000, log: silentLogger });
  await world.run(tool.connected());
  await world.run(tool.write(own.map((path) => ({ kind: "delete", path, version: -1 }))));
  const change = {
    topic: "t",
    topicId: id!,
    partition: 0,
    leader: 1,
    leaderEpoch: 0,
    isr: [1],
    isrEpochs: {},
    formerSize: 1,
    expectedVersion: 0,
  };
  expect(await world.run(world.node(1).isrStore.writeIsr(change))).toEqual({ kind: "unknown" });
  const previous = world.controllerId!;
  world.kill(previous);
  await world.controllerAfter(previous);
  await world.until("the new controller has loaded", () => own.every((path) => world.exists(path)));
});
