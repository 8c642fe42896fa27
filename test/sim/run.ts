import { parseArgs } from "node:util";
import { describeFailure, simulate } from "./simulation.ts";

/**
 * `npm run sim -- --seed 17` shows one run line by line (`--all`: every byte that moves); `--seeds 1000 --from 5000` tries many, and says
 * which fail. `--scheme NAME`: no other faults. `--minutes 70`: so much simulated time of faults in each, not some seconds.
 */
const { values } = parseArgs({
  options: {
    seed: { type: "string" },
    seeds: { type: "string", default: "100" },
    from: { type: "string", default: "1" },
    quiet: { type: "boolean" },
    all: { type: "boolean" },
    bail: { type: "boolean" },
    scheme: { type: "string" },
    minutes: { type: "string" },
  },
});

const shape = {
  ...(values.scheme === undefined ? {} : { scheme: values.scheme }),
  ...(values.minutes === undefined ? {} : { minutes: Number(values.minutes) }),
};
if (values.seed !== undefined) {
  const result = await simulate({
    seed: Number(values.seed),
    ...shape,
    ...(values.quiet ? {} : { sink: (line, isQuiet) => (values.all || !isQuiet) && console.log(line) }),
  });
  const { latest: _, ...summary } = result;
  console.log(summary);
  process.exitCode = result.failure === null ? 0 : 1;
} else {
  const from = Number(values.from);
  const count = Number(values.seeds);
  const startedMs = performance.now();
  const totals: Record<string, number> = {};
  let failed = 0;
  let acknowledged = 0;
  let compactions = 0;
  for (let seed = from; seed < from + count; seed++) {
    const result = await simulate({ seed, ...shape });
    acknowledged += result.acknowledged;
    compactions += result.compactions;
    for (const [kind, times] of Object.entries(result.faults)) totals[kind] = (totals[kind] ?? 0) + times;
    if (result.failure === null) continue;
    failed++;
    console.log(values.quiet ? `seed ${seed}: ${result.failure}` : describeFailure(result));
    if (values.bail) break;
  }
  const seconds = (performance.now() - startedMs) / 1000;
  console.log(
    `${count} seeds from ${from}: ${failed} failed, ${acknowledged} records acknowledged, ${compactions} compactions, ${seconds.toFixed(1)} s`,
  );
  console.log(
    `faults: ${Object.entries(totals)
      .map(([kind, times]) => `${kind} ${times}`)
      .join(", ")}`,
  );
  process.exitCode = failed === 0 ? 0 : 1;
}
