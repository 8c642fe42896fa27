import { closeSync, openSync } from "node:fs";
import { appendFile, readdir, readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { TestCluster } from "../support/cluster.ts";
import { OttlaCommand } from "../support/ottla-command.ts";
import { makeTestFolder, removeTestFolder } from "../support/test-folder.ts";
import { waitUntil } from "../support/wait-until.ts";

let cluster: TestCluster;
let folder: string;
beforeAll(async () => {
  [cluster, folder] = await Promise.all([TestCluster.start(), makeTestFolder("cli")]);
});
afterAll(async () => {
  await OttlaCommand.killAll();
  await cluster?.stop();
  await removeTestFolder(folder);
});

function run(args: string, stdin?: string | Buffer) {
  return new OttlaCommand([...args.split(" "), "--bootstrap", cluster.bootstrap.join(",")], stdin).result;
}

/** The command must succeed; its JSON, or its text. */
async function text(args: string, stdin?: string | Buffer): Promise<string> {
  const { code, stdout, stderr } = await run(args, stdin);
  expect({ args, code, stderr: code === 0 ? "" : stderr }).toEqual({ args, code: 0, stderr: "" });
  return stdout;
}

async function json(args: string, stdin?: string) {
  return JSON.parse(await text(`${args} --json`, stdin));
}

function within<T>(what: string, promise: Promise<T>): Promise<T> {
  const late = new Promise<never>((_, reject) => setTimeout(() => reject(new Error(`not within 60 s: ${what}`)), 60_000).unref());
  return Promise.race([promise, late]);
}

const numbered = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => `line ${from + i}`);

test("a topic is made, listed, described, altered and deleted", async () => {
  expect(await text("topic create life --partitions 2 --replication-factor 3 --config retention.ms=1000000")).toBe(
    "created life: 2 partitions, 3 copies each\n",
  );
  expect((await text("topic list")).split("\n")).toContain("life");
  const [life] = await json("topic describe life --configs");
  expect(life.partitions.map(({ replicas, isr }: { replicas: number[]; isr: number[] }) => [replicas.length, isr.length])).toEqual([
    [3, 3],
    [3, 3],
  ]);
  expect(life.configs).toContainEqual(expect.objectContaining({ name: "retention.ms", value: "1000000", source: "topic" }));
  expect(await text("topic describe life --offsets")).toMatch(
    /^life {2}id \S{22} {2}2 partitions {2}3 copies\npartition {2}leader {2}epoch {2}replicas {2}isr +offline {2}start {2}end {2}size\n +0 {2}[123] +0 {2}/,
  );
  expect(await text("topic alter life --partitions 5 --delete-config retention.ms")).toBe(
    "altered life\nsetting       was      is\npartitions    2        5\nretention.ms  1000000  604800000\n",
  );
  await waitUntil("five partitions", async () => (await json("topic describe life"))[0].partitions.length === 5);
  expect(await text("topic create life --if-not-exists")).toBe("topic life exists already\n");
  expect(await text("topic delete life")).toBe("deleted life\n");
  await waitUntil("the topic to be gone", async () => !(await text("topic list")).split("\n").includes("life"));
});

test("replicas go where they are told", async () => {
  await text("topic create placed --replica-assignment 3:1,2:3");
  const [placed] = await json("topic describe placed");
  expect(placed.partitions.map(({ replicas }: { replicas: number[] }) => replicas)).toEqual([
    [3, 1],
    [2, 3],
  ]);
});

test("topics are listed with what is in them: names where a program reads, and hidden are those that the cluster keeps for itself", async () => {
  await text("topic create counted --partitions 2 --replication-factor 3");
  await text("produce counted", `${numbered(0, 120).join("\n")}\n`);
  const named = (topics: { name: string }[]) => topics.find(({ name }) => name === "counted");
  expect(named(await json("topic list"))).toMatchObject({
    ...{ partitions: 2, replicationFactor: 3, underReplicated: 0, offline: 0 },
    ...{ records: 120, recordsPerSecond: 2, sizeInBytes: expect.any(Number) },
  });
  await text("consume counted --group counters --from beginning --max 20");
  expect((await text("topic list")).split("\n")).not.toContain("__consumer_offsets");
  expect((await text("topic list --internal")).split("\n")).toContain("__consumer_offsets");
  const [described] = await json("topic describe counted");
  const sizes = described.partitions.map(({ sizeInBytes }: { sizeInBytes: number }) => sizeInBytes);
  const bytes = await Promise.all([0, 1].map(async (partition) => (await cluster.logBytes(1, "counted", partition))?.length));
  expect(sizes).toEqual(bytes);
  expect((await text("topic list --long")).split("\n").find((line) => line.startsWith("counted"))).toMatch(
    new RegExp(`^counted +2 +3 +120 +${sizes[0] + sizes[1]} +[0-9.]+ +ok$`),
  );
  expect(await json("group list")).toContainEqual(expect.objectContaining({ group: "counters", state: "Empty", members: 0, lag: 100 }));
  expect(await text("topic describe counted --under-replicated")).toBe("");
  expect(await json("topic describe --under-replicated")).toEqual([]);
});

