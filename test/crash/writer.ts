// A process that writes to logs in a folder as fast as it can, and tells on standard output what it does, until it is killed: see
// kill-loop.ts.
import { openLogStore } from "../../broker/log/directories/open-directories.ts";
import { nodeFileSystem } from "../../broker/runtime/node-files.ts";
import { silentLogger } from "../../protocol/base/logger.ts";
import { seededRandom } from "../../protocol/base/random.ts";
import { nodeClock } from "../../protocol/node/node-clock.ts";
import { CrashWorkload } from "./workload.ts";

const [directory = "", seed = "1", producerEpoch = "0"] = process.argv.slice(2);
// it ends with whoever started it
process.stdin.resume().once("close", () => process.exit(1));

const random = seededRandom(Number(seed));
const cleaner = { backoffMs: 5, mapBytesMax: 2 ** 20, mapLoadFactor: 0.9, bytesPerSecondMax: Number.MAX_VALUE };
const parts = { files: nodeFileSystem(), clock: nodeClock, random, log: silentLogger };
const store = await openLogStore(parts, { directory, checkpointIntervalMs: 10, cleaner });
const workload = new CrashWorkload({
  store,
  random,
  producerEpoch: Number(producerEpoch),
  // a pipe is written to at once: what we said is out, however we end
  report: ({ kind, topic, offset }) => void process.stdout.write(`${kind} ${topic} ${offset}\n`),
});
await workload.open();
store.startCleaning((key) => workload.highWatermark(key));
process.stdout.write("ready\n");
for (;;) await workload.step();
