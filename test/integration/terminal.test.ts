import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { widthOf } from "../../cli/output/text-width.ts";
import { TestCluster } from "../support/cluster.ts";
import { freePorts } from "../support/free-ports.ts";
import { OttlaCommand } from "../support/ottla-command.ts";
import { Terminal, terminalMissing } from "../support/terminal.ts";
import { makeTestFolder, removeTestFolder } from "../support/test-folder.ts";
import { waitUntil } from "../support/wait-until.ts";

const missing = await terminalMissing();
const longName = "a.topic.whose.name.says.what.is.in.it.for.whom.and.since.when";
const opened: Terminal[] = [];

/** Sizes and rates are what they are; a sign stands for them, where they end. */
function settled(line: string): string {
  const sign = (found: string) => "#".padStart(found.length);
  return line.replaceAll(/ +\d+(\.\d)? (B|[KMG]iB)/g, sign).replace(/ +[\d.,]+(?= {2}ok$)/, sign);
}

describe.skipIf(missing !== null)(`on a terminal${missing === null ? "" : ` (${missing})`}`, () => {
  let cluster: TestCluster;
  beforeAll(async () => {
    cluster = await TestCluster.start();
    await ottla("topic create orders --partitions 3 --replication-factor 3");
    await ottla(`topic create ${longName} --partitions 12 --replication-factor 2`);
    await ottla("produce orders", Array.from({ length: 1200 }, (_, i) => `line ${i}\n`).join(""));
    await ottla("consume orders --group billing --from beginning --max 200");
    await ottla("consume orders --group 請求🧾 --from beginning --max 1200");
  });
  afterAll(async () => {
    await Promise.all(opened.map((terminal) => terminal.close()));
    await OttlaCommand.killAll();
    await cluster?.stop();
  });

  async function ottla(args: string, stdin = ""): Promise<string> {
    const { code, stdout, stderr } = await new OttlaCommand([...args.split(" "), "--bootstrap", cluster.bootstrap.join(",")], stdin).result;
    expect({ args, code, stderr: code === 0 ? "" : stderr }).toEqual({ args, code: 0, stderr: "" });
    return stdout;
  }

  async function open(columns: number, environment = {}): Promise<Terminal> {
    const terminal = await Terminal.open({ columns, rows: 24, environment });
    opened.push(terminal);
    return terminal;
  }

  const at = (command: string) => `ottla ${command} --bootstrap ${cluster.bootstrap.join(",")}`;

  test("topics, at 80 and at 140 columns", async () => {
    const narrow = await (await open(80)).shows(at("topic list"));
    expect(narrow.lines.map(settled)).toEqual([
      "topic                    partitions  copies  records      size  records/s  state",
      "a.topic.who….since.when          12       2        0         #          #  ok",
      "orders                            3       3    1,200         #          #  ok",
      "1 internal topic not shown (--internal)",
    ]);
    const narrower = await (await open(60)).shows(at("topic list"));
    expect(narrower.lines[0]).toMatch(/^topic +partitions {2}copies {2}records +size {2}state$/);
    expect(narrower.lines.slice(-2)).toEqual(["1 column left out: wider terminal or --json", "1 internal topic not shown (--internal)"]);
    const wide = await (await open(140)).shows(at("topic list --internal"));
    expect(wide.lines.map(settled)).toEqual([
      "topic                                                          partitions  copies  records      size  records/s  state",
      expect.stringMatching(/^__consumer_offsets {53}50 {7}3 +\d+ +# +# {2}ok$/),
      `${longName}          12       2        0         #          #  ok`,
      "orders                                                                  3       3    1,200         #          #  ok",
    ]);
  });

  test("groups, a topic and the cluster, at 80 and at 140 columns", async () => {
    for (const columns of [80, 140]) {
      const terminal = await open(columns);
      const groups = await terminal.shows(at("group list"));
      expect(groups.lines).toEqual([
        "group    type     state  members    lag",
        "billing  classic  Empty        0  1,000",
        // the wide characters take six cells
        "請求🧾   classic  Empty        0      0",
      ]);
      const [summary, head, ...partitions] = (await terminal.shows(at("topic describe orders --offsets"))).lines.map(settled);
      expect(summary).toMatch(/^orders {2}id \S{22} {2}3 partitions {2}3 copies$/);
      expect(head).toMatch(/^partition {2}leader {2}epoch {2}replicas {2}isr {4}offline {2}start {3}end +size$/);
      expect(partitions).toHaveLength(3);
      for (const line of partitions) expect(line).toMatch(/^ {8}[012] {2}[123] {11}0 {2}[123,]{5} {5}[123,]{5} {2}- {12}0 +(0|1200) +#$/);
      const cluster = await terminal.shows(at("cluster describe"));
      expect(cluster.lines.at(-1)).toBe("3 topics (1 internal)  65 partitions  0 under-replicated  0 offline");
    }
  });

  test("everything that lists or describes fits, and what is cut has a mark", async () => {
    const commands = [
      "topic describe --internal",
      "topic describe orders --configs",
      "group describe billing",
      "cluster log-dirs --replicas",
    ];
    const member = new OttlaCommand(["consume", "orders", "--group", "billing", "--bootstrap", cluster.bootstrap.join(",")]);
    const hasCaughtUp = /lag 0$.*^orders +2 .* ottla-consume-/ms;
    await waitUntil("a member that has caught up", async () => hasCaughtUp.test(await ottla("group describe billing")));
    const [narrow, wide] = [await open(80), await open(140)];
    for (const command of commands) {
      const { lines, code } = await narrow.shows(at(command));
      expect({ command, code }).toEqual({ command, code: 0 });
      for (const line of lines) expect(widthOf(line), line).toBeLessThanOrEqual(80);
    }
    // its id and host are longer than there is room for
    const [, , row] = (await narrow.shows(at("group describe billing"))).lines;
    expect(row).toMatch(/^orders +0 +\d+ +\d+ +0 +0s +ott\S*…\S+ +/);
    const [, , wideRow] = (await wide.shows(at("group describe billing"))).lines;
    expect(wideRow).toMatch(/ottla-consume-[0-9a-f-]{36} +\/127\.0\.0\.1 +ottla-consume$/);
    member.signal("SIGTERM");
    await member.result;
  });

  test("watched, it changes in place, follows the window's width, and ends with Ctrl-C", async () => {
    const terminal = await open(80);
    await terminal.type(`echo before; ${at("topic list --watch 0.3")}; echo "<ended $?>"`);
    const rowOf = async (name: string) => (await terminal.screen()).split("\n").filter((line) => line.startsWith(name));
    await waitUntil("the first look", async () => (await rowOf("orders"))[0]?.includes("1,200"));
    await ottla("produce orders", "one more\n");
    await waitUntil("the next", async () => (await rowOf("orders"))[0]?.includes("1,201"));
    expect(await rowOf("orders")).toHaveLength(1);
    expect(await rowOf("topic ")).toHaveLength(1);
    await terminal.resize(140, 24);
    await waitUntil("the whole name", async () => (await rowOf(longName)).length === 1);
    await terminal.press("C-c");
    await waitUntil("the end", async () => (await rowOf("<ended")).length === 1);
    const screen = (await terminal.screen()).split("\n");
    expect(screen).toContain("before");
    expect(screen.slice(-3)).toEqual([expect.stringMatching(/every 0.3 s, Ctrl-C ends$/), "<ended 0>", "$"]);
  });

  test("who types lines is told how to end, and sees nothing else; who waits for records, that there are others", async () => {
    await ottla("topic create typed --partitions 1");
    const terminal = await open(100);
    await terminal.type(`clear; ${at("produce typed")}; echo "<ended $?>"`);
    await waitUntil("the hint", async () => (await terminal.screen()).includes("ottla: reading lines until Ctrl-D"));
    await terminal.type("first");
    await terminal.type("second");
    await terminal.press("C-d");
    await waitUntil("the end", async () => (await terminal.screen()).includes("<ended 0>"));
    const lines = (await terminal.screen()).split("\n");
    expect(lines.slice(0, 3)).toEqual(["ottla: reading lines until Ctrl-D", "first", "second"]);
    expect(lines[3]).toMatch(/^2 lines .*; all acknowledged$/);

    await terminal.type(`clear; ${at("consume typed")}; echo "<ended $?>"`);
    await waitUntil("the hint", async () =>
      (await terminal.screen()).includes("ottla: waiting for new records; --from beginning shows those there are"),
    );
    await terminal.press("C-c");
    await waitUntil("the end", async () => (await terminal.screen()).includes("<ended 0>"));
    const asked = await terminal.shows(at("consume typed --from beginning --until-end"));
    expect(asked.lines.join()).not.toContain("waiting for new records");
    expect(asked.lines.slice(0, 2)).toEqual(["first", "second"]);
    await ottla("topic delete typed");
  });

  test("what a pattern would delete is shown, and asked about", async () => {
    for (const name of ["gone-1", "gone-2"]) await ottla(`topic create ${name} --partitions 1`);
    const terminal = await open(100);
    const asking = async (answer: (terminal: Terminal) => Promise<void>) => {
      await terminal.type(`clear; ${at("topic delete gone-*")}; echo "<ended $?>"`);
      await waitUntil("the question", async () => /^ {2}gone-1\n.*\n.*their records\? \[y\/N\]\s*$/.test(await terminal.screen()));
      expect((await terminal.screen()).split("\n").slice(0, 3)).toEqual([
        "  gone-1",
        "  gone-2",
        expect.stringMatching(/^delete 2 topics with all their records\? \[y\/N\] *$/),
      ]);
      await answer(terminal);
      await waitUntil("the end", async () => (await terminal.screen()).includes("<ended "));
      return terminal.screen();
    };
    expect(await asking((each) => each.type("n"))).toMatch(/ottla: nothing was deleted\n<ended 1>/);
    expect(await asking((each) => each.press("C-d"))).toMatch(/ottla: nothing was deleted\n<ended 1>/);
    expect(await asking((each) => each.press("C-c"))).toMatch(/ottla: stopped before it was done\n<ended 1>/);
    expect(await ottla("topic list gone-*")).toBe("gone-1\ngone-2\n");
    expect(await asking((each) => each.type("y"))).toMatch(/deleted gone-1\ndeleted gone-2\n<ended 0>/);
  });

  test("a broker's log is for people on a terminal, and JSON in a pipe", async () => {
    const [port] = await freePorts(1);
    const folder = await makeTestFolder("terminal");
    try {
      const settings = [
        ...["broker.id=9", `listeners=PLAINTEXT://127.0.0.1:${port}`, `log.dirs=${folder}/data`],
        `zookeeper.connect=${cluster.zookeeper.host}:${cluster.zookeeper.port}/alone`,
      ];
      const broker = `ottla broker ${settings.map((each) => `--set ${each}`).join(" ")}`;
      const terminal = await open(140);
      await terminal.type(`clear; ${broker}`);
      const ready = /^\[\d\d:\d\d:\d\d\.\d{3}\] INFO: ready \{"listeners":\[/m;
      await waitUntil("it to be ready", async () => ready.test(await terminal.screen()));
      await terminal.press("C-c");
      await waitUntil("its end", async () => /\] INFO: stopped *\n\$$/.test(await terminal.screen()));
      await terminal.type(`clear; ${broker} 2>&1 | grep --line-buffered '"msg":"ready"' | cut -c1-40`);
      await waitUntil("it to be ready again", async () => /^\{"level":"info","time":"/m.test(await terminal.screen()));
      await terminal.press("C-c");
      await waitUntil("its end again", async () => (await terminal.screen()).endsWith("$"));
    } finally {
      await removeTestFolder(folder);
    }
  });

  test("what is wrong is coloured, and said in words all the same; NO_COLOR and pipes get none", async () => {
    const [plain, coloured] = [await open(80, { NO_COLOR: "1" }), await open(80)];
    await cluster.kill(3);
    // whichever broker is asked
    const isMissed = async (id: number) => {
      const asked = new OttlaCommand(["topic", "describe", "orders", "--json", "--bootstrap", cluster.address(id)]);
      const [{ partitions }] = JSON.parse((await asked.result).stdout);
      return partitions.every(({ offlineReplicas: [offline] }: { offlineReplicas: number[] }) => offline === 3);
    };
    for (const id of [1, 2]) await waitUntil(`its copies to be missed by broker ${id}`, () => isMissed(id));
    const sequence = "\u001b[";
    const inColours = await coloured.shows(at("topic describe orders --under-replicated"));
    expect(inColours.lines[0]).toMatch(/^orders {2}id \S{22} {2}3 partitions under-replicated {2}3 copies$/);
    expect(await ottla("topic describe --under-replicated")).toMatch(/^__consumer_offsets .* 50 partitions under-replicated/m);
    // bold, yellow
    expect(inColours.coloured).toContain(`${sequence}1mpartition`);
    expect(inColours.coloured).toMatch(/33m[12],?[12]?/);
    const inWords = await plain.shows(at("topic describe orders --under-replicated"));
    expect(inWords.coloured).not.toContain(sequence);
    expect(inWords.lines.slice(1, 3)).toEqual(inColours.lines.slice(1, 3));
    expect((await coloured.shows(`${at("topic describe orders")} | cat`)).coloured).not.toContain(sequence);
    expect((await coloured.shows(`${at("topic list")} | cat`)).lines).toEqual([longName, "orders"]);
    expect((await coloured.shows(at("cluster describe"))).coloured).toMatch(/33m\d+ under-replicated/);
    const checked = await plain.shows(`${at("cluster describe --check")} 2>&1`);
    expect(checked.code).toBe(1);
    expect(checked.lines.find((line) => line.trimStart().startsWith("3 "))).toMatch(/^ +3 {2}- +- +missing$/);
    expect(checked.lines.join("")).toMatch(/ottla: the cluster is not well: \d+ partitions under-replicated, broker 3 missing; see/);
  });
});
