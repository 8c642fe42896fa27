import { execFileSync, spawnSync } from "node:child_process";
import { mkdir, symlink, writeFile } from "node:fs/promises";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Admin, orThrow } from "../../client/index.ts";
import { TestCluster } from "../support/cluster.ts";
import { makeTestFolder, removeTestFolder } from "../support/test-folder.ts";

const command = fileURLToPath(new URL("../../bin/ottla", import.meta.url));
let cluster: TestCluster;
let folder: string;
let environment: NodeJS.ProcessEnv;

beforeAll(async () => {
  folder = await makeTestFolder("completion");
  await symlink(command, join(folder, "ottla"));
  await mkdir(join(folder, "files"));
  await writeFile(join(folder, "files", "one-file"), "");
  cluster = await TestCluster.start({ brokers: 1, settings: { "default.replication.factor": 1, "min.insync.replicas": 1 } });
  await using admin = new Admin({ bootstrap: cluster.bootstrap });
  const topic = (name: string, configs: Readonly<Record<string, string>> = {}) => ({ name, partitions: 2, configs });
  orThrow(await admin.createTopics([topic("orders", { "retention.ms": "5" }), topic("orders-eu"), topic("payments")]));
  environment = {
    ...process.env,
    PATH: [folder, dirname(process.execPath), process.env.PATH].join(delimiter),
    OTTLA_BOOTSTRAP: cluster.bootstrap.join(","),
    XDG_CONFIG_HOME: join(folder, "config"),
    HOME: folder,
  };
});
afterAll(async () => {
  await cluster?.stop();
  await removeTestFolder(folder);
});

const isInstalled = (shell: string) => spawnSync(shell, ["--version"]).status === 0;
const run = (shell: string, ...args: string[]) =>
  execFileSync(shell, args, { encoding: "utf8", env: environment, cwd: join(folder, "files") });

/** What the shell would put in place of the unfinished word, in whatever order it has them. */
type Completer = (line: string) => readonly string[];

/** As readline calls the function: with the words split where bash splits them. */
const bash: Completer = (line) => {
  const words = line.split(/\s+/).flatMap((word) => (word === "" ? [""] : word.split(/([=:]+)/).filter((piece) => piece !== "")));
  const quoted = words.map((word) => `'${word}'`).join(" ");
  const script = `source <(ottla completion bash)
    COMP_WORDS=(${quoted}) COMP_CWORD=${words.length - 1} COMP_LINE='${line}' COMP_POINT=${line.length}
    _ottla 2>/dev/null; printf '%s\\n' "\${COMPREPLY[@]}"`;
  return run("bash", "--norc", "-c", script)
    .split("\n")
    .filter((value) => value !== "");
};

/** fish has a means for it. */
const fish: Completer = (line) =>
  run("fish", "--no-config", "-c", `ottla completion fish | source; complete -C '${line}'`)
    .split("\n")
    .filter((each) => each !== "")
    .map((each) => each.split("\t")[0] ?? "");

/** zsh completes on a terminal only: one of its own, where a list of all candidates is told by a function in place of the display. */
const zsh: Completer = (line) => {
  const script = `zmodload zsh/zpty; zpty shell zsh -f -i
    zpty -w shell 'PROMPT=; autoload -Uz compinit; compinit -u -d ${join(folder, "zcompdump")}; source <(ottla completion zsh)'
    zpty -w shell '_describe() { print -r -- "BEGIN"; print -rl -- "\${(P@)2}"; print -r -- "END" }'
    zpty -w shell '_files() { print -r -- "BEGIN"; print -r -- "files"; print -r -- "END" }'
    zpty -w shell 'echo REA""DY'; zpty -m -r shell text '*READY*'
    zpty -w -n shell '${line}'$'\\t'; zpty -m -r shell text '*BEGIN*END*'; print -r -- "$text"`;
  const told = run("zsh", "-f", "-c", script).replaceAll("\r", "");
  const [, lines = ""] = /BEGIN\n(.*)END/s.exec(told) ?? [];
  return lines
    .split("\n")
    .filter((each) => each !== "")
    .map((each) => each.split(":")[0] ?? "");
};

describe.each([
  { shell: "bash", of: bash },
  { shell: "zsh", of: zsh },
  { shell: "fish", of: fish },
])("completion in $shell", ({ shell, of }) => {
  test.skipIf(!isInstalled(shell))("of commands, options, topics, settings and files", () => {
    expect(of("ottla topic de")).toEqual(expect.arrayContaining(["describe", "delete", "delete-records"]));
    expect(of("ottla topic describe ord")).toEqual(["orders", "orders-eu"]);
    expect(of("ottla topic create x --pa")).toEqual(["--partitions"]);
    expect(of("ottla topic alter orders --config retention.").map((value) => value.replace(/^.*retention/, "retention"))).toEqual([
      "retention.bytes=",
      "retention.ms=",
    ]);
    expect(of("ottla topic alter orders --delete-config ")).toEqual(["retention.ms"]);
    expect(of("ottla log dump one")[0]).toBe(shell === "zsh" ? "files" : "one-file");
    expect(of("ottla produce orders --codec=z").map((value) => value.replace("--codec=", ""))).toEqual(["zstd"]);
  });
});

test("where no cluster answers, nothing is said, soon", () => {
  const beganMs = performance.now();
  const { status, stdout, stderr } = spawnSync(command, ["complete", "--", "topic", "describe", "--bootstrap", "127.0.0.1:1", "o"], {
    encoding: "utf8",
    env: environment,
  });
  expect({ status, stdout, stderr }).toEqual({ status: 0, stdout: "words\n", stderr: "" });
  expect(performance.now() - beganMs).toBeLessThan(10_000);
});

test("the scripts are what the shells take", async () => {
  for (const shell of ["bash", "zsh", "fish"].filter(isInstalled)) {
    const script = execFileSync(command, ["completion", shell], { encoding: "utf8", env: environment });
    const file = join(folder, `script.${shell}`);
    await writeFile(file, script);
    expect(spawnSync(shell, ["-n", file], { encoding: "utf8" }), shell).toMatchObject({ status: 0, stderr: "" });
  }
});
