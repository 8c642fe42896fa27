// Exactly once under fire: `npm run exactly-once -- --kills 200 --seed 1`. Workers and brokers are killed; what was processed is counted.
import { parseArgs } from "node:util";
import { exactlyOnce } from "./exactly-once.ts";

const { values } = parseArgs({ options: { kills: { type: "string", default: "20" }, seed: { type: "string", default: "1" } } });
const [kills, seed] = [Number(values.kills), Number(values.seed)];
if (!Number.isSafeInteger(kills) || kills < 1 || !Number.isSafeInteger(seed)) {
  process.stderr.write("npm run exactly-once -- [--kills 20] [--seed 1]\n");
  process.exit(2);
}
const wrong = await exactlyOnce({ kills, seed, say: (line) => process.stdout.write(`${line}\n`) });
for (const fault of wrong.slice(0, 50)) process.stdout.write(`WRONG ${fault}\n`);
process.exit(wrong.length === 0 ? 0 : 1);
