import { describe, expect, test } from "vitest";
import { calm } from "./watching.ts";

describe("a broker", () => {
  test("that was cut off from a majority is in doubt whether it was replaced, when that is seen and when it is over", async () => {
    const world = await calm();
    let doubts = 0;
    world.watch.onStall(() => doubts++);
    for (const id of [2, 3]) world.peer(id).does = "silent";
    await world.pass(700);
    expect([world.watch.hearsMajority, doubts], "it may be a busy machine").toEqual([false, 0]);
    await world.pass(500);
    expect([world.watch.stallInDoubt, doubts]).toEqual([1, 1]);
    world.watch.settleStall(1);
    await world.pass(3_000);
    expect([world.watch.stallInDoubt, doubts], "another may lead by now").toEqual([null, 1]);
    world.peer(2).does = "answers";
    await world.pass(1_100);
    expect([world.watch.stallInDoubt, doubts]).toEqual([2, 2]);
  });

  test("that is cut off from one other only is in no doubt", async () => {
    const world = await calm();
    world.peer(2).does = "silent";
    await world.pass(3_000);
    world.peer(2).does = "answers";
    await world.pass(3_000);
    expect(world.watch.stallInDoubt).toBeNull();
  });
});
