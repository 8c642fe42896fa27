import { expect, test } from "vitest";
import { describeFailure, simulate } from "./simulation.ts";

/** One test per seed: vitest names the one that failed, and the message shows how to reproduce it. */
export function testSeeds(from: number, count: number): void {
  for (let seed = from; seed < from + count; seed++) {
    test(`seed ${seed}: nothing acknowledged is lost, and all is whole after the faults`, async () => {
      const result = await simulate({ seed });
      if (result.failure !== null) expect.fail(describeFailure(result));
      expect(result.acknowledged).toBeGreaterThan(0);
    }, 120_000);
  }
}
