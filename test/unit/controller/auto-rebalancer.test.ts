import { describe, expect, test } from "vitest";
import type { Logger } from "../../../protocol/base/logger.ts";
import { autoRebalanceOf } from "./controller-settings.ts";
import { cluster, created, options, seen, topic } from "./requests.ts";
import type { World } from "./world.ts";

const calmMs = 5_000;
const pauseMs = 60_000;

interface Line {
  readonly msg: string;
  readonly reason?: string;
}

/** What the controllers log of it. */
function recorded(lines: Line[]): Logger {
  const take = (fields: unknown, msg = "") => {
    if (msg.includes("ottla.auto.rebalance")) lines.push({ msg, ...(fields as object) });
  };
  const log: Logger = { debug: take, info: take, warn: take, error: take, child: () => log } as Logger;
  return log;
}

async function balanced(set: Readonly<Record<string, string>>, ids: readonly number[] = [1, 2, 3]) {
  const texts: Record<string, string> = {
    "ottla.auto.rebalance.calm.ms": String(calmMs),
    "ottla.auto.rebalance.interval.ms": "500",
    "ottla.auto.rebalance.cancelled.pause.ms": String(pauseMs),
    "ottla.auto.rebalance.partitions.at.once": "2",
    ...set,
  };
  const lines: Line[] = [];
  // resolved each time, as it is for a broker
  const settings = { autoRebalance: () => autoRebalanceOf(texts) };
  const world = await cluster(ids, { settings, log: recorded(lines) });
  const reasons = () => lines.map(({ msg, reason }) => (msg.includes("moves nothing") ? reason : msg));
  return { world, texts, lines, reasons };
}

const stored = (world: World, name = "t") => JSON.parse(world.ensemble.tree.read(`/brokers/topics/${name}`)!.data.toString());
const isMoving = (world: World) => Object.keys({ ...stored(world).adding_replicas, ...stored(world).removing_replicas }).length > 0;

const wholeRounds = 6;

/** As leaders do: who is being added catches up, and once one that stays leads, the others are let go. */
async function catchUp(world: World, name = "t"): Promise<void> {
  for (let round = 0; round < wholeRounds; round++) {
    for (const [partition, replicas] of world.assignment(name).entries()) {
      const { leader, isr, leaderEpoch } = world.state(name, partition);
      const known = seen(world, leader, name, partition);
      if (known?.leaderEpoch !== leaderEpoch || world.nodes.get(leader)?.isAlive !== true) continue;
      const removing: number[] = stored(world, name).removing_replicas[partition] ?? [];
      const wanted = replicas.filter((id) => !removing.includes(id));
      const areIn = wanted.every((id) => isr.includes(id)) && wanted.includes(leader);
      const next = (areIn ? wanted : replicas).filter((id) => world.nodes.get(id)?.isAlive);
      if (next.toSorted().join() === isr.toSorted().join()) continue;
      const isrEpochs = Object.fromEntries(next.map((id) => [id, world.node(id).membership.epoch]));
      const topicId = world.node(leader).images.current.topics.get(name)!.id;
      const from = { leader, leaderEpoch, formerSize: isr.length, expectedVersion: known.stateVersion };
      await world.run(world.node(leader).isrStore.writeIsr({ topic: name, topicId, partition, isr: next, isrEpochs, ...from }));
    }
    await world.pass(100);
  }
}

function copiesOn(world: World, id: number, name = "t"): number {
  return world.assignment(name).filter((replicas) => replicas.includes(id)).length;
}

async function untilEven(world: World, id: number, copies: number, seconds = 120): Promise<void> {
  for (let second = 0; second < seconds && (copiesOn(world, id) < copies || isMoving(world)); second++) {
    await world.pass(400);
    await catchUp(world);
  }
  expect([copiesOn(world, id), isMoving(world)]).toEqual([copies, false]);
}

