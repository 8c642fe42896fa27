import { afterAll, beforeAll, expect, test } from "vitest";
import { msgpackSerde, Producer } from "../../client/index.ts";
import { TestCluster } from "../support/cluster.ts";
import { OttlaCommand } from "../support/ottla-command.ts";
import { waitUntil } from "../support/wait-until.ts";

const settings = { "default.replication.factor": 1, "min.insync.replicas": 1 };
let cluster: TestCluster;
beforeAll(async () => {
  cluster = await TestCluster.start({ brokers: 1, settings });
  for (const [topic, partitions] of [
    ["first", 3],
    ["second", 2],
  ])
    await run(["topic", "create", `${topic}`, "--partitions", `${partitions}`]);
  await using producer = new Producer({ bootstrap: cluster.bootstrap });
  const startMs = Date.now() - 60_000; // not so old that they are deleted
  // record n at time n: 0 to 99, by turns in both topics and all partitions
  const sends = Array.from({ length: 100 }, (_, n) =>
    producer.send({
      topic: n % 2 === 0 ? "first" : "second",
      partition: n % 2 === 0 ? (n / 2) % 3 : ((n - 1) / 2) % 2,
      key: `k${n % 10}`,
      value: JSON.stringify({ n }),
      headers: { parity: n % 2 === 0 ? "even" : "odd" },
      timestampMs: startMs + n,
    }),
  );
  await Promise.all(sends);
});
afterAll(async () => {
  await OttlaCommand.killAll();
  await cluster?.stop();
});

function start(args: readonly string[]): OttlaCommand {
  return new OttlaCommand([...args, "--bootstrap", cluster.bootstrap.join(",")]);
}

function run(args: readonly string[]) {
  return start(args).result;
}

/** What `consume` prints of the values' numbers, up to the present ends. */
function numbers(...args: string[]): Promise<number[]> {
  return until(...args, "--until-end");
}

/** The same, up to where the arguments say. */
async function until(...args: string[]): Promise<number[]> {
  const { code, stdout, stderr } = await run(["consume", ...args]);
  expect({ args, code, stderr: code === 0 ? "" : stderr }).toEqual({ args, code: 0, stderr: "" });
  return stdout === ""
    ? []
    : stdout
        .trimEnd()
        .split("\n")
        .map((line) => JSON.parse(line).n);
}

const upTo100 = Array.from({ length: 100 }, (_, n) => n);

