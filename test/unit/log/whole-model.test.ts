import fc from "fast-check";
import { test } from "vitest";
import { LogLife } from "./whole-life.ts";
import { wholeLife } from "./whole-steps.ts";

/**
 * Other lives, and more: `OTTLA_MODEL_SEED=17 OTTLA_MODEL_RUNS=5000`. A failure tells its seed and path: with the latter as
 * `OTTLA_MODEL_PATH` they are that life again.
 */
const { OTTLA_MODEL_RUNS: runs = "150", OTTLA_MODEL_SEED: seed = "1", OTTLA_MODEL_PATH: path } = process.env;

test("a log is what its model is, whatever is done to it, at the same time or in the midst of a crash", async () => {
  const property = fc.asyncProperty(wholeLife, (life) => new LogLife(life).live(life.steps));
  const again = path === undefined ? {} : { path, endOnFailure: true };
  await fc.assert(property, { numRuns: Number(runs), seed: Number(seed), ...again });
}, 600_000);