const assignment = [[1, 2], [2, 3], [3, 1], [1, 3], [2, 1], [3, 2], [1, 2], [2, 3]]; // biome-ignore format: pairs

/** Three brokers with data, and a fourth that has just come. */
async function grown(set: Readonly<Record<string, string>>) {
  const made = await balanced(set);
  await created(made.world, topic("t", assignment));
  made.world.startNode(4);
  await made.world.until("the fourth is known", () => made.world.node(1).images.current.brokers.size === 4);
  return made;
}

describe.each(["new-brokers", "full"])("ottla.auto.rebalance=%s", (mode) => {
  test("a broker that came gets its share, a few partitions at a time, once all has been well for a while", async () => {
    const { world, reasons } = await grown({ "ottla.auto.rebalance": mode });
    await world.pass(calmMs - 1000);
    expect(isMoving(world)).toBe(false);
    await world.pass(2000);
    expect(isMoving(world)).toBe(true);
    expect(Object.keys(stored(world).adding_replicas).length).toBeLessThanOrEqual(2);
    await world.pass(10_000);
    expect(Object.keys(stored(world).adding_replicas).length).toBeLessThanOrEqual(2);
    await untilEven(world, 4, 4);
    expect([1, 2, 3].map((id) => copiesOn(world, id))).toEqual([4, 4, 4]);
    await world.pass(3 * calmMs);
    expect(isMoving(world)).toBe(false);
    expect(reasons().at(0)).toContain("waits until all has been well");
    expect(reasons().at(-1)).toContain("nothing to move");
    // each is said once
    expect(reasons().filter((line) => line?.includes("nothing to move"))).toHaveLength(1);
    expect(reasons().filter((line) => line?.includes("moved by themselves"))).toHaveLength(2);
  });

  test("goes on after the controller has died in the middle", async () => {
    const { world } = await grown({ "ottla.auto.rebalance": mode, "ottla.auto.rebalance.partitions.at.once": "1" });
    await world.until("the first move", () => isMoving(world));
    await untilEven(world, 4, 3);
    const previous = world.controllerId!;
    world.kill(previous);
    await world.controllerAfter(previous);
    world.startNode(previous);
    await world.until("it is back", () => world.node(previous).images.current.brokers.size === 4);
    await catchUp(world);
    await untilEven(world, 4, 4);
  });
});

