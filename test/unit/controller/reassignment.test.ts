import { describe, expect, test } from "vitest";
import type { ControllerService } from "../../../broker/controller/controller-service.ts";
import { cluster, created, options, seen, topic } from "./requests.ts";
import type { World } from "./world.ts";

const move = { ...options, mayChangeReplicationFactor: true };
type Wanted = Parameters<ControllerService["alterPartitionReassignments"]>[0][number];

const alter = (world: World, wanted: readonly Wanted[], more: Partial<typeof move> = {}) =>
  world.run(world.controller.alterPartitionReassignments(wanted, { ...move, ...more }));
const to = (replicas: readonly number[] | null, partition = 0, name = "t") => ({ topic: name, partition, replicas });
const underWay = async (world: World) => (await world.run(world.controller.listPartitionReassignments(null, 1000))).reassignments;

const stored = (world: World, name = "t") => JSON.parse(world.ensemble.tree.read(`/brokers/topics/${name}`)!.data.toString());

/** One attempt of the leader to write this in-sync set. */
async function written(world: World, isr: readonly number[], partition = 0) {
  await world.until("the leader knows that it leads", () => {
    const { leader, leaderEpoch } = world.state("t", partition);
    return seen(world, leader, "t", partition)?.leaderEpoch === leaderEpoch;
  });
  const { leader } = world.state("t", partition);
  const { leaderEpoch, stateVersion: expectedVersion } = seen(world, leader, "t", partition)!;
  const isrEpochs = Object.fromEntries(isr.map((id) => [id, world.node(id).membership.epoch]));
  const topicId = world.node(leader).images.current.topics.get("t")!.id;
  const change = { topic: "t", topicId, partition, leader, leaderEpoch, isr, isrEpochs, formerSize: isr.length, expectedVersion };
  return () => world.node(leader).isrStore.writeIsr(change);
}

/** The leader writes this in-sync set, as one does whose followers have caught up, or that lets members go. */
async function inSync(world: World, isr: readonly number[], partition = 0) {
  while (world.state("t", partition).isr.toSorted().join() !== isr.toSorted().join())
    await world.run((await written(world, isr, partition))());
}

const led = (world: World, leader: number, partition = 0) =>
  world.until(`broker ${leader} leads`, () => world.state("t", partition).leader === leader);
const over = (world: World) =>
  world.until("it is over", () => Object.keys({ ...stored(world).adding_replicas, ...stored(world).removing_replicas }).length === 0);

async function moving(target: readonly number[] = [3, 4]) {
  const world = await cluster([1, 2, 3, 4]);
  const [id] = await created(world, topic("t", [[1, 2]]));
  expect(await alter(world, [to(target)])).toMatchObject([{ error: "NONE" }]);
  return { world, id: id! };
}

