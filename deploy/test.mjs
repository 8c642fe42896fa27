// npm test: set up what is missing, then run the tests. Arguments go to the runner; without any, all but the container suite.
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { runInOurPlace } from "./run-child.mjs";
import { orExit, root, setUp } from "./set-up.mjs";

await orExit(async () => {
  const { node } = await setUp({ debian: ["java", "zookeeper"], optional: ["kcat", "iptables", "tmux"] });
  const given = process.argv.slice(2);
  const reports = join(root, "dist", "test-report");
  mkdirSync(reports, { recursive: true });
  const report = join(reports, process.env.OTTLA_TEST_REPORT ?? "tests.json");
  rmSync(report, { force: true });
  const selection = given.some((argument) => !argument.startsWith("-") || argument.startsWith("--project"))
    ? given
    : [...given, "--project", "unit", "--project", "beside", "--project", "integration"];
  process.exitCode = await runInOurPlace(
    node,
    [
      join(root, "node_modules", "vitest", "vitest.mjs"),
      "run",
      "--reporter=default",
      "--reporter=json",
      `--outputFile.json=${report}`,
      ...selection,
    ],
    { cwd: root, env: { ...process.env, PATH: `${join(node, "..")}:${process.env.PATH}` } },
  );
});