describe("it begins nothing", () => {
  test("while a partition is under-replicated", async () => {
    const { world, reasons } = await grown({ "ottla.auto.rebalance": "full" });
    const { leader, leaderEpoch, isr, stateVersion } = { ...world.state("t"), stateVersion: seen(world, 1, "t")!.stateVersion };
    const change = { topic: "t", topicId: world.node(1).images.current.topics.get("t")!.id, partition: 0, leader, leaderEpoch };
    const isrEpochs = { 1: world.node(1).membership.epoch };
    await world.run(
      world.node(1).isrStore.writeIsr({ ...change, isr: [1], isrEpochs, formerSize: isr.length, expectedVersion: stateVersion }),
    );
    await world.pass(5 * calmMs);
    expect(isMoving(world)).toBe(false);
    expect(reasons()).toContain("t-0 is under-replicated");
    await catchUp(world);
    await world.pass(calmMs - 1000);
    expect(isMoving(world)).toBe(false);
    await untilEven(world, 4, 4);
  });

  test("while a broker is away, until it has been back for a while", async () => {
    const { world } = await grown({ "ottla.auto.rebalance": "full" });
    world.kill(3);
    await world.pass(5 * calmMs);
    expect(isMoving(world)).toBe(false);
    world.startNode(3);
    await world.until("it is back", () => world.node(1).images.current.brokers.size === 4);
    await catchUp(world);
    await world.pass(calmMs - 1500);
    expect(isMoving(world)).toBe(false);
    await untilEven(world, 4, 4);
  });

  test("while somebody else moves a partition, and for a while after", async () => {
    const { world, reasons } = await grown({ "ottla.auto.rebalance": "full" });
    await world.run(
      world.controller.alterPartitionReassignments([{ topic: "t", partition: 0, replicas: [1, 3] }], {
        ...options,
        mayChangeReplicationFactor: true,
      }),
    );
    await world.pass(5 * calmMs);
    expect(Object.keys(stored(world).adding_replicas)).toEqual(["0"]);
    expect(reasons()).toContain("partitions are being reassigned, not by this controller itself");
    await catchUp(world);
    await world.until("it is over", () => !isMoving(world));
    await world.pass(calmMs - 1000);
    expect(isMoving(world)).toBe(false);
    await untilEven(world, 4, 4);
  });

  test("onto a broker that was drained", async () => {
    const { world, texts } = await grown({ "ottla.auto.rebalance": "full", "ottla.auto.rebalance.excluded.brokers": "4" });
    await world.pass(5 * calmMs);
    expect(isMoving(world)).toBe(false);
    texts["ottla.auto.rebalance.excluded.brokers"] = "";
    await untilEven(world, 4, 4);
  });

  test("when it is off, and notes nothing", async () => {
    const { world, texts, lines } = await grown({ "ottla.auto.rebalance": "off" });
    await world.pass(5 * calmMs);
    expect(isMoving(world)).toBe(false);
    expect(lines).toEqual([]);
    expect(world.exists("/admin/ottla_auto_rebalance")).toBe(false);
    // as at run time: then all is to be well for a while first
    texts["ottla.auto.rebalance"] = "new-brokers";
    await world.pass(calmMs - 1000);
    expect(isMoving(world)).toBe(false);
    await untilEven(world, 4, 4);
  });
});

test("after a cancellation nothing is begun for a while, by a later controller neither", async () => {
  const { world, reasons } = await grown({ "ottla.auto.rebalance": "new-brokers" });
  await world.until("a move", () => isMoving(world));
  const cancelled = Object.keys(stored(world).adding_replicas).map((partition) => ({
    topic: "t",
    partition: Number(partition),
    replicas: null,
  }));
  const cancelledAtMs = world.sim.nowMs;
  await world.run(world.controller.alterPartitionReassignments(cancelled, { ...options, mayChangeReplicationFactor: true }));
  await world.until("it is over", () => !isMoving(world));
  expect(world.assignment("t").map((replicas) => replicas.toSorted().join())).toEqual(
    assignment.map((replicas) => replicas.toSorted().join()),
  );
  const previous = world.controllerId!;
  world.kill(previous);
  await world.controllerAfter(previous);
  world.startNode(previous);
  await world.until("it is back", () => world.node(previous).images.current.brokers.size === 4);
  await catchUp(world);
  await world.pass(pauseMs - (world.sim.nowMs - cancelledAtMs) - 1000);
  expect(isMoving(world)).toBe(false);
  expect(reasons().some((line) => line?.includes("was cancelled"))).toBe(true);
  await untilEven(world, 4, 4);
});

test("the note of a cancellation comes first: where it cannot be written, nothing is cancelled", async () => {
  const { world } = await grown({ "ottla.auto.rebalance": "new-brokers" });
  await world.until("a move", () => isMoving(world));
  const [partition] = Object.keys(stored(world).adding_replicas);
  const { coordinator } = world.node(world.controllerId!);
  const written: string[] = [];
  const write = coordinator.write.bind(coordinator);
  coordinator.write = (operations) => {
    written.push(...operations.flatMap(({ kind, path }) => (kind === "check" ? [] : [path])));
    return write(operations);
  };
  await world.run(
    world.controller.alterPartitionReassignments([{ topic: "t", partition: Number(partition), replicas: null }], {
      ...options,
      mayChangeReplicationFactor: true,
    }),
  );
  expect(written.indexOf("/admin/ottla_auto_rebalance")).toBe(0);
  expect(written).toContain("/brokers/topics/t");
});
