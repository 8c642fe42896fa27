import { expect, test } from "vitest";
import { makeTestFolder, removeTestFolder } from "../support/test-folder.ts";
import { killRepeatedly } from "./kill-loop.ts";

test("a writer killed at any moment leaves what it acknowledged, in sound logs (20 kills; npm run crash for more)", async () => {
  const folder = await makeTestFolder("crash");
  const seed = Date.now() % 1_000_000;
  const { acknowledged, checks } = await killRepeatedly(folder, seed, 20);
  expect(acknowledged, `seed ${seed}`).toBeGreaterThan(100);
  expect(checks).toBeGreaterThan(5);
  await removeTestFolder(folder);
});