describe("a reassignment", () => {
  test("adds, leads by an added replica, and removes last", async () => {
    const { world, id } = await moving();
    expect(stored(world)).toMatchObject({
      partitions: { 0: [3, 4, 1, 2] },
      adding_replicas: { 0: [3, 4] },
      removing_replicas: { 0: [1, 2] },
    });
    expect(world.state("t")).toMatchObject({ leader: 1, isr: [1, 2], leaderEpoch: 1 });
    expect(await underWay(world)).toEqual([{ topic: "t", partition: 0, replicas: [3, 4, 1, 2], adding: [3, 4], removing: [1, 2] }]);
    for (const broker of [3, 4]) expect(world.node(broker).roles.assigned.has(`${id}:0`)).toBe(true);
    await inSync(world, [1, 2, 3]);
    await world.pass(500);
    expect(world.state("t").leader).toBe(1);
    await inSync(world, [1, 2, 3, 4]);
    await led(world, 3);
    await world.pass(500);
    expect(stored(world)).toMatchObject({ partitions: { 0: [3, 4, 1, 2] } });
    expect(world.state("t").isr.toSorted()).toEqual([1, 2, 3, 4]);
    await inSync(world, [3, 4]);
    await over(world);
    expect(stored(world)).toMatchObject({ partitions: { 0: [3, 4] }, adding_replicas: {}, removing_replicas: {} });
    expect(world.state("t")).toMatchObject({ leader: 3, isr: [3, 4], leaderEpoch: 3 });
    await world.until("the old ones are told", () => [1, 2].every((broker) => world.node(broker).roles.deleted.includes(`${id}:0`)));
    expect(await underWay(world)).toEqual([]);
    await world.until("nobody is left who has a log to delete", () => stored(world).ottla === undefined);
  });

  test("remembers who may have a log still, until that is done with", async () => {
    const { world, id } = await moving();
    await inSync(world, [1, 2, 3, 4]);
    await led(world, 3);
    const away = world.controllerId === 1 ? 2 : 1;
    world.kill(away);
    await world.until("it is seen", () => !world.node(3).images.current.brokers.has(away));
    await inSync(world, [3, 4]);
    await over(world);
    await world.until("the others are done", () => stored(world).ottla?.removed_replicas[0].length === 1);
    expect(stored(world).ottla).toEqual({ removed_replicas: { 0: [away] } });
    const previous = world.controllerId!;
    world.kill(previous);
    await world.controllerAfter(previous);
    world.startNode(away);
    await world.until("it was away: its log is set aside", () => world.node(away).roles.setAside.includes(`${id}:0`));
    await world.until("that is known", () => stored(world).ottla === undefined);
  });

  test("of which the controller dies after any step, is finished by the next one", async () => {
    const { world } = await moving();
    let previous = world.controllerId!;
    const next = async () => {
      world.kill(previous);
      await world.controllerAfter(previous);
      world.startNode(previous);
      await world.until("it is back", () => world.node(previous).images.current.brokers.size === 4);
      previous = world.controllerId!;
    };
    await next();
    expect(await underWay(world)).toHaveLength(1);
    for (;;) {
      const { leader, isr } = world.state("t");
      if (isr.length === 4) break;
      await inSync(world, [leader, ...[1, 2, 3, 4].filter((id) => id !== leader)]);
    }
    await next();
    await world.until("one that is wanted leads", () => [3, 4].includes(world.state("t").leader));
    await next();
    await world.until("one that is wanted leads", () => [3, 4].includes(world.state("t").leader));
    const { leader } = world.state("t");
    await inSync(world, [leader, 7 - leader]);
    await over(world);
    expect(stored(world)).toMatchObject({ partitions: { 0: [3, 4] } });
  });

  test("that is cancelled at once leaves the partition as it was", async () => {
    const { world, id } = await moving();
    expect(await alter(world, [to(null)])).toMatchObject([{ error: "NONE" }]);
    expect(stored(world)).toMatchObject({ partitions: { 0: [1, 2] }, adding_replicas: {}, removing_replicas: {} });
    expect(world.state("t")).toMatchObject({ leader: 1, isr: [1, 2], leaderEpoch: 2 });
    for (const broker of [3, 4]) expect(world.node(broker).roles.deleted).toContain(`${id}:0`);
    expect(await alter(world, [to(null)])).toMatchObject([{ error: "NO_REASSIGNMENT_IN_PROGRESS" }]);
  });

  test("that is cancelled late gives up in-sync replicas only when their leader lets them go", async () => {
    const { world } = await moving([3, 1]);
    await inSync(world, [1, 2, 3]);
    await led(world, 3);
    expect(await alter(world, [to(null)])).toMatchObject([{ error: "NONE" }]);
    expect(await underWay(world)).toEqual([{ topic: "t", partition: 0, replicas: [1, 2, 3], adding: [], removing: [3] }]);
    await led(world, 1);
    expect(world.state("t").isr.toSorted()).toEqual([1, 2, 3]);
    await inSync(world, [1, 2]);
    await over(world);
    expect(stored(world)).toMatchObject({ partitions: { 0: [1, 2] } });
    expect(world.state("t")).toMatchObject({ leader: 1, isr: [1, 2] });
  });

  test("to another target drops what was added for the first, and returns to where it began all the same", async () => {
    const { world } = await moving([3, 2]);
    await alter(world, [to([4, 2])]);
    expect(stored(world)).toMatchObject({ partitions: { 0: [4, 2, 1] }, adding_replicas: { 0: [4] }, removing_replicas: { 0: [1] } });
    await alter(world, [to(null)]);
    expect(stored(world).partitions[0].toSorted()).toEqual([1, 2]);
  });

  test("that only reorders, or takes away, needs nobody to catch up", async () => {
    const world = await cluster([1, 2, 3]);
    await created(world, topic("t", [[1, 2, 3]]));
    await alter(world, [to([2, 3, 1])]);
    expect(stored(world)).toMatchObject({ partitions: { 0: [2, 3, 1] }, adding_replicas: {} });
    await led(world, 2);
    await alter(world, [to([2, 1])]);
    expect(stored(world)).toMatchObject({ partitions: { 0: [2, 1, 3] }, removing_replicas: { 0: [3] } });
    await inSync(world, [2, 1]);
    await over(world);
    expect(stored(world)).toMatchObject({ partitions: { 0: [2, 1] } });
  });

  test("whose target dies waits for it, and others go on", async () => {
    const world = await cluster([1, 2, 3, 4]);
    await created(world, topic("t", [[1], [1]]));
    await alter(world, [to([3], 0), to([4], 1)]);
    const other = world.controllerId === 4 ? 3 : 4;
    const dead = 7 - other;
    world.kill(dead);
    await world.until("its death is seen", () => !world.node(1).images.current.brokers.has(dead));
    await inSync(world, [1, other], other - 3);
    await led(world, other, other - 3);
    await inSync(world, [other], other - 3);
    await world.until("one is over", () => stored(world).adding_replicas[other - 3] === undefined);
    expect(await underWay(world)).toMatchObject([{ partition: dead - 3, adding: [dead], removing: [1] }]);
    expect(world.state("t", dead - 3)).toMatchObject({ leader: 1, isr: [1] });
  });

  test("of a topic that is deleted meanwhile ends with it", async () => {
    const { world, id } = await moving();
    await world.run(world.controller.deleteTopics([{ name: "t", id: null }], options));
    expect(await underWay(world)).toEqual([]);
    for (const broker of [1, 2, 3, 4]) expect(world.node(broker).roles.deleted).toContain(`${id}:0`);
  });

  test("of hundreds of partitions is written in few transactions", async () => {
    const world = await cluster([1, 2, 3]);
    await created(
      world,
      topic(
        "t",
        Array.from({ length: 350 }, () => [1, 2]),
      ),
    );
    const before = world.ensemble.transactions;
    const answers = await alter(
      world,
      Array.from({ length: 350 }, (_, partition) => to([1, 3], partition)),
    );
    expect(answers.every(({ error }) => error === "NONE")).toBe(true);
    expect(world.ensemble.transactions - before).toBeLessThan(20);
    expect(await underWay(world)).toHaveLength(350);
  });
});

