// node compare.ts NAME CONSUMED SUMMARY LOG...: is every line of the logs (oldest first) among the consumed ones ("address<TAB>line")
// exactly once, each address's in order?
import { createReadStream, readFileSync } from "node:fs";
import { createInterface } from "node:readline";

async function* linesOf(path: string): AsyncGenerator<string> {
  yield* createInterface({ input: createReadStream(path), crlfDelay: Number.POSITIVE_INFINITY });
}

const [name = "", consumedPath = "", summaryPath = "", ...logPaths] = process.argv.slice(2);
const faults: string[] = [];

const written = new Map<string, string[]>();
let writtenCount = 0;
for (const path of logPaths) {
  for await (const line of linesOf(path)) {
    const address = line.slice(0, line.indexOf(" "));
    const lines = written.get(address) ?? [];
    lines.push(line);
    written.set(address, lines);
    writtenCount++;
  }
}

const stored = new Map<string, string[]>();
for await (const record of linesOf(consumedPath)) {
  const tab = record.indexOf("\t");
  const [address, line] = [record.slice(0, tab), record.slice(tab + 1)];
  if (!line.startsWith(`${address} `)) faults.push(`key ${address} does not fit the line ${line}`);
  const lines = stored.get(address) ?? [];
  lines.push(line);
  stored.set(address, lines);
}

for (const [address, lines] of written) {
  const found = stored.get(address) ?? [];
  const missing = new Set(lines).difference(new Set(found)).size;
  const repeated = found.length - new Set(found).size;
  if (missing > 0) faults.push(`${address}: ${missing} of ${lines.length} lines are missing`);
  else if (repeated > 0) faults.push(`${address}: ${repeated} of its lines are stored again`);
  else if (found.length !== lines.length) faults.push(`${address}: ${found.length} lines were stored, nginx wrote ${lines.length}`);
  else {
    const at = lines.findIndex((line, index) => line !== found[index]);
    if (at >= 0) faults.push(`${address}: out of order at its line ${at}`);
  }
}
for (const address of stored.keys()) if (!written.has(address)) faults.push(`nginx wrote no line for ${address}`);

const summary = JSON.parse(readFileSync(summaryPath, "utf8"));
if (summary.lines !== writtenCount) faults.push(`produce counted ${summary.lines} lines, nginx wrote ${writtenCount}`);

const how = faults.length > 0 ? `${faults.length} faults` : "once each and in order";
console.log(`${name}: ${writtenCount} lines of ${written.size} addresses, ${how} (${summary.retried} were sent more than once)`);
for (const fault of faults.slice(0, 20)) console.error(`WRONG: ${fault}`);
process.exitCode = faults.length > 0 ? 1 : 0;
