import { expect, test } from "vitest";
import { failoverScenes, playFailover } from "./failover-scenes.ts";

/** Session timeouts of 18 s, as Kafka has them: nothing of this waits for one. */
test.each(Object.entries(failoverScenes))("%s", { timeout: 120_000 }, async (_, scene) => {
  for (const seed of [1, 2, 3, 4]) expect((await playFailover(scene, seed)).faults, `seed ${seed}`).toStrictEqual([]);
});
