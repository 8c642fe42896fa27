// The log's figures: `npm run bench:log [-- --folder DIR --gib 10 --only durability,compaction,verify]`. Each part is a process of its own,
// on real files in a folder that is removed afterwards.
import { spawn } from "node:child_process";
import { statfs } from "node:fs/promises";
import { cpus, tmpdir } from "node:os";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { PeakMemory } from "./peak-memory.ts";

const { values } = parseArgs({
  options: {
    /** On the disk that is to be measured. */
    folder: { type: "string", default: tmpdir() },
    /** Of the log that timestamps are looked up in. */
    gib: { type: "string", default: "10" },
    only: { type: "string", default: "durability,compaction,verify" },
  },
});
const gib = Number(values.gib);
/** A part that takes longer hangs. */
const partMaxMs = 20 * 60 * 1000;

const parts = [
  {
    name: "durability",
    what: "appends with and without fsync, cold reads, starts, lookups by time",
    args: ["--folder", values.folder, "--gib", values.gib],
    needsGib: gib + 2,
  },
  { name: "compaction", what: "compaction", args: [], needsGib: 2 },
  { name: "verify", what: "ottla log verify", args: ["--folder", values.folder, "--mib", "1024"], needsGib: 2 },
];

async function run({ name, what, args, needsGib }: (typeof parts)[number]): Promise<boolean> {
  const { bavail, bsize } = await statfs(values.folder);
  const freeGib = (bavail * bsize) / 2 ** 30;
  console.log(`\n${what}`);
  if (freeGib < needsGib) {
    console.log(
      `  left out: it needs ${needsGib} GiB, and ${values.folder} has ${freeGib.toFixed(1)} free (--folder names another, --gib takes less)`,
    );
    return true;
  }
  const file = fileURLToPath(new URL(`${name}.ts`, import.meta.url));
  const startedMs = performance.now();
  const child = spawn(process.execPath, [file, ...args], { stdio: ["ignore", "inherit", "inherit"], timeout: partMaxMs });
  const memory = new PeakMemory(child.pid ?? 0);
  const code = await new Promise((resolve) => child.once("close", resolve));
  console.log(
    `  ${((performance.now() - startedMs) / 1000).toFixed(0)} s, at most ${memory.end()} MiB of memory${code === 0 ? "" : `; FAILED with ${code}`}`,
  );
  return code === 0;
}

console.log(`node ${process.versions.node}, ${cpus().length} cores (${cpus()[0]?.model ?? "unknown"}), files in ${values.folder}`);
console.log(
  "bounds by default: 64 MiB for the tails of all logs, 32 MiB for indexes, 128 MiB for the cleaner's keys (log.cleaner.dedupe.buffer.size)",
);
const wanted = values.only.split(",");
for (const part of parts.filter(({ name }) => wanted.includes(name))) if (!(await run(part))) process.exitCode = 1;
