import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { widthOf } from "../../cli/output/text-width.ts";
import { Producer, stringSerde } from "../../client/index.ts";
import { TestCluster } from "../support/cluster.ts";
import { freePorts } from "../support/free-ports.ts";
import { OttlaCommand } from "../support/ottla-command.ts";
import { Terminal, terminalMissing } from "../support/terminal.ts";
import { waitUntil } from "../support/wait-until.ts";

const missing = await terminalMissing();
const monitored = [1, 2];
/** The third has no metrics. */
const unmonitored = 3;
const valueBytes = 1000;

let cluster: TestCluster;
let ports: readonly number[];
const opened: Terminal[] = [];
const stopWriting = new AbortController();
let writing: Promise<void>;

beforeAll(async () => {
  ports = await freePorts(monitored.length);
  cluster = await TestCluster.start({
    settingsOf: Object.fromEntries(monitored.map((id, i) => [id, { "metrics.listener": `http://127.0.0.1:${ports[i]}` }])),
  });
  await ottla("topic create busy --replica-assignment 1:2:3");
  await ottla("topic create quiet --partitions 2");
  await ottla("consume busy --group behind --from beginning --until-end");
  writing = write();
});

afterAll(async () => {
  stopWriting.abort();
  await writing;
  await Promise.all(opened.map((terminal) => terminal.close()));
  await OttlaCommand.killAll();
  await cluster?.stop();
});

