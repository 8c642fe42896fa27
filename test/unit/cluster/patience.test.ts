import { expect, test } from "vitest";
import { Patience } from "../../../broker/cluster/patience.ts";
import { calm } from "./watching.ts";

const timeoutMs = 1_000;
const patienceAfter = (...silences: readonly (readonly [silentForMs: number, nowMs: number])[]) => {
  const patience = new Patience(timeoutMs);
  for (const [silentForMs, nowMs] of silences) patience.heardAfter(silentForMs, nowMs);
  return patience;
};

test("answers in time leave it as it is", () => {
  expect(patienceAfter([250, 1_000], [999, 2_000], [1_000, 3_000]).at(3_000)).toBe(timeoutMs);
});

test("each false alarm doubles it, up to eight times", () => {
  expect(patienceAfter([1_200, 1_200]).at(1_200)).toBe(2_000);
  expect(patienceAfter([1_200, 1_200], [1_900, 3_100]).at(3_100), "in time by then").toBe(2_000);
  expect(patienceAfter([1_200, 1_200], [2_100, 3_300]).at(3_300)).toBe(4_000);
  expect(patienceAfter([1_200, 1_200], [2_100, 3_300], [5_000, 8_300], [9_000, 17_300]).at(17_300)).toBe(8_000);
});

test("a silence that lasted was no false alarm: a dead link is noticed as soon the next time", () => {
  expect(patienceAfter([3_001, 3_001]).at(3_001)).toBe(timeoutMs);
  expect(patienceAfter([60_000, 60_000]).at(60_000)).toBe(timeoutMs);
});

test("silences of more than the timeout are no calm, though they are waited for", () => {
  const patience = patienceAfter([1_200, 1_200], [1_500, 6_000], [1_500, 12_000]);
  expect([12_000, 21_999, 22_000].map((nowMs) => patience.at(nowMs))).toEqual([2_000, 2_000, 1_000]);
});

test("it is half as long after each ten seconds of calm", () => {
  const patience = patienceAfter([1_200, 1_200], [2_100, 3_300]);
  expect([13_299, 13_300, 23_299, 23_300, 99_000].map((nowMs) => patience.at(nowMs))).toEqual([4_000, 2_000, 2_000, 1_000, 1_000]);
});

test("a broker that is silent for a moment, again and again, as one that is overloaded, is suspected ever later, and as soon as before once it is calm", async () => {
  const world = await calm();
  const silentUntil = async (suspected: boolean) => {
    world.peer(2).does = "silent";
    const fromMs = world.sim.nowMs;
    if (suspected) await world.until(() => world.watch.reachOf(2) === "silent");
    else await world.pass(1_500);
    const afterMs = world.sim.nowMs - fromMs;
    world.peer(2).does = "answers";
    world.peer(2).breakLinks();
    await world.until(() => world.watch.reachOf(2) === "reached");
    await world.pass(300);
    return afterMs;
  };
  expect(await silentUntil(true)).toBeLessThan(1_300);
  await silentUntil(false);
  expect(world.suspects, "it has two seconds now").toEqual({});
  expect(await silentUntil(true)).toBeGreaterThan(1_700);
  expect(await silentUntil(true)).toBeGreaterThan(3_700);
  await world.pass(30_000);
  expect(await silentUntil(true)).toBeLessThan(1_300);
  world.peer(2).die();
  expect(await world.until(() => world.watch.reachOf(2) === "gone"), "a process that is gone is known at once in any case").toBeLessThan(5);
});
