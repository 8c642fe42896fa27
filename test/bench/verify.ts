// What `ottla log verify` costs: `node test/bench/verify.ts [--folder DIR] [--mib 1024]`. Writes a log, then runs the command over it, as a
// process of its own.

import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { openLogStore } from "../../broker/log/directories/open-directories.ts";
import { nodeFileSystem } from "../../broker/runtime/node-files.ts";
import { silentLogger } from "../../protocol/base/logger.ts";
import { seededRandom } from "../../protocol/base/random.ts";
import { nodeClock } from "../../protocol/node/node-clock.ts";
import { compressRecords } from "../../protocol/records/compression.ts";
import { encodeBatch } from "../../protocol/records/encode-batch.ts";
import { testSettings } from "../support/memory-log.ts";
import { parsedBatch } from "../support/parsed-batch.ts";
import { PeakMemory } from "./peak-memory.ts";

const mainFile = fileURLToPath(new URL("../../cli/main.ts", import.meta.url));
const { values } = parseArgs({ options: { folder: { type: "string", default: tmpdir() }, mib: { type: "string", default: "1024" } } });
const mebibyte = 2 ** 20;

async function writeLog(directory: string, bytesWanted: number): Promise<number> {
  const parts = { files: nodeFileSystem(), clock: nodeClock, random: seededRandom(1), log: silentLogger };
  const store = await openLogStore(parts, { directory });
  const log = await store.open("bench", 0, "AbCdEfGhIjKlMnOpQrStUw", { ...testSettings, segmentBytes: 64 * mebibyte });
  const records = Array.from({ length: 120 }, (_, i) => ({
    key: Buffer.from(`key ${i}`),
    value: Buffer.from(`${"value of some length ".repeat(5)}${i}`),
    timestampMs: 1_700_000_000_000 + i,
  }));
  const [plain, packed] = [encodeBatch(records), encodeBatch(records, { codec: "zstd", compress: compressRecords })];
  let bytes = 0;
  for (let i = 0; bytes < bytesWanted; i++) {
    const batch = Buffer.from(i % 4 === 0 ? packed : plain);
    bytes += batch.length;
    const appended = log.appendAsLeader(parsedBatch(batch), 0, 0);
    if (appended.kind === "appended" && i % 200 === 0) await log.written(appended.endOffset);
  }
  await store.close();
  return bytes;
}

const folder = await mkdtemp(join(values.folder, "ottla-verify-"));
try {
  const bytes = await writeLog(folder, Number(values.mib) * mebibyte);
  for (const args of [[], ["--deep"]]) {
    const startedMs = performance.now();
    const child = spawn(process.execPath, [mainFile, "log", "verify", ...args, folder], { stdio: ["ignore", "ignore", "inherit"] });
    const memory = new PeakMemory(child.pid ?? 0);
    const code = await new Promise((resolve) => child.once("close", resolve));
    const seconds = (performance.now() - startedMs) / 1000;
    const what = ["ottla log verify", ...args].join(" ").padEnd(24);
    console.log(
      `${what} ${(bytes / mebibyte / seconds).toFixed(0)} MiB/s, at most ${memory.end()} MiB of memory${code === 0 ? "" : `, exit code ${code}`}`,
    );
  }
} finally {
  await rm(folder, { recursive: true, force: true });
}
