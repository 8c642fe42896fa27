import { expect, test } from "vitest";
import { describeFailure, type SimulationResult, simulate } from "./simulation.ts";

/** One test per seed: vitest names the one that failed, and the message shows how to reproduce it. Later tests have the results. */
export function testSeeds(from: number, count: number): readonly SimulationResult[] {
  const results: SimulationResult[] = [];
  for (let seed = from; seed < from + count; seed++) {
    test(`seed ${seed}: nothing acknowledged is lost, and all is whole after the faults`, async () => {
      const result = await simulate({ seed });
      results.push(result);
      if (result.failure !== null) expect.fail(describeFailure(result));
      expect(result.acknowledged).toBeGreaterThan(0);
    }, 120_000);
  }
  return results;
}
