// `node deploy/client-package.mjs [FOLDER]` makes the package @ottla/client (by default in dist/client-package): the library without
// broker, command and ZooKeeper client, and with the dependencies that it imports alone. `tsc -b client` has to run before it: the types
// are copied.
import { copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, normalize, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const root = fileURLToPath(new URL("..", import.meta.url));
const folder = process.argv[2] ?? join(root, "dist", "client-package");

/**
 * One file, and what is imported only when it is needed. The sources are more than a hundred files, each of which costs a millisecond. The
 * check of the version is a file of its own: esbuild's shared parts run before whatever imports them.
 */
async function bundle() {
  const { metafile } = await build({
    absWorkingDir: root,
    entryPoints: { library: join(root, "client", "index.ts"), "node-version": join(root, "client", "base", "node-version.ts") },
    outdir: folder,
    bundle: true,
    splitting: true,
    format: "esm",
    platform: "node",
    // as tsc does: an older Node reads all of it, and then says which one is needed
    target: "es2024",
    packages: "external",
    metafile: true,
    logLevel: "warning",
  });
  const outputs = Object.values(metafile.outputs);
  const packages = outputs.flatMap(({ imports }) => imports).filter(({ external, path }) => external && !path.startsWith("node:"));
  const { exports } = outputs.find(({ entryPoint }) => entryPoint === "client/index.ts");
  return { packages: [...new Set(packages.map(({ path }) => path))].sort(), exports };
}

/** A Node that imports names from a CommonJS module looks for them in its text first, and says that one is missing before it runs it. */
function oldNodeFile(exports) {
  const source = readFileSync(join(root, "client", "old-node.cjs"), "utf8");
  return `${source}${exports.map((name) => `exports.${name} = 0;\n`).join("")}`;
}

/** The declarations that the library's own refers to, directly or not, below `types`. */
function copyTypes() {
  const built = join(root, "dist");
  const copied = new Set();
  const copy = (path) => {
    if (copied.has(path)) return;
    copied.add(path);
    const text = readFileSync(path, "utf8");
    const target = join(folder, "types", relative(built, path));
    mkdirSync(dirname(target), { recursive: true });
    writeFileSync(target, text.replace(/(["'])(\.\.?\/[^"']+)\.ts\1/g, "$1$2.js$1"));
    for (const [, name] of text.matchAll(/(?:from|import)\s*\(?\s*["'](\.\.?\/[^"']+)\.[jt]s["']/g))
      copy(normalize(join(dirname(path), `${name}.d.ts`)));
  };
  copy(join(built, "client", "index.d.ts"));
}

function packageFile(packages) {
  const { version, license, engines, dependencies } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  const library = "./index.js";
  return {
    name: "@ottla/client",
    version,
    description: "Writes, reads and manages the logs of Ottla and of Apache Kafka: producer, consumer and admin for Node.",
    license,
    type: "module",
    engines,
    sideEffects: ["./node-version.js"],
    // of a Node that knows nothing of `exports`, and of bundlers of its time
    main: "./old-node.cjs",
    module: library,
    types: "./types/client/index.d.ts",
    exports: {
      ".": {
        types: "./types/client/index.d.ts",
        bun: library,
        // every Node that knows this condition can read the library, whether it is imported or required; bundlers know the next one
        "module-sync": library,
        module: library,
        node: "./old-node.cjs",
        default: library,
      },
      "./package.json": "./package.json",
    },
    dependencies: Object.fromEntries(packages.map((name) => [name, dependencies[name]])),
  };
}

rmSync(folder, { recursive: true, force: true });
const { packages, exports } = await bundle();
copyTypes();
writeFileSync(join(folder, "package.json"), `${JSON.stringify(packageFile(packages), null, 2)}\n`);
writeFileSync(join(folder, "index.js"), 'import "./node-version.js";\nexport * from "./library.js";\n');
writeFileSync(join(folder, "old-node.cjs"), oldNodeFile(exports));
copyFileSync(join(root, "client", "README.md"), join(folder, "README.md"));
copyFileSync(join(root, "LICENSE"), join(folder, "LICENSE"));
