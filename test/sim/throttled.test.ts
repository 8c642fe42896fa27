import { expect, test } from "vitest";
import { playThrottled, throttleScenes } from "./throttle-scenes.ts";

test.each(Object.entries(throttleScenes))("%s", { timeout: 120_000 }, async (_, scene) => {
  for (const seed of [1, 2, 3]) expect(await playThrottled(scene, seed), `seed ${seed}`).toStrictEqual([]);
});
