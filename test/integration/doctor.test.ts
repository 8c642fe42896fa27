import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Admin } from "../../client/index.ts";
import { TestCluster } from "../support/cluster.ts";
import { freePorts } from "../support/free-ports.ts";
import { OttlaCommand } from "../support/ottla-command.ts";
import { waitUntil } from "../support/wait-until.ts";

interface Found {
  readonly check: string;
  readonly severity: string;
  readonly what: string;
  readonly where: readonly string[];
  readonly commands: readonly string[];
}

let cluster: TestCluster;
let metricsPorts: readonly number[];
let nobody: number;
const proxies: Server[] = [];

beforeAll(async () => {
  const [first = 0, second = 0, third = 0, unused = 0] = await freePorts(4);
  metricsPorts = [first, second, third];
  nobody = unused;
  cluster = await TestCluster.start({
    settings: { "auto.create.topics.enable": false },
    settingsOf: Object.fromEntries(metricsPorts.map((port, i) => [i + 1, { "metrics.listener": `http://127.0.0.1:${port}` }])),
  });
  await succeeds("topic create orders --partitions 3");
});

afterAll(async () => {
  for (const proxy of proxies) {
    proxy.closeAllConnections();
    proxy.close();
  }
  await OttlaCommand.killAll();
  await cluster?.stop();
});

const bootstrap = () => cluster.bootstrap.join(",");

async function run(args: string, at = bootstrap()) {
  return new OttlaCommand([...args.split(" "), "--bootstrap", at]).result;
}

async function succeeds(args: string): Promise<string> {
  const { code, stdout, stderr } = await run(args);
  expect({ args, code, stderr: code === 0 ? "" : stderr }).toEqual({ args, code: 0, stderr: "" });
  return stdout;
}

/** A command that the doctor names, as it is named. */
async function does(command: string): Promise<void> {
  const [name, ...args] = command.split(" ");
  const { code, stderr } = await new OttlaCommand(args).result;
  expect({ name, command, code, stderr: code === 0 ? "" : stderr }).toEqual({ name: "ottla", command, code: 0, stderr: "" });
}

async function ask(args = "", at = bootstrap()) {
  const { code, stdout } = await run(`doctor --json --observe 1${args}`, at);
  const told = JSON.parse(stdout) as {
    readonly healthy: boolean;
    readonly findings: readonly Found[];
    readonly unchecked: readonly object[];
  };
  expect(code).toBe(told.healthy ? 0 : 1);
  // the folders of tests are below /tmp on most machines; and what a busy machine does to brokers and ZooKeeper is not what is tested
  const isOfMachine = ({ check, what }: Found) => check === "event-loop" || check === "zookeeper" || what.endsWith("with data below /tmp");
  return { ...told, findings: told.findings.filter((one) => !isOfMachine(one)) };
}

async function untilWell(): Promise<void> {
  await waitUntil("all to be well", async () => (await ask()).findings.every(({ severity }) => severity === "note"), { timeoutMs: 60_000 });
}

const only = (findings: readonly Found[], check: string) => findings.filter((one) => one.check === check);

test("a cluster that is well has nothing wrong, and all was looked at", async () => {
  const told = await ask();
  expect([told.findings, told.unchecked]).toEqual([[], []]);
  const { stdout } = await run("doctor --observe 1");
  expect(stdout).toMatch(/^(nothing is wrong|[\s\S]*0 errors, 1 warning, 0 notes)\n$/);
});

test("a topic with one copy, risky settings, a throttle left behind: each goes away by the command that is named", async () => {
  await succeeds("topic create lonely --partitions 2 --replication-factor 1");
  await succeeds("topic create loose --partitions 1 --config min.insync.replicas=1 --config unclean.leader.election.enable=true");
  await succeeds("topic create strict --partitions 1 --config min.insync.replicas=3");
  await succeeds("topic alter orders --config leader.replication.throttled.replicas=0:1,1:2");
  await succeeds("cluster alter --broker 2 --config follower.replication.throttled.rate=1000000");
  const { findings, healthy } = await ask();
  expect(healthy).toBe(false);
  const target = `--bootstrap ${bootstrap()}`;
  expect(findings.map(({ severity, where, commands }) => [severity, where, commands])).toEqual([
    [
      "warning",
      ["topic orders (leader)", "broker 2 (follower)"],
      [
        `ottla topic alter orders --delete-config leader.replication.throttled.replicas ${target}`,
        `ottla cluster alter --broker 2 --delete-config follower.replication.throttled.rate ${target}`,
      ],
    ],
    ["warning", ["lonely"], [`ottla topic alter lonely --replication-factor 3 ${target}`]],
    ["warning", ["loose (1 of 3)"], [`ottla topic alter loose --config min.insync.replicas=2 ${target}`]],
    ["warning", ["strict (3 of 3)"], [`ottla topic alter strict --config min.insync.replicas=2 ${target}`]],
    ["warning", ["loose"], [`ottla topic alter loose --config unclean.leader.election.enable=false ${target}`]],
  ]);
  for (const command of findings.flatMap(({ commands }) => commands)) await does(command);
  // leaders may have moved with the copies
  expect((await ask()).findings.filter(({ severity }) => severity !== "note")).toEqual([]);
});

test("a clock that is off is seen in the answers of the metrics", async () => {
  const ports = await Promise.all(metricsPorts.map((port, i) => proxied(port, i === 1 ? 3_600_000 : 0)));
  const { findings } = await ask(` --metrics ${ports.map((port) => `127.0.0.1:${port}`).join(",")}`);
  expect(only(findings, "clocks").map(({ where }) => where)).toEqual([
    [expect.stringMatching(/^broker 2 \(3[56]\d\d\.\d s ahead, at least\)$/)],
  ]);
});

