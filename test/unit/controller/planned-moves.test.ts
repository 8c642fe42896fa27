import { expect, test } from "vitest";
import type { ControllerState } from "../../../broker/controller/controller-state.ts";
import { PlannedMoves, type PlannedMovesParts } from "../../../broker/controller/planned-moves.ts";
import { partitionsInStepMax } from "../../../broker/controller/state-writer.ts";
import { calmMs } from "../../../broker/controller/suspicions.ts";
import type { PeerRequester } from "../../../broker/runtime/peer-port.ts";
import { silentLogger } from "../../../protocol/base/logger.ts";
import { cluster, created, options, topic } from "./requests.ts";
import type { World } from "./world.ts";

const partitions = 4 * partitionsInStepMax;

/** One broker is preferred for all, and another leads them since the first was suspected. The third is the controller. */
async function ledElsewhere() {
  const world = await cluster([1, 2, 3]);
  const controller = world.controllerId!;
  const [preferred, other] = [1, 2, 3].filter((id) => id !== controller) as [number, number];
  const { watch } = world.node(controller);
  const assignment = Array.from({ length: partitions }, () => [preferred, other, controller]);
  await created(world, topic("t", assignment), topic("u", [[other, preferred, controller]]));
  watch.suspect(new Map([[preferred, "silent"]]));
  await world.until("the other leads all", () => ledBy(world, other) === partitions);
  watch.suspect(new Map());
  await world.pass(calmMs + 1_000);
  const move = () => world.controller.electLeaders("preferred", null, options);
  return { world, controller, preferred, other, watch, move };
}

function ledBy(world: World, broker: number): number {
  const leaders = Array.from({ length: partitions }, (_, partition) => world.state("t", partition).leader);
  return leaders.filter((leader) => leader === broker).length;
}

/** How many partitions of the topic change their leader with each update that a broker takes. */
function movesSeenBy(world: World, broker: number): number[] {
  const sizes: number[] = [];
  const { images } = world.node(broker);
  const leaders = () => images.current.topics.get("t")?.partitions.map(({ leader }) => leader) ?? [];
  let before = leaders();
  images.onChange(() => {
    const now = leaders();
    const moved = now.filter((leader, partition) => leader !== before[partition]).length;
    before = now;
    if (moved > 0) sizes.push(moved);
  });
  return sizes;
}

test("leaderships move in steps, each when every broker has taken up the one before", async () => {
  const { world, preferred, other, move } = await ledElsewhere();
  const sizes = [movesSeenBy(world, preferred), movesSeenBy(world, other)];
  const startMs = world.sim.nowMs;
  const moving = move();
  await world.until("all have moved", () => ledBy(world, preferred) === partitions);
  expect(world.sim.nowMs - startMs, "as fast as the brokers are").toBeLessThan(100);
  const answers = await world.run(moving);
  expect(answers.filter(({ error }) => error !== "NONE")).toEqual([]);
  const steps = Array.from({ length: 4 }, () => partitionsInStepMax);
  expect(sizes).toEqual([steps, steps]);
});

test("in each step the old leader hands over before anybody hears of the move, and hears of it after the new one", async () => {
  const { world, controller, preferred, other, move } = await ledElsewhere();
  const happened: string[] = [];
  const partitionIds = new Set<number>();
  const asked: number[][] = [];
  world.node(other).handOver = async ({ controllerId, partitions }) => {
    happened.push("asked");
    for (const { partition } of partitions) partitionIds.add(partition);
    const written = partitions.filter(({ partition, leaderEpoch }) => world.state("t", partition).leaderEpoch === leaderEpoch + 1);
    asked.push([controllerId, partitions.length, written.length]);
    return { error: "NONE", message: "" };
  };
  const sizes = { [preferred]: movesSeenBy(world, preferred), [other]: movesSeenBy(world, other) };
  for (const [id, name] of [
    [preferred, "new"],
    [other, "old"],
  ] as const) {
    world.node(id).images.onChange(() => {
      if (sizes[id]!.length > happened.filter((what) => what === name).length) happened.push(name);
    });
  }
  await world.run(move());
  expect(happened).toEqual(Array.from({ length: 4 }, () => ["asked", "new", "old"]).flat());
  expect(asked).toEqual(Array.from({ length: 4 }, () => [controller, partitionsInStepMax, partitionsInStepMax]));
  expect(partitionIds.size).toBe(partitions);
});