test("several topics, patterns and expressions, by time over all their partitions", async () => {
  const all = ["--from", "beginning", "--sorted"];
  expect(await numbers("first", "second", ...all)).toEqual(upTo100);
  expect(await numbers("*", ...all)).toEqual(upTo100);
  expect(await numbers("/^(FIRST|sec)/i", ...all)).toEqual(upTo100);
  expect(await numbers("f?rst", ...all)).toEqual(upTo100.filter((n) => n % 2 === 0));
  const none = await run(["consume", "third*"]);
  expect(none).toMatchObject({ code: 1, stderr: expect.stringMatching(/^ottla: no topic matches .*ottla topic list`\n$/) });
});

test("the tail is the latest records of all partitions together, and what comes after them", async () => {
  expect(await numbers("first", "second", "--tail", "7")).toEqual([93, 94, 95, 96, 97, 98, 99]);
  expect(await numbers("first", "second", "--tail", "1000")).toEqual(upTo100);
  await run(["topic", "create", "growing"]);
  const tail = start(["consume", "growing", "--tail", "2"]);
  const append = (lines: string) => new OttlaCommand(["produce", "growing", "--bootstrap", cluster.bootstrap.join(",")], lines).result;
  await append("1\n");
  await waitUntil("the first line", () => tail.printed === "1\n");
  await append("2\n3\n");
  await waitUntil("those that came later", () => tail.printed === "1\n2\n3\n");
  tail.signal("SIGTERM");
  expect(await tail.result).toMatchObject({ code: 0 });
});

test("records are chosen by key, by expression and by filter", async () => {
  const all = ["first", "second", "--from", "beginning", "--sorted"];
  expect(await numbers(...all, "--key", "k3")).toEqual([3, 13, 23, 33, 43, 53, 63, 73, 83, 93]);
  expect(await numbers(...all, "--grep", ":[0-4]}")).toEqual([0, 1, 2, 3, 4]);
  expect(await numbers(...all, "--filter", "json.n % 25 === 0")).toEqual([0, 25, 50, 75]);
  expect(await numbers(...all, "--filter", 'header("parity") === "odd" && partition === 1 && offset > 20 // and no more')).toEqual(
    upTo100.filter((n) => n % 4 === 3 && (n - 3) / 4 > 20),
  );
  expect(await numbers(...all, "--decode", "json", "--filter", "value.n > 97")).toEqual([98, 99]);
  const { stderr } = await run(["consume", ...all, "--until-end", "--filter", "json.n.x.y"]);
  expect(stderr).toMatch(
    /^ottla: the filter failed for first-0@0, which is left out: TypeError: .*\nottla: the filter failed for 100 records/,
  );
  expect(stderr).toMatch(/\n0 records of 100 read \(0 B\) in [\d.]+ s, 0 records\/s\n$/);
});

test("a filter that is none is wrong use; one that does not end, or takes all memory, is ended and the record named", async () => {
  const filter = (expression: string) => run(["consume", "first", "--from", "beginning", "--until-end", "--filter", expression]);
  expect(await filter("n >")).toMatchObject({
    code: 2,
    stderr: expect.stringMatching(/^ottla: --filter is no JavaScript expression: SyntaxError/),
  });
  expect(await filter("(() => { for (;;); })()")).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/ended at first-0@0: it took longer than 1000 ms/),
  });
  expect(await filter("'x'.repeat(1e8) + [...'y'.repeat(1e8)]")).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/first-0@0.*(memory|it took longer than)/),
  });
});

test("a value that is decoded is JSON, and goes back as it was", async () => {
  await run(["topic", "create", "packed"]);
  const valueSerde = msgpackSerde<unknown>();
  await using producer = new Producer({ bootstrap: cluster.bootstrap, valueSerde });
  await producer.send({ topic: "packed", value: { n: 1, list: [true, null, "x"], big: 12345678901234567890n } });
  const printed = await run(["consume", "packed", "--from", "beginning", "--until-end", "--decode", "msgpack", "--json"]);
  expect(printed.stdout).toContain('"value":{"n":1,"list":[true,null,"x"],"big":12345678901234567890},"valueFormat":"msgpack"');
  const plain = await run(["consume", "packed", "--from", "beginning", "--until-end", "--decode", "msgpack"]);
  expect(plain.stdout).toBe('{"n":1,"list":[true,null,"x"],"big":12345678901234567890}\n');
});

test("partitions are left where --until says, by offset, by time, or one by one, and begin where each is told to", async () => {
  const all = ["--from", "beginning", "--sorted"];
  const start = (await run(["consume", "first", "--from", "beginning", "--until", "1", "--partition", "0", "--json"])).stdout;
  const startMs: number = JSON.parse(start).timestampMs;
  expect(await until("first", "second", "--sorted", "--until", `${startMs + 40}`)).toEqual(upTo100.slice(0, 40));
  expect(await until("first", "--until", "2", "--sorted")).toEqual([0, 2, 4, 6, 8, 10]);
  expect(await until("second", ...all, "--until", "9999")).toEqual(upTo100.filter((n) => n % 2 === 1));
  expect(await until("second", ...all, "--until", "end")).toEqual(upTo100.filter((n) => n % 2 === 1));
  expect(await until("second", "--from", "0:3,1:23", "--until", "0:5,1:99", "--sorted")).toEqual([13, 17, 95, 99]);
  expect(await numbers("second", "--from", "1:24")).toEqual([99]);
  expect(await until("second", "--from", "-1h", "--until", "-30m")).toEqual([]);
  expect(await until("second", "--from", "20", "--until", "10")).toEqual([]);
  for (const [wrong, reason] of [
    [["--until", "2999-01-01"], /that time is still to come/],
    [["--until", "5", "--tail", "3"], /leave --until out/],
    [["--until", "5", "--group", "g"], /leave --until out/],
    [["--from", "0:1", "--until", "1:1"], /different partitions/],
    [["--from", "0:1", "--partition", "1"], /leave --partition out/],
  ] as const)
    expect(await run(["consume", "second", ...wrong])).toMatchObject({ code: 2, stderr: expect.stringMatching(reason) });
  const beyond = await run(["consume", "second", "--from", "0:3,1:77"]);
  expect(beyond).toMatchObject({ code: 1, stderr: expect.stringMatching(/^ottla: offset 77 is out of range: second-1 has 0 to 24/) });
});

test("an offset out of range is refused with the range that there is", async () => {
  const { code, stderr } = await run(["consume", "second", "--from", "26"]);
  expect({ code, stderr }).toEqual({
    code: 1,
    stderr:
      "ottla: offset 26 is out of range: second-0 has 0 to 24 and goes on at 25, second-1 has 0 to 24 and goes on at 25; --from beginning and --from end are always within it\n",
  });
  expect(await numbers("second", "--from", "25")).toEqual([]);
  const cut = await run(["topic", "delete-records", "second", "--offset", "1:26"]);
  const reason = "ottla: the offset is out of range: second-1 has 0 to 24 and goes on at 25; nothing was deleted there\n";
  expect(cut).toMatchObject({ code: 1, stderr: reason });
});

test("however it is ended by its user, its exit code is 0: signals once or twice at once, the count reached, nobody reading", async () => {
  const forever = ["consume", "first", "--from", "beginning"];
  const codes: (number | null)[] = [];
  for (const [index, more] of [[], ["--group", "ending"], ["--sorted"], ["--filter", "true"]].entries()) {
    const command = start([...forever, ...more]);
    await waitUntil("all records", () => command.printed.split("\n").length === 51);
    command.signal(index % 2 === 0 ? "SIGINT" : "SIGTERM");
    command.signal(index % 2 === 0 ? "SIGINT" : "SIGTERM");
    codes.push((await command.result).code);
  }
  codes.push((await run([...forever, "--max", "3"])).code, (await run([...forever, "--group", "few", "--max", "3"])).code);
  expect(codes).toEqual([0, 0, 0, 0, 0, 0]);
});

test("in a group, what a filter leaves out counts as read, up to the last record that was wanted", async () => {
  const group = ["second", "--group", "choosy", "--from", "beginning"];
  const first = await numbers(...group, "--filter", "json.n > 20", "--max", "5");
  const rest = await numbers(...group, "--filter", "json.n > 20");
  expect([...first, ...rest].sort((a, b) => a - b)).toEqual(upTo100.filter((n) => n % 2 === 1 && n > 20));
});
