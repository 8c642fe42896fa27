// What `.ci/run` runs: lint, type check and build, every suite, and a short benchmark; the last line counts the tests, from their reports.
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { runBounded } from "./bounded.mjs";
import { orExit, root, setUp } from "./set-up.mjs";

/** Of the benchmark, on a machine that is too busy for it; what was measured by then is printed. */
const benchStopAfterMs = 160_000;
const benchGraceMs = 15_000;
const benchUsage = 2;

await orExit(async () => {
  const { node } = await setUp({ debian: ["java", "zookeeper"], optional: ["kcat", "nginx", "iptables", "tmux", "prometheus"] });
  const env = { ...process.env, PATH: `${join(node, "..")}:${join(root, "node_modules", ".bin")}:${process.env.PATH}` };
  const run = (title, command, args, extra = {}) => {
    process.stdout.write(`\n== ${title}\n`);
    return spawnSync(command, args, { cwd: root, stdio: ["ignore", "inherit", "inherit"], env: { ...env, ...extra } }).status ?? 1;
  };
  const failures = [];
  const must = (title, status) => {
    if (status !== 0) failures.push(title);
  };
  must("lint", run("lint", "biome", ["check", "."]));
  must("build", run("types and build", "tsc", ["-b"]));
  must("tests", run("tests", "npm", ["test"], { OTTLA_TEST_REPORT: "tests.json" }));
  must("container tests", run("container tests", "npm", ["run", "test:containers"], { OTTLA_TEST_REPORT: "containers.json" }));
  must("benchmark", await benchmark(node, env));
  if (failures.length > 0) process.stdout.write(`\nfailed: ${failures.join(", ")}\n`);
  const counts = ["tests.json", "containers.json"].map((name) => count(join(root, "dist", "test-report", name)));
  const sum = (key) => counts.reduce((total, each) => total + each[key], 0);
  process.stdout.write(`\n${sum("passed")} passed, ${sum("failed")} failed, ${sum("skipped")} skipped\n`);
  process.exitCode = failures.length > 0 || sum("failed") > 0 || sum("passed") === 0 ? 1 : 0;
});

/** Prints figures, and asserts none: nothing fails for a slow machine, or for a peer that cannot be had. */
async function benchmark(node, env) {
  process.stdout.write("\n== benchmark (npm run bench -- --quick)\n");
  // the channel ends it if we are killed
  const { code, isLate, left } = await runBounded(
    node,
    ["--import", new URL("./lifeline.mjs", import.meta.url).href, join("test", "bench", "run.ts"), "--quick"],
    { cwd: root, env, stdio: ["ignore", "inherit", "inherit", "ipc"], stopAfterMs: benchStopAfterMs, graceMs: benchGraceMs },
  );
  if (isLate) process.stdout.write(`\nbenchmark: stopped after ${benchStopAfterMs / 1000} s, so figures are missing\n`);
  else if (code !== 0) process.stdout.write(`\nbenchmark: some figures could not be had (exit code ${code})\n`);
  if (left > 0) process.stdout.write(`benchmark: ${left} of its processes had to be killed\n`);
  return code === benchUsage ? code : 0;
}

function count(report) {
  if (!existsSync(report)) return { passed: 0, failed: 0, skipped: 0 };
  const { numPassedTests, numFailedTests, numPendingTests, numTodoTests = 0 } = JSON.parse(readFileSync(report, "utf8"));
  return { passed: numPassedTests, failed: numFailedTests, skipped: numPendingTests + numTodoTests };
}