/** The partitions that the broker is asked to hand over, in all. */
function handedOverBy(world: World, broker: number): Set<number> {
  const handedOver = new Set<number>();
  world.node(broker).handOver = async (request) => {
    for (const { partition } of request.partitions) handedOver.add(partition);
    return { error: "NONE", message: "" };
  };
  return handedOver;
}

test("what is found written after a lost answer is handed over like all else", async () => {
  const { world, controller, preferred, other, move } = await ledElsewhere();
  const handedOver = handedOverBy(world, other);
  world.node(controller).coordinator.loseNextAnswer({ done: true });
  await world.run(move());
  expect([ledBy(world, preferred), handedOver.size]).toEqual([partitions, partitions]);
});

test("a leader that was suspected a moment ago, and answers again, is asked; one that cannot be reached is not", async () => {
  const { world, controller, preferred, other } = await ledElsewhere();
  const { brokers, topics } = world.node(controller).images.current;
  const changes = topics.get("t")!.partitions.map((record) => ({ topic: "t", record: { ...record, leader: preferred } }));
  const askedWith = async (unreached: readonly number[]) => {
    const asked: string[] = [];
    const request = (async (_to: unknown, kind: string) => {
      asked.push(kind);
      return { body: { error: "NONE", message: "" } };
    }) as unknown as PeerRequester["request"];
    const current = { brokers, topics, suspects: new Set([other]), unreached: new Set(unreached) } as unknown as ControllerState;
    const sender = { controllerId: controller, controllerEpoch: 1 };
    const parts = { sender, peers: { request }, book: { current }, log: silentLogger } as unknown as PlannedMovesParts;
    await new PlannedMoves(parts).handOver(changes);
    return asked;
  };
  expect([await askedWith([]), await askedWith([other])]).toEqual([["hand-over"], []]);
});

test("a leader that does not answer, and a new one that takes up nothing, hold up each step for a moment", async () => {
  const { world, preferred, other, move } = await ledElsewhere();
  world.isLost = (_from, to, kind) => (to === other && kind === "hand-over") || (to === preferred && kind === "metadata-update");
  const sizes = movesSeenBy(world, other);
  const startMs = world.sim.nowMs;
  const answered = move();
  await world.until("all have moved", () => ledBy(world, preferred) === partitions && sizes.length === 4);
  expect(world.sim.nowMs - startMs).toBeLessThan(3_000);
  world.isLost = () => false;
  await world.run(answered);
});

test("a broker that takes up nothing holds up each step for a moment", async () => {
  const { world, controller, preferred, move } = await ledElsewhere();
  world.isLost = (_from, to, kind) => to === controller && kind === "metadata-update";
  const sizes = movesSeenBy(world, preferred);
  const startMs = world.sim.nowMs;
  const answered = move();
  await world.until("all have moved", () => ledBy(world, preferred) === partitions);
  expect(world.sim.nowMs - startMs).toBeLessThan(1_000);
  expect(Math.max(...sizes)).toBe(partitionsInStepMax);
  await world.run(answered);
});

test("an election does not wait until a planned move is through", async () => {
  const { world, preferred, other, watch, move } = await ledElsewhere();
  const sizes = movesSeenBy(world, preferred);
  const moving = move();
  await world.until("the first step is taken", () => sizes.length === 1);
  watch.suspect(new Map([[other, "silent"]]));
  await world.until("the suspect is followed by others", () => world.state("u").leader === preferred);
  expect(sizes.length).toBeLessThan(4);
  await world.run(moving);
  expect(ledBy(world, preferred)).toBe(partitions);
});