test("what cannot be reassigned is told why, each by itself", async () => {
  const world = await cluster([1, 2, 3]);
  await created(world, topic("t", [[1, 2], [1, 2], [1, 2]])); // biome-ignore format: the assignment
  const before = stored(world);
  const cases = [
    [to([1, 2], 9), "UNKNOWN_TOPIC_OR_PARTITION"],
    [to([1, 2], 0, "nope"), "UNKNOWN_TOPIC_OR_PARTITION"],
    [to(null), "NO_REASSIGNMENT_IN_PROGRESS"],
    [to([], 1), "INVALID_REPLICA_ASSIGNMENT"],
  ] as const;
  expect(
    (
      await alter(
        world,
        cases.map(([wanted]) => wanted),
      )
    ).map(({ error }) => error),
  ).toEqual(cases.map(([, error]) => error));
  for (const replicas of [[1, 1], [-1], [1, 9]])
    expect(await alter(world, [to(replicas)])).toMatchObject([{ error: "INVALID_REPLICA_ASSIGNMENT" }]);
  expect(await alter(world, [to([1]), to([2])])).toMatchObject([{ error: "INVALID_REQUEST" }, { error: "INVALID_REQUEST" }]);
  expect(await alter(world, [to([1])], { mayChangeReplicationFactor: false })).toMatchObject([{ error: "INVALID_REPLICATION_FACTOR" }]);
  expect(await alter(world, [to([1, 2])])).toMatchObject([{ error: "NONE" }]);
  expect(stored(world)).toEqual(before);
});

test("a leader's change of the in-sync set that comes first is kept", async () => {
  const { world } = await moving([3, 1]);
  const write = await written(world, [1, 2, 3]);
  const joining = write();
  // it is on its way
  await world.pass(0.5);
  const cancelled = world.controller.alterPartitionReassignments([to(null)], move);
  await world.run(Promise.all([joining, cancelled]));
  await world.until("all know", () => world.aliveIds.every((id) => seen(world, id, "t")?.leaderEpoch === world.state("t").leaderEpoch));
  expect((await joining).kind).toBe("written");
  expect(world.state("t").isr).toEqual([1, 2, 3]);
  expect(stored(world)).toMatchObject({ partitions: { 0: [1, 2, 3] }, removing_replicas: { 0: [3] } });
});
