import { describe, expect, test } from "vitest";
import type { Reach } from "../../../broker/cluster/suspicion.ts";
import { calmMs } from "../../../broker/controller/suspicions.ts";
import { cluster, created, options, seen, topic } from "./requests.ts";
import type { World } from "./world.ts";

/** A controller, and two others, of which the first is suspected in these tests. */
async function three(worldOptions: Parameters<typeof cluster>[1] = {}) {
  // no balance by the clock: what moves back does so by itself
  const settings = { leaderImbalanceCheckIntervalMs: 100_000_000, ...worldOptions?.settings };
  const world = await cluster([1, 2, 3], { ...worldOptions, settings });
  const controller = world.controllerId!;
  const [suspect, other] = [1, 2, 3].filter((id) => id !== controller) as [number, number];
  return { world, controller, suspect, other };
}

/** Whom the controller's watch suspects from now on. */
function suspects(world: World, ids: readonly number[], how: Exclude<Reach, "reached"> = "silent"): void {
  world.node(world.controllerId!).watch.suspect(new Map(ids.map((id) => [id, how])));
}

const told = (world: World) => [1, 2, 3].map((id) => [...world.node(id).images.current.suspectedBrokers]);

describe("a suspected broker", () => {
  test("is followed by others in what it leads, once, and stays in sync; every broker learns of both together", async () => {
    const { world, controller, suspect, other } = await three();
    await created(world, topic("t", [[suspect, other, controller]]), topic("u", [[other, suspect, controller]]));
    const seenTogether: boolean[] = [];
    world.node(other).images.onChange((image) => {
      if (image.suspectedBrokers.has(suspect)) seenTogether.push(image.topics.get("t")?.partitions[0]?.leader === other);
    });
    const startMs = world.sim.nowMs;
    suspects(world, [suspect]);
    await world.until("everyone knows", () => told(world).every((ids) => ids.length === 1));
    expect(world.sim.nowMs - startMs).toBeLessThan(50);
    expect(world.state("t")).toMatchObject({ leader: other, leaderEpoch: 1, isr: [suspect, other, controller], leaderRecovering: false });
    expect(world.state("u"), "what it only follows stays").toMatchObject({ leader: other, leaderEpoch: 0 });
    expect(seenTogether[0], "whom to suspect is not known before who leads instead").toBe(true);
    expect(told(world)).toEqual([[suspect], [suspect], [suspect]]);
  });

  test.each([true, false])(
    "is trusted again after a time of calm, and leads again what it is preferred for (balanced: %s)",
    async (isBalanced) => {
      const { world, controller, suspect, other } = await three({ settings: { autoLeaderRebalanceEnabled: isBalanced } });
      await created(world, topic("t", [[suspect, other, controller]]));
      suspects(world, [suspect]);
      await world.until("another leads", () => world.state("t").leader === other);
      await world.pass(3_000);
      suspects(world, []);
      await world.pass(calmMs - 500);
      // it fetches like others: leaders need not be told of it any more
      expect([told(world)[0], world.state("t").leader]).toEqual([[], other]);
      await world.pass(1_000);
      expect(told(world)).toEqual([[], [], []]);
      expect(world.state("t")).toMatchObject(isBalanced ? { leader: suspect, leaderEpoch: 2 } : { leader: other, leaderEpoch: 1 });
    },
  );

  test("cannot take over while it is away, and takes over from a leader that is not reached as soon as it is back", async () => {
    const { world, controller, suspect, other } = await three();
    await created(world, topic("t", [[other, suspect]]));
    suspects(world, [suspect]);
    await world.pass(1_000);
    suspects(world, [suspect, other]);
    await world.pass(1_000);
    expect(world.state("t")).toMatchObject({ leader: other, leaderEpoch: 0 });
    suspects(world, [other]);
    await world.until("it leads", () => world.state("t").leader === suspect);
    expect(world.state("t")).toMatchObject({ leaderEpoch: 1, isr: [other, suspect] });
    await world.until("it is no longer named", () => told(world)[controller - 1]?.join() === `${other}`);
  });

  test("leads a topic that nobody else has a copy of", async () => {
    const { world, suspect } = await three();
    suspects(world, [suspect]);
    await world.pass(100);
    await created(world, topic("only", [[suspect]]));
    expect(world.state("only")).toMatchObject({ leader: suspect, isr: [suspect] });
  });

  test("that comes and goes loses its leaderships once", async () => {
    const { world, controller, suspect, other } = await three({ settings: { autoLeaderRebalanceEnabled: true } });
    await created(world, topic("t", [[suspect, other, controller]]));
    for (let time = 0; time < 12; time++) {
      suspects(world, time % 2 === 0 ? [suspect] : [], time % 4 === 0 ? "gone" : "silent");
      await world.pass(2_500);
    }
    expect(world.state("t")).toMatchObject({ leader: other, leaderEpoch: 1 });
    await world.pass(calmMs);
    expect(world.state("t")).toMatchObject({ leader: suspect, leaderEpoch: 2 });
  });

  test("that is looked at again and again is written of only once", async () => {
    const { world, controller, suspect, other } = await three();
    await created(world, topic("t", [[suspect, other, controller]]));
    suspects(world, [suspect]);
    await world.pass(1_000);
    const before = { transactions: world.ensemble.transactions, image: world.node(other).images.current };
    for (let look = 0; look < 50; look++) {
      suspects(world, [suspect]);
      await world.pass(100);
    }
    expect(world.ensemble.transactions).toBe(before.transactions);
    expect(world.node(other).images.current).toBe(before.image);
  });

  test("is forgotten with its registration", async () => {
    const { world, controller, suspect, other } = await three();
    await created(world, topic("t", [[suspect, other, controller]]));
    suspects(world, [suspect]);
    await world.until("another leads", () => world.state("t").leader === other);
    world.kill(suspect);
    suspects(world, []);
    await world.until("it is gone", () => !world.node(other).images.current.brokers.has(suspect));
    world.startNode(suspect);
    await world.until("it is back", () => world.node(other).images.current.brokers.has(suspect));
    await world.pass(100);
    expect(told(world)).toEqual([[], [], []]);
  });

  test("has no successor where it is alone in sync, and gets none that leads for a moment", async () => {
    const { world, controller, suspect, other } = await three();
    await created(world, topic("t", [[suspect]]), topic("u", [[other, controller]]));
    suspects(world, [suspect]);
    await world.pass(2_000);
    expect(world.state("t")).toMatchObject({ leader: suspect, leaderEpoch: 0, isr: [suspect] });
    expect(told(world)[0]).toEqual([suspect]);
  });

  test("is replaced before requests that were there first", async () => {
    const { world, controller, suspect, other } = await three();
    await created(world, topic("t", [[suspect, other, controller]]));
    const names = Array.from({ length: 30 }, (_, at) => `waiting-${at}`);
    const work = Promise.all(names.map((name) => world.controller.createTopics([topic(name, [[controller]])], options)));
    await world.until("the first is created", () => world.exists(`/brokers/topics/${names[0]}`));
    suspects(world, [suspect]);
    await world.until("another leads", () => world.state("t").leader === other);
    expect(names.filter((name) => world.exists(`/brokers/topics/${name}`)).length).toBeLessThan(5);
    expect((await world.run(work)).flat().map(({ error }) => error)).toEqual(names.map(() => "NONE"));
  });

  test("is known to the next controller's watch before that sends anything", async () => {
    const { world, controller, suspect, other } = await three();
    await created(world, topic("t", [[suspect, other, controller]]));
    for (const id of [suspect, other]) world.node(id).watch.suspect(new Map([[suspect, "silent"]]));
    const images: boolean[] = [];
    world.node(other).images.onChange((image) => {
      if (image.controllerEpoch > 1) images.push(image.suspectedBrokers.has(suspect) && seen(world, other, "t")?.leader === other);
    });
    // only the other one may follow it
    world.node(suspect).controller.stop();
    world.kill(controller);
    await world.controllerAfter(controller);
    await world.until("the next controller has told it", () => images.length > 0);
    expect(images[0]).toBe(true);
  });
  test("is of no interest to a term that is over, also one that ends while it loads", async () => {
    for (let afterMs = 0; afterMs < 24; afterMs++) {
      const { world, controller, suspect } = await three();
      const life = { brokerId: controller, brokerEpoch: world.node(controller).membership.epoch };
      world.node(suspect).controller.replace(life);
      await world.until("another is elected", () => world.node(suspect).controller.isController);
      await world.pass(afterMs);
      world.node(suspect).controller.stop();
      await world.pass(1_000);
      const listening = [1, 2, 3].map((id) => world.node(id).watch.listening);
      expect(listening, `stopped ${afterMs} ms after the election`).toEqual([0, 0, 0]);
    }
  });
});
