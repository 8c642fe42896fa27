import { describe, expect, test } from "vitest";
import { type Logged, recordingLogger } from "../network/client-harness.ts";
import { calm, diskStallTimeoutMs, suspectTimeoutMs } from "./watching.ts";

describe("a disk that takes nothing", () => {
  test("another broker's: its answers say so, and it is suspected, though it is reached", async () => {
    const lines: Logged[] = [];
    const world = await calm([2, 3], recordingLogger(lines));
    world.peer(2).isStuck = true;
    expect(await world.until(() => world.suspects[2] === "stuck")).toBeLessThan(suspectTimeoutMs / 2);
    expect([world.watch.reachOf(2), world.watch.hearsMajority, world.givenUp]).toEqual(["reached", true, []]);
    const { length } = world.changes;
    await world.pass(2_000);
    expect(world.changes.length, "the controller's calm begins when it is over").toBeGreaterThan(length + 10);
    world.peer(2).isStuck = false;
    expect(await world.until(() => world.suspects[2] === undefined)).toBeLessThan(suspectTimeoutMs / 2);
    expect(lines.map(({ message }) => message)).toEqual([
      "another broker's disk takes nothing",
      "another broker's disk takes what is written again",
    ]);
  });

  test("another broker's, which then does not answer any more: it is silent, and not for its disk any more", async () => {
    const world = await calm();
    world.peer(2).isStuck = true;
    await world.pass(500);
    world.peer(2).does = "silent";
    await world.pass(1_500);
    expect([world.suspects, world.watch.reachOf(2)]).toEqual([{ 2: "silent" }, "silent"]);
  });

  test("our own: we say so, and suspect ourselves under our registration, once it has lasted", async () => {
    const world = await calm();
    const beganMs = world.sim.nowMs;
    Object.defineProperty(world.disks, "stuckForMs", { get: () => world.sim.nowMs - beganMs, configurable: true });
    await world.pass(diskStallTimeoutMs - 10);
    expect([world.suspects, world.watch.isStuck]).toEqual([{}, false]);
    await world.pass(suspectTimeoutMs / 4);
    expect([world.suspects, world.watch.isStuck, world.watch.watchedEpoch(1)]).toEqual([{ 1: "stuck" }, true, 10]);
    const { length } = world.changes;
    await world.pass(1_000);
    expect(world.changes.length).toBeGreaterThan(length + 5);
    Object.defineProperty(world.disks, "stuckForMs", { value: 0 });
    await world.pass(suspectTimeoutMs / 4);
    expect([world.suspects, world.watch.isStuck]).toEqual([{}, false]);
  });

  test("our own, and we hear from no majority: we say so, and suspect nobody", async () => {
    const world = await calm();
    for (const id of [2, 3]) world.peer(id).does = "silent";
    await world.pass(1_500);
    Object.assign(world.disks, { stuckForMs: diskStallTimeoutMs });
    await world.pass(500);
    expect([world.suspects, world.watch.isStuck]).toEqual([{}, true]);
  });

  test("as it seems to a process that did not run: it has not heard from its disk either", async () => {
    const world = await calm();
    const beganMs = world.sim.nowMs;
    Object.defineProperty(world.disks, "stuckForMs", { get: () => world.sim.nowMs - beganMs, configurable: true });
    world.sim.pause("us");
    await world.pass(diskStallTimeoutMs + 1_000);
    world.sim.resume("us");
    await world.pass(1_000);
    expect(world.watch.isStuck).toBe(false);
    await world.pass(diskStallTimeoutMs);
    expect(world.watch.isStuck, "by now it would have").toBe(true);
  });
});
