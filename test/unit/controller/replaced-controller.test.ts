import { describe, expect, test } from "vitest";
import { type Logger, silentLogger } from "../../../protocol/base/logger.ts";
import { type Logged, recordingLogger } from "../network/client-harness.ts";
import { cluster, created, options, topic } from "./requests.ts";
import type { World } from "./world.ts";

async function three(log: Logger = silentLogger) {
  const world = await cluster([1, 2, 3], { log });
  const old = world.controllerId!;
  const [next, third] = [1, 2, 3].filter((id) => id !== old) as [number, number];
  return { world, old, next, third, life: { brokerId: old, brokerEpoch: world.node(old).membership.epoch } };
}

const epochOf = (world: World) => Number(world.ensemble.tree.read("/controller_epoch")?.data.toString());

describe("a controller that a majority cannot reach", () => {
  test("is replaced at once, though its session lives on; the old term is over, and its broker goes on", async () => {
    const { world, old, next, third, life } = await three();
    await created(world, topic("t", [[old, next, third]]));
    const startMs = world.sim.nowMs;
    world.node(next).controller.replace(life);
    await world.controllerAfter(old);
    expect(world.sim.nowMs - startMs).toBeLessThan(50);
    expect([world.controllerId, epochOf(world)]).toEqual([next, 2]);
    await world.until("all follow it", () => [1, 2, 3].every((id) => world.node(id).images.current.controllerId === next));
    expect(world.node(old).controller.holder).toBe(next);
    expect(world.node(old).membership.epoch, "it is registered as before").toBe(life.brokerEpoch);
    await created(world, topic("u", [[old, next, third]]));
  });

  test("carries out nothing that it was asked before and has not written yet", async () => {
    const { world, old, next, third, life } = await three();
    // it learns of nothing
    world.isLost = (from, to) => from !== to && (from === old || to === old);
    const late = world.node(old).controller.createTopics([topic("late", [[old]])], options);
    world.node(next).controller.replace(life);
    const [answer] = await world.run(late);
    await world.until("another controls", () => world.node(next).controller.isController);
    expect(world.node(old).controller.isController).toBe(false);
    if (answer!.error === "NONE") expect(world.exists("/brokers/topics/late")).toBe(true);
    else expect(["NOT_CONTROLLER", "REQUEST_TIMED_OUT"]).toContain(answer!.error);
    world.isLost = () => false;
    await created(world, topic("u", [[next, third]]));
  });

  test("is not, by a verdict on an earlier registration, or on another broker; nor by itself", async () => {
    const { world, old, next, third, life } = await three();
    world.node(next).controller.replace({ ...life, brokerEpoch: life.brokerEpoch - 1 });
    world.node(next).controller.replace({ brokerId: third, brokerEpoch: world.node(third).membership.epoch });
    world.node(old).controller.replace(life);
    await world.pass(5_000);
    expect([world.controllerId, epochOf(world), world.node(old).controller.isController]).toEqual([old, 1, true]);
  });

  test("is replaced by one of two that try at once", async () => {
    const { world, old, next, third, life } = await three();
    for (const id of [next, third]) world.node(id).controller.replace(life);
    await world.controllerAfter(old);
    await world.pass(5_000);
    expect([epochOf(world), [next, third].includes(world.controllerId!)]).toEqual([2, true]);
    expect([next, third].filter((id) => world.node(id).controller.isController)).toEqual([world.controllerId]);
  });

  test("is replaced by an attempt that comes during another", async () => {
    const { world, old, next, life } = await three();
    world.node(next).controller.consider();
    world.node(next).controller.replace(life);
    await world.controllerAfter(old);
    expect(epochOf(world)).toBe(2);
  });

  test("stays, if the verdict could not be carried out when it was passed: it may be long out of date", async () => {
    const { world, old, next, life } = await three();
    const { coordinator, controller } = world.node(next);
    coordinator.cut();
    await world.until("it knows that it is cut off", () => coordinator.state === "suspended");
    controller.replace(life);
    await world.pass(100);
    coordinator.heal();
    await world.until("it is connected again", () => coordinator.state === "connected");
    await world.pass(3_000);
    expect([world.controllerId, epochOf(world)]).toEqual([old, 1]);
  });
  test("is written of once, however often the majority says so", async () => {
    const lines: Logged[] = [];
    const { world, old, next, life } = await three(recordingLogger(lines));
    const { coordinator, controller } = world.node(next);
    coordinator.cut();
    await world.until("it knows that it is cut off", () => coordinator.state === "suspended");
    for (let time = 0; time < 20; time++) controller.replace(life);
    const told = () => lines.filter(({ message }) => message.startsWith("a majority of the brokers")).map(({ fields }) => fields);
    expect(told()).toEqual([{ controllerId: old }]);
    controller.replace({ ...life, brokerEpoch: life.brokerEpoch + 1 });
    expect(told(), "a later life of it is another").toHaveLength(2);
  });
});
