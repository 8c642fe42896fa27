// `node deploy/bundle.mjs [FOLDER]` makes what the package and the image run: for each command a program of a few files (FOLDER/NAME, by
// default in dist/command), and one with all commands. The sources are hundreds of files, and to find, read and link one costs Node about a
// millisecond. Not minified: names in stack traces are those of the sources, and comments say which file a part came from.
import { copyFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { commandNames } from "../cli/commands/register-commands.ts";

const root = fileURLToPath(new URL("..", import.meta.url));
const folder = process.argv[2] ?? join(root, "dist", "command");

/** Needed by each command, of many files, and nothing native. Its licence goes with it. */
const packageWithin = "commander";

/** The other packages stay packages; one of which nothing is used is not loaded. */
const packagesApart = {
  name: "packages apart",
  setup(bundler) {
    bundler.onResolve({ filter: /^[^./]/ }, ({ path }) => (path === packageWithin ? null : { external: true, sideEffects: false }));
  },
};

/**
 * As modules, Node's own have every one of their properties read when they are imported, also those that load other modules when they are
 * read (fs.promises, process.report): 10 ms for a command. As objects they have not.
 */
const builtinsAsObjects = {
  name: "builtins as objects",
  setup(bundler) {
    bundler.onResolve({ filter: /^node:/ }, ({ path }) => ({ path, namespace: "builtin" }));
    bundler.onLoad({ filter: /./, namespace: "builtin" }, ({ path }) => ({
      contents: `module.exports = process.getBuiltinModule(${JSON.stringify(path)});`,
    }));
  },
};

/** What is imported when it is needed stays a file of its own. */
function bundle(name, contents) {
  return build({
    absWorkingDir: root,
    stdin: { contents, resolveDir: root, sourcefile: `${name}.ts`, loader: "ts" },
    outdir: join(folder, name),
    entryNames: "main",
    bundle: true,
    splitting: true,
    format: "esm",
    platform: "node",
    target: "node24",
    legalComments: "inline",
    plugins: [builtinsAsObjects, packagesApart],
    logLevel: "warning",
  });
}

/** What `consume` starts as a worker, beside the programs that do. */
function bundleWorker(name) {
  return build({
    absWorkingDir: root,
    entryPoints: [join(root, "cli/consume/filter/filter-worker.ts")],
    outdir: join(folder, name),
    bundle: true,
    format: "esm",
    platform: "node",
    target: "node24",
    plugins: [packagesApart],
    logLevel: "warning",
  });
}

rmSync(folder, { recursive: true, force: true });
await Promise.all([
  bundle(
    "all",
    `import { commandsFor } from "./cli/commands/register-commands.ts";
     import { run } from "./cli/run.ts";
     const args = process.argv.slice(2);
     await run(args, await commandsFor(args));`,
  ),
  bundleWorker("all"),
  bundleWorker("consume"),
  ...commandNames.map((name) =>
    bundle(
      name,
      `import { register } from "./cli/commands/register-${name}.ts";
       import { run } from "./cli/run.ts";
       await run(process.argv.slice(2), [register]);`,
    ),
  ),
]);
copyFileSync(join(root, "node_modules", packageWithin, "LICENSE"), join(folder, `${packageWithin}.LICENSE`));
