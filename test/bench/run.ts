// The README's figures: `npm run bench [-- --records N …]`. Starts a cluster as the tests do, measures it with `ottla bench`, and looks at
// the brokers' memory.
import { spawn } from "node:child_process";
import { readFile } from "node:fs/promises";
import { cpus } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { reportAsText } from "../../cli/commands/register-bench.ts";
import { TestCluster } from "../support/cluster.ts";

const mainFile = fileURLToPath(new URL("../../cli/main.ts", import.meta.url));
/** After the start, until memory is looked at: what the start left behind is collected by then. */
const idleMs = 5000;

async function ottla(args: readonly string[]): Promise<string> {
  const child = spawn(process.execPath, [mainFile, ...args], { stdio: ["ignore", "pipe", "inherit"] });
  let output = "";
  child.stdout.on("data", (chunk) => {
    output += String(chunk);
  });
  const code = await new Promise((resolve) => child.once("close", resolve));
  if (code !== 0) throw new Error(`ottla ${args.join(" ")} ended with ${code}`);
  return output;
}

/** Resident memory of each broker, MiB. */
async function residentMib(cluster: TestCluster): Promise<number[]> {
  return Promise.all(
    cluster.ids.map(async (id) => {
      const status = await readFile(`/proc/${cluster.pid(id)}/status`, "utf8");
      return Math.round(Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) / 1024);
    }),
  );
}

async function main(benchArguments: readonly string[]): Promise<void> {
  console.log(
    `node ${process.versions.node}, ${cpus().length} cores (${cpus()[0]?.model ?? "unknown"}), brokers, ZooKeeper and clients all on them`,
  );
  const startedAtMs = performance.now();
  const cluster = await TestCluster.start({ settings: { "zookeeper.session.timeout.ms": 6000 } });
  try {
    console.log(`ready     three brokers and ZooKeeper in ${((performance.now() - startedAtMs) / 1000).toFixed(1)} s`);
    await sleep(idleMs);
    console.log(`idle      brokers use ${(await residentMib(cluster)).join(", ")} MiB`);
    const bootstrap = ["--bootstrap", cluster.bootstrap.join(",")];
    // once unmeasured: the first requests of a process are compiled as they run
    await ottla(["bench", "--records", "20000", "--json", ...bootstrap]);
    process.stdout.write(reportAsText(JSON.parse(await ottla(["bench", "--json", ...bootstrap, ...benchArguments]))));
    console.log(`loaded    brokers use ${(await residentMib(cluster)).join(", ")} MiB`);
    const steady = JSON.parse(await ottla(["bench", "--json", "--records", "30000", "--rate", "3000", ...bootstrap]));
    console.log("at 3,000 records/s:");
    process.stdout.write(reportAsText(steady));
  } finally {
    await cluster.stop();
  }
}

await main(process.argv.slice(2));
