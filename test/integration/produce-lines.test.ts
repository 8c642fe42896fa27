import { stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { TestCluster } from "../support/cluster.ts";
import { OttlaCommand } from "../support/ottla-command.ts";
import { makeTestFolder, removeTestFolder } from "../support/test-folder.ts";
import { waitUntil } from "../support/wait-until.ts";

let cluster: TestCluster;
beforeAll(async () => {
  cluster = await TestCluster.start({ brokers: 1, settings: { "default.replication.factor": 1, "min.insync.replicas": 1 } });
});
afterAll(async () => {
  await OttlaCommand.killAll();
  await cluster?.stop();
});

function run(args: string, stdin?: string) {
  return new OttlaCommand([...args.split(" "), "--bootstrap", cluster.bootstrap.join(",")], stdin).result;
}

async function stored(topic: string): Promise<string[]> {
  return (await run(`consume ${topic} --from beginning --until-end`)).stdout.trimEnd().split("\n");
}

/** What the complaint says after `--resume`. */
function resumeIn(stderr: string): string {
  return /--resume ([\d,-]+)$/m.exec(stderr)?.[1] ?? "nothing";
}

const numbers = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => String(from + i));

test("a bad line is named with its reason, and --resume goes on without it or with it mended, without duplicates", async () => {
  await run("topic create lines --partitions 3");
  const long = "x".repeat(200);
  const input = (fourth: string) => `1\n2\n3\n${fourth}\n5\n6\n`;
  const stopped = await run("produce lines --line-bytes-max 100", input(long));
  expect(stopped.code).toBe(1);
  expect(stopped.stderr).toMatch(
    /^ottla: line 4 of standard input is longer than 100 bytes \(--line-bytes-max\); 3 lines of this run are stored; /m,
  );
  expect(resumeIn(stopped.stderr)).toBe("4-");
  const left = await run("produce lines --line-bytes-max 100 --skip-bad --resume 4-", input(long));
  expect(left).toMatchObject({ code: 0, stderr: expect.stringContaining("left out: line 4 of standard input is longer") });
  expect((await stored("lines")).sort()).toEqual(["1", "2", "3", "5", "6"]);
  expect(await run("produce lines --resume 4", input("4"))).toMatchObject({ code: 0 });
  expect((await stored("lines")).sort()).toEqual(["1", "2", "3", "4", "5", "6"]);
});

test("a line that a broker refuses is named among the thousands that were sent with it", async () => {
  await run("topic create small --partitions 3 --config max.message.bytes=1000");
  const input = [...numbers(1, 1501), "x".repeat(2000), ...numbers(1502, 3001)].join("\n");
  const stopped = await run("produce small", input);
  expect(stopped.code).toBe(1);
  expect(stopped.stderr).toMatch(/^ottla: line 1,501 of standard input was not stored: .*max\.message\.bytes/m);
  const rest = await run(`produce small --skip-bad --resume ${resumeIn(stopped.stderr)}`, input);
  expect(rest.code).toBe(0);
  const all = (await stored("small")).map(Number).sort((a, b) => a - b);
  expect(all).toEqual([...numbers(1, 1501), ...numbers(1502, 3001)].map(Number));
});

test("a list of lines that is none, and options that contradict each other, are wrong use", async () => {
  for (const args of ["--resume 5-3", "--input json --key-separator :", "--keep-partitions", "--follow x --resume 3-"])
    expect({ args, code: (await run(`produce lines ${args}`)).code }).toEqual({ args, code: 2 });
});

test("a topic that is created by producing to it is told of, once", async () => {
  expect((await run("produce fresh", "a\n")).stderr).toContain(
    "ottla: topic fresh did not exist and was created: 1 partition, 1 copy each",
  );
  expect((await run("produce fresh", "b\n")).stderr).not.toContain("created");
});

test("keys, headers and nulls go in; a compacted topic's line without key is a bad line", async () => {
  await run("topic create table --partitions 1 --config cleanup.policy=compact");
  const bare = await run("produce table", "no key\n");
  expect(bare).toMatchObject({
    code: 1,
    stderr: expect.stringContaining("line 1 of standard input has no key, and the topic is compacted"),
  });
  await run("produce table --key all --header a=1 --header a=x=y --null-value NULL", "value\nNULL\n");
  const records = (await stored("table --json")).map((line) => JSON.parse(line));
  expect(records.map(({ key, value, headers }) => ({ key, value, headers }))).toEqual(
    ["value", null].map((value) => ({
      key: "all",
      value,
      headers: [
        { key: "a", value: "1" },
        { key: "a", value: "x=y" },
      ],
    })),
  );
});

