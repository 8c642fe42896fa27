import { parseArgs } from "node:util";
import { makeTestFolder, removeTestFolder } from "../support/test-folder.ts";
import { killRepeatedly } from "./kill-loop.ts";
import { crashSimulated } from "./simulated.ts";

/**
 * `npm run crash -- --kills 200` kills a writing process so many times; `--seeds 2000` loses the power of simulated disks. A failure names
 * its seed: `--seed 17` is that one again.
 */
const { values } = parseArgs({
  options: { kills: { type: "string" }, seeds: { type: "string" }, seed: { type: "string" } },
});
const seed = values.seed === undefined ? Date.now() % 1_000_000 : Number(values.seed);

if (values.kills !== undefined || values.seeds === undefined) {
  const folder = await makeTestFolder("crash");
  const startedMs = performance.now();
  const report = await killRepeatedly(folder, seed, Number(values.kills ?? 200));
  const seconds = ((performance.now() - startedMs) / 1000).toFixed(1);
  console.log(`seed ${seed}: ${report.kills} kills (${report.whileOpening} of them while the logs were being opened) in ${seconds} s,`);
  console.log(`${report.acknowledged} records acknowledged, all there after each of ${report.checks} checks, and every log sound`);
  await removeTestFolder(folder);
}
if (values.seeds !== undefined) {
  const [count, startedMs] = [Number(values.seeds), performance.now()];
  for (let at = seed; at < seed + count; at++) await crashSimulated(at);
  console.log(
    `${count} seeds from ${seed} on in ${((performance.now() - startedMs) / 1000).toFixed(1)} s: what was flushed was there, and every log sound`,
  );
}