/** About 50 records a second of a thousand bytes, to a partition that broker 1 leads. */
async function write(): Promise<void> {
  const producer = new Producer({ bootstrap: cluster.bootstrap, valueSerde: stringSerde });
  while (!stopWriting.signal.aborted) {
    const value = "x".repeat(valueBytes);
    await producer.send({ topic: "busy", value }).catch(() => undefined);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  await producer.close();
}

async function ottla(args: string): Promise<string> {
  const { code, stdout, stderr } = await new OttlaCommand([...args.split(" "), "--bootstrap", cluster.bootstrap.join(",")]).result;
  expect({ args, code, stderr: code === 0 ? "" : stderr }).toEqual({ args, code: 0, stderr: "" });
  return stdout;
}

async function snapshots(args: string) {
  const lines = (await ottla(`top --json --interval 1 ${args}`)).trimEnd().split("\n");
  return lines.map((line) => JSON.parse(line));
}

describe("as JSON, a line for each interval", () => {
  test("brokers: what is written to the leader, what the metrics tell, and why the third's are not known", async () => {
    const [first, second, ...others] = await snapshots("--count 2");
    expect(others).toEqual([]);
    expect(second.timeMs - first.timeMs).toBeGreaterThanOrEqual(1000);
    expect(second.remarks).toEqual(["metrics of broker 3 not known: its metrics.listener is not set"]);
    const [one, two, three] = second.brokers;
    expect(one.recordsPerSecond).toBeGreaterThan(5);
    expect(one.inBytesPerSecond).toBeGreaterThan(5 * valueBytes);
    expect(one.inBytesPerSecond / one.recordsPerSecond).toBeGreaterThan(valueBytes * 0.8);
    expect([two.inBytesPerSecond, two.recordsPerSecond]).toEqual([0, 0]);
    expect(two.replicationInBytesPerSecond).toBeGreaterThan(5 * valueBytes);
    for (const each of [one, two]) {
      expect(each.cpu).toBeGreaterThan(0);
      expect(each.memoryBytes).toBeGreaterThan(20e6);
      expect(each.loopDelayMs).toBeGreaterThan(0);
    }
    expect(three).toMatchObject({ broker: 3, cpu: null, memoryBytes: null, inBytesPerSecond: null, underReplicated: 0 });
    // from the protocol
    expect(three.sizeInBytes).toBeGreaterThan(0);
    expect([one.replicas, two.replicas, three.replicas]).toEqual([53, 53, 53]);
    expect(first.brokers.filter(({ isController }: { readonly isController: boolean }) => isController)).toHaveLength(1);
  });

  test("--metrics names them where the brokers do not, and a wrong one says so", async () => {
    const [there] = await snapshots(`--count 1 --metrics 127.0.0.1:${ports[1]},127.0.0.1:${ports[0]}`);
    expect(there.brokers.map(({ cpu }: { readonly cpu: number | null }) => cpu !== null)).toEqual([true, true, false]);
    const [wrong] = await snapshots("--count 1 --metrics 127.0.0.1:1");
    expect(wrong.remarks).toEqual([expect.stringMatching(/^metrics of broker 1, and 2 more brokers not known: .*127\.0\.0\.1:1 refuses/)]);
  });

  test("topics by what is written, and a group whose lag grows", async () => {
    const [topics] = await snapshots("--count 1 --view topics --sort records/s");
    const [busy, ...others] = topics.topics;
    expect(busy).toMatchObject({ topic: "busy", partitions: 1, underReplicated: 0, offline: 0 });
    expect([busy.recordsPerSecond > 5, busy.inBytesPerSecond > 5000, busy.sizeInBytes > 5000]).toEqual([true, true, true]);
    expect(others.map(({ recordsPerSecond }: { readonly recordsPerSecond: number }) => recordsPerSecond)).toEqual([0, 0]);
    const [, groups] = await snapshots("--count 2 --view groups");
    expect(groups.groups).toMatchObject([{ group: "behind", members: 0, catchesUpInMs: null }]);
    expect(groups.groups[0].lagPerSecond).toBeGreaterThan(5);
  });

  test("a table in a pipe, and wrong use", async () => {
    const text = await ottla("top --count 2 --interval 0.5 --view topics --filter busy");
    expect(text).toMatch(
      /^topic +partitions +records\/s +in\/s +out\/s +size +state\nbusy +1 +[\d.]+ +[\d.]+ +[\d.]+ +\d+ +ok\n\ntopic .*\nbusy .*\n$/,
    );
    const wrong = await new OttlaCommand(["top", "--sort", "colour", "--bootstrap", cluster.bootstrap.join(",")]).result;
    expect([wrong.code, wrong.stderr]).toEqual([2, expect.stringContaining("brokers have the columns broker, cpu, memory")]);
  });

  test("it is ended by a signal, as any that watches", async () => {
    const command = new OttlaCommand(["top", "--json", "--interval", "0.5", "--bootstrap", cluster.bootstrap.join(",")]);
    await waitUntil("a line", async () => command.printed.includes("\n"));
    command.signal("SIGINT");
    expect((await command.result).code).toBe(0);
  });
});

describe.skipIf(missing !== null)(`on a terminal${missing === null ? "" : ` (${missing})`}`, () => {
  async function open(columns: number, rows = 16): Promise<Terminal> {
    const terminal = await Terminal.open({ columns, rows });
    opened.push(terminal);
    await terminal.type(`clear; ottla top --interval 0.5 --bootstrap ${cluster.bootstrap.join(",")}; echo "<ended $?>"`);
    return terminal;
  }
  const shows = (terminal: Terminal, what: string, pattern: RegExp) =>
    waitUntil(what, async () => pattern.test(await terminal.screen())).catch(async (error) => {
      throw new Error(`${what}: ${pattern}\n${await terminal.screen()}`, { cause: error });
    });

  test("brokers, topics and groups, sorted and filtered by keys, in a wide window", async () => {
    const terminal = await open(120);
    await shows(terminal, "rates of brokers", /^ +1 +\d+ % +[\d.]+ MiB +[\d.]+ KiB +0 B +\d+ /m);
    const [summary, views, head] = (await terminal.screen()).split("\n");
    expect(summary).toMatch(
      /^\d\d:\d\d:\d\d {2}3 brokers {2}53 partitions {2}0 under-replicated {2}0 offline {2}controller \d {2}3 topics$/,
    );
    expect(views).toBe("[brokers]  topics  groups");
    expect(head).toMatch(/^broker▲ +cpu +memory +in\/s +out\/s +records\/s +leaders +replicas +lacking +size +disk +delay$/);
    const screen = await terminal.screen();
    expect(screen).toMatch(/^ +3 +- +- +- +- +\d+ +\d+ +53 /m);
    expect(screen).toContain("metrics of broker 3 not known: its metrics.listener is not set");
    await terminal.press("t");
    await shows(terminal, "topics, the busiest first", /^topic +partitions +records\/s▼ .*\nbusy +1 +[1-9]/m);
    await terminal.press("<");
    await terminal.press("<");
    await shows(terminal, "topics by name", /^topic▲ .*\n__consumer_offsets .*\nbusy .*\nquiet /m);
    await terminal.press("r");
    await shows(terminal, "the other way round", /^topic▼ .*\nquiet .*\nbusy /m);
    for (const key of ["/", "b", "q", "BSpace", "Enter"]) await terminal.press(key);
    await shows(terminal, "one topic", /filter: b\n(?=topic)[^\n]*\nbusy [^\n]*\n(?!quiet)/);
    await terminal.press("g");
    await shows(
      terminal,
      "a group that lags",
      /^group +state +members +lag▼ +lag\/s +catches up\nbehind +Empty +0 +[\d,]+ +\+[\d.]+ +never$/m,
    );
    await terminal.press("q");
    await shows(terminal, "the end", /^<ended 0>$/m);
  });

  test("paused it stands still; help; and Ctrl-C ends it", async () => {
    const terminal = await open(100);
    await shows(terminal, "rates", /KiB/);
    await terminal.press("p");
    await shows(terminal, "the pause", /PAUSED/);
    const table = async () => (await terminal.screen()).split("\n").slice(1, 6).join("\n");
    const before = await table();
    await new Promise((resolve) => setTimeout(resolve, 1500));
    expect(await table()).toBe(before);
    await terminal.press("p");
    await waitUntil("other figures", async () => (await table()) !== before);
    await terminal.press("?");
    await shows(terminal, "help", /sort by the column before or after/);
    await terminal.press("x");
    await shows(terminal, "brokers again", /\[brokers\]/);
    await terminal.press("C-c");
    await shows(terminal, "the end", /^<ended 0>$/m);
    // the shell has its terminal back
    await terminal.type("echo typed");
    await shows(terminal, "what is typed", /^typed$/m);
  });

  test("a narrow window has what matters most, and follows its size", async () => {
    const terminal = await open(60, 12);
    await shows(terminal, "brokers", /^broker▲ +cpu +in\/s +out\/s +leaders +lacking\n/m);
    await shows(terminal, "what is left out", /^\d columns left out: wider terminal or --json$/m);
    for (const line of (await terminal.screen()).split("\n")) expect(widthOf(line)).toBeLessThanOrEqual(60);
    await terminal.resize(120, 16);
    await shows(terminal, "all columns", /^broker▲ .* delay$/m);
    await terminal.press("q");
    await shows(terminal, "the end", /^<ended 0>$/m);
  });

  test("a broker that hangs, and one that is gone, hold up nothing", async () => {
    const terminal = await open(120);
    await shows(terminal, "rates", /^ +2 +\d+ % /m);
    cluster.pause(unmonitored);
    await shows(terminal, "the missing broker", /^ +3 .* missing$/m);
    await shows(terminal, "copies that lack", /[1-9]\d* under-replicated/);
    cluster.resume(unmonitored);
    await shows(terminal, "its return", /^ +3 .* 0 +[\d.]+ .iB/m);
    await terminal.press("q");
    await shows(terminal, "the end", /^<ended 0>$/m);
  });
});