test("what consume --json prints, produce --input json takes: the same records, in the same partitions if asked", async () => {
  await run("topic create from --partitions 4");
  await run("topic create to --partitions 4");
  const hand = [
    '{"key":"k","value":"text","headers":{"h":"1"},"timestampMs":1700000000123}',
    '{"key":{"base64":"/w=="},"value":{"base64":"/wD+"},"headers":[{"key":"n","value":null},{"key":"1","value":"b"},{"key":"n","value":"c"}]}',
    '{"value":null,"key":"gone"}',
    '{"value":{"n":12345678901234567890,"f":1.50}}',
  ];
  expect((await run("produce from --input json", hand.join("\n"))).code).toBe(0);
  const printed = await stored("from --json");
  expect(printed).toHaveLength(4);
  expect(printed.join()).toContain('"value":"{\\"n\\":12345678901234567890,\\"f\\":1.50}"');
  expect(printed.join()).toContain('"timestampMs":1700000000123');
  expect((await run("produce to --input json --keep-partitions", printed.join("\n"))).code).toBe(0);
  const again = (await stored("to --json")).map((line) => line.replace('"topic":"to"', '"topic":"from"'));
  expect(again.sort()).toEqual(printed.sort());
  const bad = await run("produce to --input json", '{"key":"no value"}');
  expect(bad).toMatchObject({ code: 1, stderr: expect.stringContaining('line 1 of standard input has no "value"') });
});

describe("Ctrl-C while the broker hangs", () => {
  /** More than are sent without being acknowledged. */
  const count = 300_000;
  const line = (number: number) => `${number} ${"x".repeat(100)}`;
  let folder: string;
  let file: string;
  beforeAll(async () => {
    folder = await makeTestFolder("produce-lines");
    file = join(folder, "lines.txt");
    await writeFile(file, Array.from({ length: count }, (_, number) => `${line(number)}\n`).join(""));
  });
  afterAll(() => removeTestFolder(folder));

  async function stoppedWhileHeld(topic: string): Promise<OttlaCommand> {
    await run(`topic create ${topic} --partitions 1`);
    const producing = new OttlaCommand(["produce", topic, "--file", file, "--bootstrap", cluster.bootstrap.join(",")]);
    const log = join(cluster.dataDirectory(1), `${topic}-0`, "00000000000000000000.log");
    await waitUntil("the first records", async () => (await stat(log)).size > 0);
    cluster.pause(1);
    producing.signal("SIGINT");
    await waitUntil("word of it", () => /^ottla: waiting for [\d,]+ lines; Ctrl-C again ends at once$/m.test(producing.complained));
    return producing;
  }

  test("is waited out; a file that goes on is an exit code of its own, with the line to go on with", async () => {
    const producing = await stoppedWhileHeld("held");
    cluster.resume(1);
    const { code, stderr } = await producing.result;
    expect(code).toBe(130);
    expect(stderr).toMatch(
      /^ottla: stopped after line [\d,]+ of \S+, before its end; to go on without duplicates, repeat the command with/m,
    );
    expect(await run(`produce held --file ${file} --resume ${resumeIn(stderr)}`)).toMatchObject({ code: 0 });
    const all = await stored("held");
    expect(all).toHaveLength(count);
    expect(all.findIndex((text, number) => text !== line(number))).toBe(-1);
  });

  test("twice, it ends at once, and says what is in doubt", async () => {
    const producing = await stoppedWhileHeld("abandoned");
    let hasEnded = false;
    void producing.result.then(() => {
      hasEnded = true;
    });
    await waitUntil("its end", () => {
      // what comes within half a second counts as the same one
      if (!producing.complained.includes("ended at once")) producing.signal("SIGINT");
      return hasEnded;
    });
    cluster.resume(1);
    const { code, stderr } = await producing.result;
    expect(code).toBe(130);
    expect(stderr).toMatch(/^ottla: ended at once; the [\d,]+ lines not acknowledged had been sent, and may be there twice/m);
    const acknowledged = Number(/; ([\d,]+) lines? acknowledged$/m.exec(stderr)?.[1]?.replaceAll(",", ""));
    expect(resumeIn(stderr)).toBe(`${acknowledged + 1}-`);
  });
});
