import fc from "fast-check";
import { test } from "vitest";
import { TransactionLife, transactionLife } from "./transaction-life.ts";

/** Other lives, and more: `OTTLA_MODEL_SEED=17 OTTLA_MODEL_RUNS=5000`. */
const { OTTLA_MODEL_RUNS: runs = "200", OTTLA_MODEL_SEED: seed = "1", OTTLA_MODEL_PATH: path } = process.env;

test("a log's transactions are what its batches say, whatever is done to it", async () => {
  const property = fc.asyncProperty(transactionLife, (life) => new TransactionLife(life.seed).live(life.steps));
  const again = path === undefined ? {} : { path, endOnFailure: true };
  await fc.assert(property, { numRuns: Number(runs), seed: Number(seed), ...again });
}, 600_000);
