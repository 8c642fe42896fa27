import { expect, test } from "vitest";
import { silentLogger } from "../../../protocol/base/logger.ts";
import { cluster, created, options, topic } from "./requests.ts";

test("a controller that was replaced behind its back does not tell a broker that arrives what there was", async () => {
  const world = await cluster();
  await world.until("broker 1 is the controller", () => world.controllerId === 1);
  // none of it concerns broker 3: there is nothing to write when that comes back
  await created(world, topic("old", [[2, 1]]));
  const deposed = world.node(1);
  // it is late to hear of the deletion
  deposed.controller.consider = () => undefined;
  deposed.coordinator.cut();
  const tool = world.ensemble.open({ sessionTimeoutMs: 6_000, log: silentLogger });
  await world.run(tool.connected());
  await world.run(tool.write([{ kind: "delete", path: "/controller", version: -1 }]));
  await world.until("another controller", () => world.controllerId === 2 && world.node(2).controller.isController);
  const [answer] = await world.run(world.node(2).controller.createTopics([topic("new", [[3, 2]])], { ...options, timeoutMs: 500 }));
  expect(answer?.error).toBe("NONE");
  await world.until("broker 3 has it", () => world.diskOf(3).size === 1);
  // broker 3 begins again, knows no controller, and hears of the deposed one first
  world.isLost = (from, to, kind) => from === 2 && to === 3 && kind === "metadata-update";
  world.kill(3);
  world.startNode(3);
  await world.until("broker 3 is registered", () => world.node(3).membership.epoch >= 0);
  deposed.coordinator.heal();
  await world.until("it has found out", () => !deposed.controller.isController);
  expect(world.diskOf(3).size).toBe(1);
  expect(world.node(3).images.current.controllerEpoch).toBe(-1);
  world.isLost = () => false;
  await world.until("broker 3 has its role", () => world.node(3).roles.assigned.size === 1);
  expect(world.diskOf(3).size).toBe(1);
});
