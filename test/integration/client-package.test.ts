import { execFileSync, spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { cp, mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { TestCluster } from "../support/cluster.ts";
import { makeTestFolder, removeTestFolder } from "../support/test-folder.ts";

interface PackageFile {
  readonly version: string;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

const root = fileURLToPath(new URL("../..", import.meta.url));
const ours = "@ottla/client";
let folder: string;
/** A program's, in which nothing but our package is installed. */
let app: string;

const readPackage = async (path: string): Promise<PackageFile> => JSON.parse(await readFile(join(path, "package.json"), "utf8"));

/** Packs it, and installs it from the archive as npm does; what it depends on is copied from this checkout. */
beforeAll(async () => {
  folder = await makeTestFolder("client-package");
  app = join(folder, "app");
  const made = join(folder, "made");
  const node = (...args: string[]) => execFileSync(process.execPath, args, { cwd: root, encoding: "utf8" });
  node(join(root, "node_modules", "typescript", "bin", "tsc"), "-b", "client");
  node(join(root, "deploy", "client-package.mjs"), made);
  const packed = execFileSync("npm", ["pack", "--json", "--pack-destination", folder, made], { encoding: "utf8" });
  const archive = join(folder, (JSON.parse(packed) as readonly [{ readonly filename: string }])[0].filename);
  const installed = join(app, "node_modules", ours);
  await mkdir(installed, { recursive: true });
  execFileSync("tar", ["--extract", "--gzip", "--strip-components=1", "--file", archive, "--directory", installed]);
  await writeFile(join(app, "package.json"), JSON.stringify({ type: "module" }));
  await installDependencies(await readPackage(installed));
});
afterAll(() => removeTestFolder(folder));

async function installDependencies({ dependencies = {}, optionalDependencies = {} }: PackageFile): Promise<void> {
  for (const name of Object.keys({ ...dependencies, ...optionalDependencies })) {
    const [from, to] = [root, app].map((place) => join(place, "node_modules", name)) as [string, string];
    if (existsSync(to) || !existsSync(from)) continue; // binaries of other machines are not there
    await cp(from, to, { recursive: true });
    await installDependencies(await readPackage(from));
  }
}

/** Not for this machine alone: these have binaries for others. */
const wanted = ["@node-rs/crc32", "lz4-napi", "msgpackr", "snappy"];

test("the client's package depends on what the client imports, in the versions of the whole, and on nothing else", async () => {
  const whole = await readPackage(root);
  const { version, dependencies = {} } = await readPackage(join(app, "node_modules", ours));
  expect(version).toBe(whole.version);
  expect(dependencies).toEqual(Object.fromEntries(wanted.map((name) => [name, whole.dependencies?.[name]])));
});

test("it writes and reads on a real cluster, in every codec, where broker, command and ZooKeeper client are not installed", async () => {
  const cluster = await TestCluster.start({ brokers: 1, settings: { "default.replication.factor": 1, "min.insync.replicas": 1 } });
  try {
    await writeFile(
      join(app, "program.mjs"),
      `import { Admin, Consumer, Producer, msgpackSerde, orThrow } from "${ours}";
       const bootstrap = process.argv[2];
       await using admin = new Admin({ bootstrap });
       orThrow(await admin.createTopics([{ name: "t", partitions: 1, replicationFactor: 1 }]));
       for (const compression of ["none", "gzip", "snappy", "lz4", "zstd"]) {
         await using producer = new Producer({ bootstrap, compression, valueSerde: msgpackSerde() });
         await producer.send({ topic: "t", value: { compression, text: "x".repeat(1000) } });
       }
       await using consumer = new Consumer({ bootstrap, valueSerde: msgpackSerde(), stopAtEnd: true });
       await consumer.assign([{ topic: "t", from: "beginning" }]);
       for await (const { offset, value } of consumer) console.log(offset, value.compression, value.text.length);
       await admin.groupLag("nobody");
       for (const name of process.argv.slice(3)) await import(name).then(() => console.log(name, "is there"), () => undefined);`,
    );
    const { dependencies = {} } = await readPackage(root);
    const others = Object.keys(dependencies).filter((name) => !wanted.includes(name));
    expect(others).toContain("node-zookeeper-client");
    const printed = execFileSync(process.execPath, [join(app, "program.mjs"), ...cluster.bootstrap, ...others, "ottla"], {
      encoding: "utf8",
    });
    expect(printed.trim().split("\n")).toEqual(["none", "gzip", "snappy", "lz4", "zstd"].map((codec, i) => `${i} ${codec} 1000`));
  } finally {
    await cluster.stop();
  }
});

test("it has the types of all that it exports, and can be required as well as imported", async () => {
  const [imports, requires] = ["ts", "cts"].map((kind) => join(app, `typed.${kind}`)) as [string, string];
  const use = `const producer = new Producer({ bootstrap: "127.0.0.1:9092", valueSerde: jsonSerde<{ readonly text: string }>() });
    producer.on("leaderMoved", ({ from, epoch }) => console.log(from satisfies number | null, epoch satisfies number));
    export const sent: Promise<number> = producer.send({ topic: "t", value: { text: "x" } }).then(({ offset }) => offset);
    // @ts-expect-error the value is of another type
    void producer.send({ topic: "t", value: 1 });`;
  await writeFile(imports, `import { jsonSerde, Producer } from "${ours}";\n${use}`);
  await writeFile(requires, `import client = require("${ours}");\nconst { jsonSerde, Producer } = client;\n${use}`);
  const flags = [
    "--noEmit",
    "--strict",
    "--target",
    "es2024",
    "--module",
    "nodenext",
    "--lib",
    "es2024,esnext.disposable",
    "--types",
    "node",
  ];
  const types = ["--typeRoots", join(root, "node_modules", "@types")];
  const tsc = join(root, "node_modules", "typescript", "bin", "tsc");
  const { stdout, status } = spawnSync(process.execPath, [tsc, ...flags, ...types, imports, requires], { cwd: app, encoding: "utf8" });
  expect({ stdout, status }).toEqual({ stdout: "", status: 0 });
  const names = execFileSync(process.execPath, ["--print", `Object.keys(require("${ours}")).includes("Producer")`], { cwd: app });
  expect(`${names}`).toBe("true\n");
});

test("on an old Node it is one sentence, whether it is imported or required", async () => {
  // without this flag's feature, as on every Node that is too old to read the library
  const oldNode = ["--no-experimental-require-module"];
  await writeFile(join(app, "old.mjs"), `import { Producer } from "${ours}"; new Producer({});`);
  await writeFile(join(app, "old-namespace.mjs"), `import * as client from "${ours}"; new client.Producer({});`);
  await writeFile(join(app, "old.cjs"), `require("${ours}");`);
  // one that can read the library, and has not all that it uses
  const between = `Object.defineProperty(process, "versions", { value: { ...process.versions, node: "20.19.5" } });
    require("node:zlib").zstdCompress = undefined;`;
  await writeFile(join(app, "between.cjs"), between);
  for (const program of ["old.mjs", "old-namespace.mjs", "old.cjs"]) {
    const { status, stderr } = spawnSync(process.execPath, [...oldNode, join(app, program)], { encoding: "utf8" });
    expect(status, program).toBe(1);
    expect(stderr, program).toContain(`Error: ${ours} needs Node 24 or newer, and this is ${process.versions.node}`);
    const other = spawnSync(process.execPath, ["--require", join(app, "between.cjs"), join(app, program)], { encoding: "utf8" });
    expect(other.status, program).toBe(1);
    expect(other.stderr, program).toContain("Error: Ottla's client needs Node 24 or newer, and this is 20.19.5");
  }
  expect(await readdir(join(app, "node_modules", ours))).toContain("LICENSE");
});
