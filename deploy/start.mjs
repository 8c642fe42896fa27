// npm start: set up what is missing, then `ottla up` with the options given.
import { join } from "node:path";
import { runInOurPlace } from "./run-child.mjs";
import { orExit, root, setUp } from "./set-up.mjs";

await orExit(async () => {
  const { node } = setUp({ debian: ["java", "zookeeper"] });
  process.exitCode = await runInOurPlace(node, [join(root, "cli", "main.ts"), "up", ...process.argv.slice(2)]);
});
