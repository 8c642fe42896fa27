// npm run test:containers: the suite that drives our compose files. Finds or starts a Docker daemon; where there can be none, the tests
// are skipped and say why.
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { findOrStartDaemon, provideImages } from "./docker-daemon.mjs";
import { runInOurPlace } from "./run-child.mjs";
import { orExit, root, setUp } from "./set-up.mjs";

await orExit(async () => {
  const { node } = await setUp({ debian: [], optional: ["docker"] });
  const daemon = await findOrStartDaemon();
  const images = daemon.reason === null ? provideImages(root) : { reason: daemon.reason, linksReason: daemon.reason, standIns: false };
  const reports = join(root, "dist", "test-report");
  mkdirSync(reports, { recursive: true });
  const report = join(reports, process.env.OTTLA_TEST_REPORT ?? "containers.json");
  rmSync(report, { force: true });
  const env = {
    ...process.env,
    PATH: `${join(node, "..")}:${process.env.PATH}`,
    OTTLA_CONTAINERS_SKIPPED_BECAUSE: images.reason ?? "",
    OTTLA_LINKS_SKIPPED_BECAUSE: images.linksReason ?? "",
    // the image that cleans up after testcontainers cannot be pulled where the others cannot
    ...(images.standIns ? { TESTCONTAINERS_RYUK_DISABLED: "true" } : {}),
  };
  try {
    process.exitCode = await runInOurPlace(
      node,
      [
        join(root, "node_modules", "vitest", "vitest.mjs"),
        "run",
        "--reporter=default",
        "--reporter=json",
        `--outputFile.json=${report}`,
        "--project",
        "containers",
        ...process.argv.slice(2),
      ],
      { cwd: root, env },
    );
  } finally {
    await daemon.stop?.();
  }
});
