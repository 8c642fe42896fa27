import { simulate } from "../sim/simulation.ts";

/** Run in a process of its own, with a mutant: tells the parent seed by seed, and stops at the first that fails. */
const [from, count] = process.argv.slice(2).map(Number) as [number, number];
for (let seed = from; seed < from + count; seed++) {
  const { failure } = await simulate({ seed });
  process.send?.({ seed, failure });
  if (failure !== null) break;
}
process.disconnect?.();
