import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Admin, Producer } from "../../client/index.ts";
import { TestCluster } from "../support/cluster.ts";
import { OttlaCommand } from "../support/ottla-command.ts";
import { makeTestFolder, removeTestFolder } from "../support/test-folder.ts";
import { waitUntil } from "../support/wait-until.ts";

const settings = { "default.replication.factor": 1, "min.insync.replicas": 1 };
let here: TestCluster;
let there: TestCluster;
let folder: string;
beforeAll(async () => {
  [here, there, folder] = await Promise.all([
    TestCluster.start({ brokers: 1, settings }),
    TestCluster.start({ brokers: 1, settings }),
    makeTestFolder("copy"),
  ]);
});
afterAll(async () => {
  await OttlaCommand.killAll();
  await Promise.all([here?.stop(), there?.stop()]);
  await removeTestFolder(folder);
});

function start(args: string, stdin?: string): OttlaCommand {
  return new OttlaCommand([...args.split(" "), "--bootstrap", here.bootstrap.join(",")], stdin);
}

async function recordsOf(cluster: TestCluster, topic: string): Promise<Record<string, unknown>[]> {
  const consume = ["consume", topic, "--from", "beginning", "--until-end", "--json", "--bootstrap", cluster.bootstrap.join(",")];
  const { stdout } = await new OttlaCommand(consume).result;
  return stdout === ""
    ? []
    : stdout
        .trimEnd()
        .split("\n")
        .map((line) => JSON.parse(line));
}

/** How many records are in the topic. */
async function countOf(cluster: TestCluster, topic: string): Promise<number> {
  await using admin = new Admin({ bootstrap: cluster.bootstrap });
  const [described] = await admin.describeTopics([topic]);
  const partitions = described?.partitions ?? [];
  const ends = await admin.listOffsets(partitions.map(({ partition }) => ({ topic, partition, spec: "latest" as const })));
  return ends.reduce((sum, { offset }) => sum + offset, 0);
}

test("to another cluster: keys, nulls, headers and times come along, and partitions if asked", async () => {
  await start("topic create mixed --partitions 3").result;
  await using producer = new Producer({ bootstrap: here.bootstrap });
  const startMs = Date.now() - 60_000;
  for (let n = 0; n < 12; n++)
    await producer.send({
      topic: "mixed",
      partition: n % 3,
      key: n % 4 === 0 ? null : Buffer.from([n, 0xff]),
      value: n % 5 === 0 ? null : `value ${n}`,
      headers: [
        { key: "b", value: Buffer.from([n]) },
        { key: "1", value: null },
        { key: "b", value: Buffer.from("again") },
      ],
      timestampMs: startMs + n,
    });
  const copied = await start(`copy mixed mixed --keep-partitions --to-bootstrap ${there.bootstrap.join(",")}`).result;
  expect(copied.code).toBe(0);
  expect(copied.stderr).toMatch(/^ottla: topic mixed did not exist and was created: 3 partitions, 1 copy each\ncopied 12 records \(/);
  const byPlace = (records: Record<string, unknown>[]) => Object.groupBy(records, ({ partition }) => String(partition));
  expect(byPlace(await recordsOf(there, "mixed"))).toEqual(byPlace(await recordsOf(here, "mixed")));
});

test("killed again and again, a copy goes on where it was, and nothing is there twice", async () => {
  await start("topic create source --partitions 4").result;
  const count = 300_000;
  const lines = Array.from({ length: count }, (_, n) => `${n}:${n}`).join("\n");
  await start("produce source --key-separator :", lines).result;
  const position = join(folder, "position.json");
  const copy = `copy source target --position-file ${position}`;
  for (let kill = 0; kill < 3; kill++) {
    const before = await countOf(here, "target").catch(() => 0);
    const run = start(copy);
    const ended = run.result.then(() => true);
    const isAhead = async () => (await countOf(here, "target").catch(() => 0)) > before + 20_000;
    await Promise.race([ended, waitUntil("some of it to be copied", isAhead)]);
    run.signal("SIGKILL");
    await ended;
  }
  expect(await start(copy).result).toMatchObject({ code: 0 });
  expect(await countOf(here, "target")).toBe(count);
  const keys = (await recordsOf(here, "target")).map(({ key, value }) => (key === value ? Number(key) : -1)).sort((a, b) => a - b);
  expect(keys.length === count && keys.every((key, n) => key === n)).toBe(true);
  const again = await start(`${copy} --json`).result;
  expect(JSON.parse(again.stdout)).toMatchObject({ copied: 0, alreadyThere: 0 });
  await start("produce source", "one more\n").result;
  expect(JSON.parse((await start(`${copy} --json`).result).stdout)).toMatchObject({ copied: 1 });
});

test("--follow goes on with what comes, and ends with 0; a copy that is stopped before its end does not", async () => {
  await start("topic create live --partitions 2").result;
  const position = join(folder, "live.json");
  const follow = start(`copy live mirror --follow --position-file ${position}`);
  await start("produce live", "1\n2\n3\n").result;
  await waitUntil("the copies", async () => (await countOf(here, "mirror").catch(() => 0)) === 3);
  const sum = (offsets: readonly number[]) => offsets.reduce((all, each) => all + each, 0);
  const saved = async () => sum(JSON.parse(await readFile(position, "utf8").catch(() => '{"sourcePositions":[]}')).sourcePositions);
  await waitUntil("the position to be saved", async () => (await saved()) === 3);
  follow.signal("SIGINT");
  expect(await follow.result).toMatchObject({ code: 0, stderr: expect.stringMatching(/copied 3 records/) });
});

test("what cannot be copied is refused before anything is", async () => {
  await start("topic create one --partitions 1").result;
  await start("topic create two --partitions 2").result;
  expect(await start("copy one one").result).toMatchObject({ code: 2, stderr: "ottla: a topic is not copied to itself\n" });
  const narrow = await start("copy two one --keep-partitions").result;
  expect(narrow).toMatchObject({ code: 1, stderr: expect.stringContaining("one has 1 partitions and the source 2") });
  const position = join(folder, "other.json");
  await start(`copy one two --position-file ${position}`).result;
  const other = await start(`copy two three --position-file ${position}`).result;
  expect(other).toMatchObject({ code: 1, stderr: expect.stringContaining("is of another copy: its source is one, not two; name another") });
});
