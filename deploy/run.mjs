// npm start and the like: set up what is missing, then run one of the project's programs on the pinned Node, with the arguments given.
import { join } from "node:path";
import { runNodeInOurPlace } from "./run-child.mjs";
import { orExit, root, setUp } from "./set-up.mjs";

await orExit(async () => {
  const { node } = await setUp({ debian: ["java", "zookeeper"] });
  const [program, ...args] = process.argv.slice(2);
  process.exitCode = await runNodeInOurPlace(node, [join(root, program), ...args]);
});
