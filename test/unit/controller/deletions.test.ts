import { describe, expect, test } from "vitest";
import { afterAcknowledgements, deletionMaxAgeMs, expiredDeletions } from "../../../broker/controller/topic-deletions.ts";
import { silentLogger } from "../../../protocol/base/logger.ts";
import { cluster, created, options, topic } from "./requests.ts";
import type { World } from "./world.ts";

const records = (world: World) => world.ensemble.tree.children("/admin/ottla_deletions")?.names ?? [];
const deleteTopic = (world: World, name: string) => world.run(world.controller.deleteTopics([{ name, id: null }], options));

describe("deletions on record", () => {
  test("name the brokers that had replicas, until each has said that nothing is left", async () => {
    const world = await cluster();
    const [id] = await created(
      world,
      topic("t", [
        [1, 3],
        [3, 2],
      ]),
    );
    world.kill(3);
    await world.until("the dead follower left", () => !world.state("t").isr.includes(3));
    await deleteTopic(world, "t");
    await world.until("the living ones are off the record", () => {
      const node = world.ensemble.tree.read(`/admin/ottla_deletions/${id}`);
      return node !== null && JSON.parse(node.data.toString()).brokers.join() === "3";
    });
    world.startNode(3);
    await world.until("nobody is left", () => records(world).length === 0);
    expect(world.node(3).roles.deleted.sort()).toEqual([`${id}:0`, `${id}:1`]);
    expect(world.node(3).roles.setAside).toEqual([]);
  });

  test("stay for a broker that may have something left in a directory that is offline", async () => {
    const world = await cluster();
    const [id] = await created(world, topic("t", [[1, 2]]));
    world.node(2).roles.kept.add(id!);
    await deleteTopic(world, "t");
    await world.pass(10_000);
    expect(records(world)).toEqual([id]);
    world.kill(2);
    world.startNode(2);
    await world.until("told again in its next life", () => records(world).length === 0);
  });

  test("a topic that the coordinator merely does not know is set aside, and taken up when it is back", async () => {
    const world = await cluster();
    const [id] = await created(world, topic("t", [[1, 2]]));
    const backup = world.ensemble.backup();
    const tool = world.ensemble.open({ sessionTimeoutMs: 6_000, log: silentLogger });
    await world.run(tool.connected());
    const gone = ["partitions/0/state", "partitions/0", "partitions", `id-${id}`].map((path) => `/brokers/topics/t/${path}`);
    const remove = (path: string) => ({ kind: "delete", path, version: -1 }) as const;
    await world.run(tool.write([...gone, "/brokers/topics/t", "/config/topics/t"].map(remove)));
    const first = world.controllerId!;
    world.node(first).coordinator.expireSession();
    await world.until("the others set it aside", () => [1, 2].every((broker) => world.node(broker).roles.setAside.length > 0));
    expect([1, 2].flatMap((broker) => world.node(broker).roles.deleted)).toEqual([]);
    expect(backup.tree.read("/brokers/topics/t")).not.toBeNull();
  });

  test.each([1, 2, 3])("are carried out whenever the controller dies (seed %i)", async (seed) => {
    for (let steps = seed; steps < 120; steps += 9) {
      const world = await cluster([1, 2, 3], { seed });
      const [id] = await created(
        world,
        topic("t", [
          [1, 2],
          [2, 3],
        ]),
      );
      const previous = world.controllerId!;
      void world.controller.deleteTopics([{ name: "t", id: null }], options).catch(() => undefined);
      for (let step = 0; step < steps; step++) await world.step();
      world.kill(previous);
      await world.controllerAfter(previous);
      await world.pass(200);
      world.startNode(previous);
      await world.until("everybody is back", () => world.node(previous).images.current.brokers.size === 3);
      await world.pass(2_000);
      const isMarked = world.ensemble.tree.read("/brokers/topics/t") === null;
      if (!isMarked) continue; // it died before the marker was there
      await world.until("nobody is left on the record", () => records(world).length === 0);
      for (const broker of [1, 2, 3]) {
        expect([...world.diskOf(broker).keys()], `broker ${broker}, after ${steps} steps`).toEqual([]);
        expect(world.node(broker).roles.setAside, `broker ${broker} ${id}, after ${steps} steps`).toEqual([]);
      }
    }
  });

  test("who has answered is taken off; who has not stays", () => {
    const deletion = (...brokers: number[]) => ({ name: "t", brokers, timestampMs: 5 });
    const known = new Map([
      ["a", deletion(1, 2)],
      ["b", deletion(1)],
      ["c", deletion(2)],
    ]);
    expect(afterAcknowledgements(known, new Map([[1, new Set(["a", "b", "unknown"])]]))).toEqual(
      new Map([
        ["a", [2]],
        ["b", []],
      ]),
    );
  });

  test("the oldest beyond the bound go, and those that are too old", () => {
    const at = (timestampMs: number) => ({ name: "t", brokers: [1], timestampMs });
    const known = new Map([
      ["new", at(deletionMaxAgeMs + 100)],
      ["middle", at(50)],
      ["old", at(10)],
    ]);
    expect(expiredDeletions(known, deletionMaxAgeMs + 100, 10)).toEqual(["old", "middle"]);
    expect(expiredDeletions(known, deletionMaxAgeMs + 20, 10)).toEqual(["old"]);
    expect(expiredDeletions(known, 100, 2)).toEqual(["old"]);
  });
});

