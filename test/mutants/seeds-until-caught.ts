import { failoverScenes, playFailover } from "../sim/failover-scenes.ts";
import { planFor } from "../sim/plan.ts";
import { simulate } from "../sim/simulation.ts";
import { playThrottled, throttleScenes } from "../sim/throttle-scenes.ts";
import { mutants } from "./mutants.ts";

/** Run in a process of its own, with a mutant: tells the parent scene by scene and seed by seed, and stops at the first that fails. */
const [from, count] = process.argv.slice(2).map(Number) as [number, number];
const mutant = mutants.find(({ name }) => name === process.env.OTTLA_MUTANT);

async function firstFailure(): Promise<void> {
  const tell = (seed: number, failure: string | null) => process.send?.({ seed, failure });
  for (const [name, scene] of mutant?.isOfFailover ? Object.entries(failoverScenes) : []) {
    const { faults } = await playFailover(scene, from).catch((error: Error) => ({ faults: [error.message] }));
    tell(from, faults.length === 0 ? null : `${name}: ${faults[0]}`);
    if (faults.length > 0) return;
  }
  for (const [name, scene] of mutant?.isOfThrottles ? Object.entries(throttleScenes) : []) {
    const faults = await playThrottled(scene, from).catch((error: Error) => [error.message]);
    tell(from, faults.length === 0 ? null : `${name}: ${faults[0]}`);
    if (faults.length > 0) return;
  }
  for (let seed = from; seed < from + count; seed++) {
    const isIdle = mutant?.isOfTransactions === true && !planFor(seed).hasTransactions;
    const { failure } = isIdle ? { failure: null } : await simulate({ seed });
    tell(seed, failure);
    if (failure !== null) return;
  }
}

await firstFailure();
process.disconnect?.();