/** The metrics of a broker whose machine has another time. */
async function proxied(port: number, aheadMs: number): Promise<number> {
  const server = createServer(async (_, response) => {
    const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
    response.setHeader("date", new Date(Date.now() + aheadMs).toUTCString());
    response.end(text);
  });
  proxies.push(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return (server.address() as AddressInfo).port;
}

test("a group that nobody is in is a note", async () => {
  // older than a minute, by its timestamp
  const record = `${JSON.stringify({ value: "old", timestampMs: Date.now() - 3_600_000 })}\n`;
  const written = await new OttlaCommand(["produce", "orders", "--input", "json", "--bootstrap", bootstrap()], record.repeat(20)).result;
  expect(written.code).toBe(0);
  await succeeds("consume orders --group left --from beginning --max 5");
  const { findings } = await ask();
  const [group] = only(findings, "groups");
  expect(group).toMatchObject({ severity: "note", where: [expect.stringMatching(/^left \(1[0-9]? records, (59m5\ds|1h)/)] });
  // to forget where a group is would be no advice to be carried out unread
  expect(group!.commands.join()).not.toContain("delete");
  await succeeds("group delete left");
  expect(only((await ask()).findings, "groups")).toEqual([]);
});

test("a reassignment that cannot get on, as nobody has what it is to copy, and what ends it", async () => {
  await succeeds("topic create parked --replica-assignment 3");
  await cluster.shutDown(3);
  try {
    await using admin = new Admin({ bootstrap: cluster.bootstrap.slice(0, 2) });
    await waitUntil("it to be without a leader", async () =>
      only((await ask()).findings, "partitions").some(({ where }) => where.includes("parked-0")),
    );
    const [begun] = await admin.alterPartitionReassignments([{ topic: "parked", partition: 0, replicas: [1] }]);
    expect(begun?.error).toBeNull();
    const [stuck] = only((await ask()).findings, "reassignments");
    expect(stuck).toMatchObject({ severity: "warning", where: [expect.stringMatching(/^parked-0/)] });
    await does(stuck!.commands[1]!);
    expect(only((await ask()).findings, "reassignments")).toEqual([]);
  } finally {
    await cluster.startBroker(3);
    await succeeds("topic delete parked");
  }
  await untilWell();
});

test("a broker that is stopped: who is away, what lacks copies; a bootstrap address that does not answer; gone when it is back", async () => {
  await cluster.shutDown(3);
  let findings: readonly Found[] = [];
  await waitUntil("it to be missed", async () => {
    ({ findings } = await ask());
    return findings.some(({ check }) => check === "missing-brokers");
  });
  expect(only(findings, "missing-brokers")).toMatchObject([{ severity: "error", where: ["broker 3"] }]);
  expect(only(findings, "partitions").map(({ severity, what }) => [severity, what])).toEqual([
    ["warning", expect.stringMatching(/^\d+ partitions under-replicated$/)],
  ]);
  expect(only(findings, "addresses")).toMatchObject([{ severity: "warning", where: [`${cluster.address(3)} refuses connections`] }]);
  const text = await run("doctor --observe 1", cluster.bootstrap.slice(0, 2).join(","));
  expect(text.code).toBe(1);
  expect(text.stdout).toMatch(/^error +1 broker with replicas is away\n +broker 3\n/m);
  expect(text.stdout).toMatch(/^ +\$ ottla topic describe --under-replicated --bootstrap /m);
  await cluster.startBroker(3);
  await untilWell();
});

test("a broker that hangs does not hang the doctor", async () => {
  cluster.pause(2);
  try {
    const begunAtMs = Date.now();
    const { findings } = await ask(" --timeout 3", cluster.address(1));
    expect(Date.now() - begunAtMs).toBeLessThan(25_000);
    // depending on how far the others are: it is silent, or missing already
    const about = [...only(findings, "addresses"), ...only(findings, "missing-brokers")];
    expect(about.map(({ where }) => where[0])).toEqual([expect.stringMatching(/^broker 2\b/)]);
  } finally {
    cluster.resume(2);
  }
});

test("an advertised address at which nobody listens, with the listener's name", async () => {
  const [clientPort, peerPort] = await freePorts(2);
  const listeners = { "advertised.listeners": `PLAINTEXT://no-such-host.invalid:${nobody},PEER://127.0.0.1:${peerPort}` };
  const other = await TestCluster.start({
    brokers: 2,
    settings: { "min.insync.replicas": 1, "default.replication.factor": 2, "auto.create.topics.enable": false },
    settingsOf: { 2: { ...listeners, listeners: `PLAINTEXT://127.0.0.1:${clientPort},PEER://127.0.0.1:${peerPort}` } },
  });
  try {
    const { findings } = await ask(" --timeout 3", other.address(1));
    expect(only(findings, "addresses")).toMatchObject([
      {
        severity: "error",
        what: "1 broker cannot be reached from here at the advertised address (listener PLAINTEXT)",
        where: [expect.stringMatching(new RegExp(`^broker 2 \\(no-such-host\\.invalid:${nobody} does not resolve`))],
      },
    ]);
  } finally {
    await other.stop();
  }
});

test("where nobody answers it says so, and fails as other commands do", async () => {
  const { code, stdout, stderr } = await run("doctor --timeout 1", `127.0.0.1:${nobody}`);
  expect([code, stdout]).toEqual([1, ""]);
  expect(stderr).toMatch(/^ottla: no answer from 127\.0\.0\.1:\d+ \(.*refuses connections\)/);
});
