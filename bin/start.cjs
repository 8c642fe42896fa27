// Works in a checkout (runs the sources) and in the installed package (runs what was built).
const { existsSync } = require("node:fs");
const { dirname, join } = require("node:path");
const { homedir } = require("node:os");

/** `pinned`: the Node to run on in our place; null: this one will do. */
exports.start = async (root, pinned) => {
  const source = join(root, "cli", "main.ts");
  const main = existsSync(source) ? source : built(root);
  // much of what a command costs is compiling; Node looks at the contents, so nothing in it is ever old. Whatever is started from here finds it, too
  const compiled = main === source ? join(root, "node_modules", ".cache", "compiled") : ownCache();
  if (compiled !== null) process.env.NODE_COMPILE_CACHE ??= compiled;
  if (pinned !== null) {
    const { runNodeInOurPlace } = await import("../deploy/run-child.mjs");
    process.exitCode = await runNodeInOurPlace(pinned, [main, ...process.argv.slice(2)]);
    return;
  }
  if (process.argv[2] === "up" && process.env.npm_lifecycle_script) {
    const { whenScriptEnds } = await import("../deploy/script-parent.mjs");
    whenScriptEnds(() => process.kill(process.pid, "SIGTERM"));
  }
  if (process.argv[2] === "consume") endWhenStopped();
  process.argv[1] = main;
  if (compiled !== null) require("node:module").enableCompileCache(process.env.NODE_COMPILE_CACHE);
  await import(main);
};

/** Being stopped is how `consume` ends, also while it is being loaded; from then on it listens itself. */
function endWhenStopped() {
  for (const signal of ["SIGINT", "SIGTERM"])
    process.on(signal, () => {
      if (process.listenerCount(signal) === 1) process.exit(0);
    });
}

/** Each command is a program of its own (deploy/bundle.mjs); one knows them all, for the help and for what is said of a wrong one. */
function built(root) {
  const programs = join(root, "dist", "command");
  const own = join(programs, process.argv[2] ?? "", "main.js");
  return /^[a-z]+$/.test(process.argv[2] ?? "") && existsSync(own) ? own : join(programs, "all", "main.js");
}

/** Not in a folder that others may write to: what is in it is run. Null: this user has no home. */
function ownCache() {
  const folder = process.env.XDG_CACHE_HOME || join(homedir(), ".cache");
  return existsSync(dirname(folder)) ? join(folder, "ottla", "compiled") : null;
}