test("watching shows the same again, one after the other where a program reads, until it is stopped", async () => {
  const args = ["cluster", "describe", "--watch", "0.2", "--json", "--bootstrap", cluster.bootstrap.join(",")];
  const watching = new OttlaCommand(args);
  await waitUntil("three looks", () => watching.printed.split("\n").length > 3);
  watching.signal("SIGINT");
  const { code, stdout, stderr } = await within("the end after SIGINT", watching.result);
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  for (const line of stdout.trimEnd().split("\n")) expect(JSON.parse(line)).toMatchObject({ offline: 0 });
});

test("what fails says so in one line, with 1 for a failure and 2 for wrong use", async () => {
  await text("topic create there --partitions 1");
  const failures = [
    "topic create there",
    "topic delete nothing",
    "topic describe nothing",
    "topic alter there --config no.such=1",
    "consume there --from 99 --max 1",
  ];
  for (const args of failures) {
    const { code, stdout, stderr } = await run(args);
    expect({ args, code, stdout }).toEqual({ args, code: 1, stdout: "" });
    expect(stderr, args).toMatch(/^ottla: [^\n]+\n$/);
  }
  for (const args of [
    "topic create",
    "topic alter there",
    "consume there --from nowhere",
    "produce there --keep-key",
    "produce there --acks 2",
  ]) {
    expect({ args, code: (await run(args)).code }).toEqual({ args, code: 2 });
  }
  const nobody = await new OttlaCommand(["cluster", "describe", "--timeout", "1", "--bootstrap", "127.0.0.1:1"]).result;
  expect(nobody.code).toBe(1);
  expect(nobody.stderr).toMatch(/^ottla: no answer from 127\.0\.0\.1:1 \([^\n]+\n$/);
});

test("the help of a command's command is asked for by its words", async () => {
  expect(await text("help topic create")).toMatch(/^Usage: ottla topic create /);
  expect(await text("help topic")).toMatch(/^Usage: ottla topic \[options\] \[command\]/);
});

test("hints lead on, not back to the command that failed", async () => {
  const told = async (args: string) => (await run(args)).stderr;
  const tooMany = await told("topic create wide --replication-factor 9");
  expect(tooMany).toMatch(/; see `ottla cluster describe` for how many brokers live\n$/);
  expect(await told("topic delete nothing")).toMatch(/; see `ottla topic list`, or add --if-exists\n$/);
});

test("topics are named by patterns, and deleted by them only when that was said twice", async () => {
  for (const name of ["many-1", "many-2", "many-x"]) await text(`topic create ${name} --partitions 1 --replication-factor 1`);
  expect(await text("topic list many-*")).toBe("many-1\nmany-2\nmany-x\n");
  expect(await text("topic list /^MANY-\\d$/i many-2")).toBe("many-1\nmany-2\n");
  expect((await json("topic describe many-?")).map(({ name }: { name: string }) => name)).toEqual(["many-1", "many-2", "many-x"]);
  expect(await run("topic list nothing-*")).toMatchObject({ code: 1, stderr: expect.stringContaining("no topic matches") });
  expect(await run("topic list nothing")).toMatchObject({
    code: 1,
    stderr: expect.stringContaining("topic nothing: the topic or partition"),
  });
  const asked = "ottla: that matches 2 topics: many-1, many-2; add --yes to delete them\n";
  expect(await run("topic delete /^many-[12]$/")).toMatchObject({ code: 2, stdout: "", stderr: asked });
  expect(await text("topic list many-*")).toBe("many-1\nmany-2\nmany-x\n");
  expect(await text("topic delete /^many-[12]$/ --yes")).toBe("deleted many-1\ndeleted many-2\n");
  expect(await text("topic delete many-x")).toBe("deleted many-x\n");
  expect((await run("topic delete * --json")).stderr).not.toContain("__consumer_offsets");
});

test("what does not exist is told of, where nothing would be shown, and where it is made", async () => {
  expect(await run("cluster log-dirs --topic nothing")).toMatchObject({
    code: 1,
    stdout: "",
    stderr: expect.stringContaining("UNKNOWN_TOPIC_OR_PARTITION"),
  });
  await text("topic create positions --partitions 1");
  const reset = (more: string) => run(`group reset-offsets typo --topic positions --to-earliest${more}`);
  expect(await reset(" --dry-run")).toMatchObject({ code: 0, stderr: "ottla: group typo does not exist: it would be created\n" });
  expect(await reset("")).toMatchObject({ code: 0, stderr: "ottla: group typo did not exist: created\n" });
  expect(await reset("")).toMatchObject({ code: 0, stderr: "" });
});

test("the cluster is described", async () => {
  expect(await text("cluster describe --check")).not.toContain("missing");
  const described = await json("cluster describe");
  expect(described.brokers.map(({ id, port }: { id: number; port: number }) => [id, port])).toEqual(
    cluster.ids.map((id) => [id, cluster.port(id)]),
  );
  expect(described).toMatchObject({ offline: 0, underReplicated: 0 });
  expect(await text("cluster describe")).toContain(`127.0.0.1:${cluster.port(2)}`);
});

test("lines go in with their keys and come out in every format", async () => {
  await text("topic create formats --partitions 1");
  const summary = await json("produce formats --key-separator : --codec zstd", "a:1\nb:2\nno key\n:empty key\n\n");
  expect(summary).toMatchObject({ topic: "formats", lines: 5, acknowledged: 5, failed: 0, bytes: 3 + 3 + 6 + 10 });
  const all = "consume formats --from beginning --until-end";
  expect(await text(all)).toBe("1\n2\nno key\nempty key\n\n");
  expect(await text(`${all} --format key-value`)).toBe("a\t1\nb\t2\n\tno key\n\tempty key\n\t\n");
  expect(await text(`${all} --format %o=%k/%v --max 2`)).toBe("0=a/1\n1=b/2\n");
  const records = (await text(`${all} --json`))
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));
  expect(records.map(({ offset, key, value }) => [offset, key, value])).toEqual([
    [0, "a", "1"],
    [1, "b", "2"],
    [2, null, "no key"],
    [3, "", "empty key"],
    [4, null, ""],
  ]);
  expect(await text("consume formats --from 3 --until-end")).toBe("empty key\n\n");
  expect(await text(`consume formats --from ${records[0].timestampMs} --until-end`)).toBe("1\n2\nno key\nempty key\n\n");
  expect(await text("consume formats --from end --until-end")).toBe("");
});

