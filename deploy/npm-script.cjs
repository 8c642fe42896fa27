// `node deploy/npm-script.cjs PROGRAM.mjs ARGUMENTS`: one of our programs, where this Node can run it. Nothing here may be newer than the
// oldest Node that someone has: what Node cannot read it reports as a SyntaxError, and of a module before anything of it runs.
"use strict";
var oldest = 20;
var found = process.versions.node;
if (Number(found.split(".")[0]) >= oldest) {
  process.argv.splice(1, 2, [__dirname, process.argv[2]].join("/"));
  require("./import.cjs")(process.argv[1]);
} else {
  console.error("ottla: Node %d or newer is needed, this is %s (%s); see https://nodejs.org/en/download", oldest, found, process.execPath);
  process.exitCode = 1;
}