describe("a coordinator that lost its state", () => {
  test("is served by nobody, and nothing is removed, set aside or made; when its state is back, all goes on", async () => {
    const world = await cluster();
    const [id] = await created(world, topic("t", [[1, 2, 3]]));
    const backup = world.ensemble.backup();
    world.restore();
    await world.pass(60_000);
    expect(world.ensemble.tree.paths()).toEqual(["/"]);
    for (const broker of [1, 2, 3]) {
      expect(world.node(broker).membership.epoch).toBe(-1);
      expect([...world.diskOf(broker).keys()]).toEqual([`${id}:0`]);
    }
    world.restore(backup);
    await world.until("they are registered", () => [1, 2, 3].every((broker) => world.node(broker).membership.epoch > 0));
    await world.controllerAfter(-1);
    await created(world, topic("u", [[1, 2, 3]]));
    expect(world.node(2).roles.setAside).toEqual([]);
  });

  test("went back behind a topic, and whoever did not see that makes it live: the topic's logs are set aside, never deleted", async () => {
    const world = await cluster();
    await created(world, topic("early", [[1, 2]]));
    const backup = world.ensemble.backup();
    world.kill(3);
    const first = world.controllerId!;
    const [late] = await created(world, topic("late", [[1, 2]]));
    // the controller epoch rises, and broker 3 does not hear of it
    world.node(first).coordinator.expireSession();
    await world.until("a newer controller", () => world.seenBy(1) > world.seenBy(3) && world.seenBy(2) > world.seenBy(3));
    world.restore(backup);
    await world.pass(20_000);
    expect([1, 2].map((broker) => world.node(broker).membership.epoch)).toEqual([-1, -1]);
    world.startNode(3);
    await world.pass(5_000);
    expect(world.controllerId).toBe(3);
    // its epochs climb, until the others cannot tell any more
    while (world.node(1).membership.epoch < 0 || world.node(2).membership.epoch < 0) {
      world.kill(3);
      world.startNode(3);
      await world.pass(15_000);
    }
    await world.until("told by the new controller", () => world.node(1).roles.setAside.length + world.node(2).roles.setAside.length === 2);
    expect([1, 2].flatMap((broker) => world.node(broker).roles.setAside)).toEqual([`${late}:0`, `${late}:0`]);
    expect([1, 2].flatMap((broker) => world.node(broker).roles.deleted)).toEqual([]);
  });
});