test("a separator may be an escape, as in a format", async () => {
  await text("topic create tabs --partitions 1");
  await text("produce tabs --key-separator \\t", "a\tb\n");
  expect(JSON.parse(await text("consume tabs --from beginning --until-end --json"))).toMatchObject({ key: "a", value: "b" });
  expect(await run("produce tabs --key-separator \\q")).toMatchObject({ code: 2 });
});

test("bytes that are no text pass unchanged, many lines too", async () => {
  await text("topic create bytes --partitions 1");
  const lines = Array.from({ length: 50_000 }, (_, i) => `${i} \u00e4 ${"x".repeat(i % 100)}`).join("\n");
  const path = join(folder, "lines.txt");
  await writeFile(path, `${lines}\n`);
  await text(`produce bytes --file ${path} --codec lz4`);
  expect((await text("consume bytes --from beginning --until-end")) === `${lines}\n`).toBe(true);
});

test("consume prints lines as they arrive, and ends with 0 at SIGINT", async () => {
  await text("topic create live --partitions 3");
  await text("produce live", "first\n");
  const consume = new OttlaCommand(["consume", "live", "--from", "beginning", "--max", "2", "--bootstrap", cluster.bootstrap.join(",")]);
  const endless = new OttlaCommand(["consume", "live", "--from", "beginning", "--bootstrap", cluster.bootstrap.join(",")]);
  await text("produce live", "second\n");
  expect((await within("two records", consume.result)).stdout.split("\n").sort()).toEqual(["", "first", "second"]);
  await waitUntil("the endless one to print them too", () => endless.printed.split("\n").length === 3);
  endless.signal("SIGINT");
  const figures = expect.stringMatching(/^2 records \(11 B\) in [\d.]+ s, [\d,]+ records\/s\n$/);
  expect(await within("the end after SIGINT", endless.result)).toMatchObject({ code: 0, stderr: figures });
});

test("consume ends quietly when nobody reads any more", async () => {
  await text("topic create pipe --partitions 1");
  const consume = new OttlaCommand(["consume", "pipe", "--from", "beginning", "--bootstrap", cluster.bootstrap.join(",")]);
  consume.stopReading();
  await text("produce pipe", "a\nb\n");
  await waitUntil("the end of consume", async () => {
    await text("produce pipe", "more\n");
    return Promise.race([consume.result, new Promise<null>((resolve) => setTimeout(resolve, 100, null))]);
  });
  expect(await consume.result).toMatchObject({ code: 0, stderr: "" });
});

test("consume says in one line that its output cannot be written, also when all of it fits into one write", async () => {
  await text("topic create full --partitions 1");
  await text("produce full", "a\nb\n");
  const device = openSync("/dev/full", "w");
  const args = ["consume", "full", "--from", "beginning", "--bootstrap", cluster.bootstrap.join(",")];
  const results = [new OttlaCommand([...args, "--until-end"], "", device).result, new OttlaCommand(args, "", device).result];
  for (const result of results) {
    const { code, stderr } = await within("the end of consume", result);
    expect(code).toBe(1);
    expect(stderr).toMatch(/^ottla: standard output cannot be written: [^\n]*ENOSPC[^\n]*\n$/);
  }
  closeSync(device);
});

test("consuming a topic that does not exist fails at once, in a group too", async () => {
  for (const args of ["consume nope", "consume nope --group readers"]) {
    const { code, stdout, stderr } = await within(args, run(args));
    expect({ args, code, stdout }).toEqual({ args, code: 1, stdout: "" });
    expect(stderr).toMatch(/^ottla: [^\n]*nope[^\n]*does not exist[^\n]*ottla topic create[^\n]*\n$/);
  }
});

test("log dump shows what is in a broker's files", async () => {
  await text("topic create dumped --partitions 1");
  await text("produce dumped", "a\nb\nc\n");
  const data = join(cluster.dataDirectory(1), "dumped-0");
  await waitUntil("the records at broker 1", async () => (await cluster.logBytes(1, "dumped", 0))?.length);
  const [segment] = (await readdir(data)).filter((name) => name.endsWith(".log"));
  const { code, stdout } = await new OttlaCommand([
    "log",
    "dump",
    "--values",
    "--json",
    join(data, segment ?? ""),
    join(data, "partition.metadata"),
  ]).result;
  expect(code).toBe(0);
  const items = stdout
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));
  expect(items.filter(({ kind }) => kind === "record").map(({ offset, value }) => [offset, value])).toEqual([
    [0, "a"],
    [1, "b"],
    [2, "c"],
  ]);
  const [topic] = await json("topic describe dumped");
  expect(items.at(-1)).toMatchObject({ kind: "entry", topicId: topic.topicId });
});

test("100,000 lines of a log that is rotated while a leader dies and returns are all stored, each key's in order", async () => {
  await text("topic create access --partitions 6 --replication-factor 3");
  const path = join(folder, "access.log");
  const bootstrap = cluster.bootstrap.join(",");
  const options = ["--follow", path, "--key-separator", " ", "--keep-key", "--position-file", join(folder, "positions"), "--json"];
  const follow = () => new OttlaCommand(["produce", "access", ...options, "--bootstrap", bootstrap]);
  const lines = numbered(0, 100_000).map((line, i) => `10.0.0.${i % 23} ${line}`);
  const write = async (from: number, to: number) => {
    for (let at = from; at < to; at += 500) await appendFile(path, `${lines.slice(at, at + 500).join("\n")}\n`);
  };
  const positionsNow = () => readFile(join(folder, "positions"), "utf8").catch(() => "");
  let produce = follow();
  await write(0, 30_000);
  await waitUntil("the first run to be under way", async () => (await positionsNow()) !== "");
  const leader: number = (await json("topic describe access"))[0].partitions[0].leader;
  await cluster.kill(leader);
  await write(30_000, 45_000);
  await rename(path, `${path}.1`);
  await write(45_000, 60_000);
  await cluster.startBroker(leader);
  // a restart of the command itself: the next one continues where the acknowledgements ended
  produce.signal("SIGTERM");
  const first = await produce.result;
  expect(first).toMatchObject({ code: 0 });
  await write(60_000, 70_000);
  await rename(path, `${path}.2`);
  const positions = await positionsNow();
  produce = follow();
  await waitUntil("the second run to be under way", async () => (await positionsNow()) !== positions);
  await write(70_000, 100_000);
  produce.signal("SIGTERM");
  const second = await produce.result;
  expect(second).toMatchObject({ code: 0 });
  const [one, two] = [JSON.parse(first.stdout), JSON.parse(second.stdout)];
  expect(one.acknowledged + two.acknowledged).toBe(lines.length);

  const stored = (await text("consume access --from beginning --until-end")).trimEnd().split("\n");
  const ofKey = (all: readonly string[], key: string) => all.filter((line) => line.startsWith(`${key} `));
  for (let i = 0; i < 23; i++)
    expect(ofKey(stored, `10.0.0.${i}`).join("\n") === ofKey(lines, `10.0.0.${i}`).join("\n"), `address ${i}`).toBe(true);
  // every line once: `first` ended cleanly, so the second run repeated nothing, and what either retried is recognised by its number
  expect(stored).toHaveLength(lines.length);
  console.log(`${lines.length} lines, once each; ${one.retried + two.retried} sent more than once`);
  await cluster.replicasIdentical("access");
});
