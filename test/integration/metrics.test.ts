import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { afterAll, beforeAll, expect, test } from "vitest";
import { families } from "../../broker/metrics/families.ts";
import { Admin, orThrow, Producer, stringSerde } from "../../client/index.ts";
import { TestCluster } from "../support/cluster.ts";
import { freePorts } from "../support/free-ports.ts";
import { parseScrape, type Scrape, seriesSum } from "../support/metrics-text.ts";
import { deployed, panelQueries, readRules, selectorsIn, variableQueries } from "../support/prometheus/deployed.ts";
import { waitUntil } from "../support/wait-until.ts";

const topic = "watched";
const lonely = "lonely";
const records = 60;
const monitored = [1, 2, 3];
/** What is not limited has no limit that could be told. */
const limits = { "leader.replication.throttled.rate": 1_000_000_000, "follower.replication.throttled.rate": 1_000_000_000 };
/** The fourth has no metrics.listener. */
const unmonitored = 4;

let cluster: TestCluster;
let ports: readonly number[];
let admin: Admin;
let producer: Producer<unknown, string>;

beforeAll(async () => {
  ports = await freePorts(monitored.length);
  cluster = await TestCluster.start({
    brokers: 4,
    settingsOf: Object.fromEntries(monitored.map((id, i) => [id, { "metrics.listener": `http://127.0.0.1:${ports[i]}`, ...limits }])),
  });
  // whoever is the controller is monitored from here on
  await cluster.shutDown(unmonitored);
  await cluster.startBroker(unmonitored);
  admin = new Admin({ bootstrap: cluster.bootstrap });
  producer = new Producer({ bootstrap: cluster.bootstrap, valueSerde: stringSerde });
  orThrow(
    await admin.createTopics([
      {
        name: topic,
        assignment: [
          [1, 2, 3],
          [2, 3, 1],
          [3, 1, 2],
        ],
      },
      // one copy each: whoever coordinates a group has a replica of one partition at most
      { name: lonely, assignment: [[1], [2], [3], [4]] },
    ]),
  );
});

afterAll(async () => {
  await producer?.close();
  await admin?.close();
  await cluster?.stop();
});

const ask = (id: number, path: string, accept = "") =>
  fetch(`http://127.0.0.1:${ports[id - 1]}${path}`, { headers: { accept }, signal: AbortSignal.timeout(10_000) });

async function scrape(id: number): Promise<Scrape> {
  return parseScrape(await (await ask(id, "/metrics")).text(), "prometheus");
}

/** Over all that are monitored; a broker that does not answer counts as nothing. */
async function total(name: string, labels: Readonly<Record<string, string>> = {}): Promise<number> {
  const values = await Promise.all(
    monitored.map((id) =>
      scrape(id).then(
        (one) => seriesSum(one, name, labels),
        () => null,
      ),
    ),
  );
  return values.reduce<number>((sum, value) => sum + (value ?? 0), 0);
}

/** Sockets on which that process accepts connections. */
function listeningSockets(pid: number): number {
  const inodes = ["tcp", "tcp6"].flatMap((table) =>
    readFileSync(`/proc/${pid}/net/${table}`, "utf8")
      .split("\n")
      .map((line) => line.trim().split(/\s+/))
      .flatMap((fields) => (fields[3] === "0A" ? [`socket:[${fields[9]}]`] : [])),
  );
  const own = readdirSync(`/proc/${pid}/fd`).map((fd) => {
    try {
      return readlinkSync(`/proc/${pid}/fd/${fd}`);
    } catch {
      return ""; // closed meanwhile
    }
  });
  return own.filter((link) => inodes.includes(link)).length;
}

test("it is off unless metrics.listener is set", () => {
  expect(listeningSockets(cluster.pid(unmonitored)), "one for clients, one for brokers").toBe(2);
  expect(listeningSockets(cluster.pid(1))).toBe(3);
});

test("requests are counted and timed by API, traffic by topic", async () => {
  await waitUntil("all to be ready", async () => (await Promise.all(monitored.map((id) => ask(id, "/readyz")))).every(({ ok }) => ok));
  const before = await total("ottla_request_duration_seconds_count", { api: "Produce" });
  for (let i = 0; i < records; i++) await producer.send({ topic, partition: i % 3, value: `value ${i}` });
  await waitUntil("what was produced to be counted", async () => {
    const received = await total("ottla_topic_received_records_total", { topic });
    const timed = (await total("ottla_request_duration_seconds_count", { api: "Produce" })) - before;
    return received === records && timed >= records;
  });
  const one = await scrape(1);
  const buckets = one.samples.filter(({ name, labels }) => name === "ottla_request_duration_seconds_bucket" && labels.api === "Produce");
  expect(buckets.at(-1)?.value).toBe(seriesSum(one, "ottla_request_duration_seconds_count", { api: "Produce" }));
  expect(buckets.map(({ value }) => value)).toEqual(buckets.map(({ value }) => value).toSorted((a, b) => a - b));
  expect(seriesSum(one, "ottla_request_duration_seconds_sum", { api: "Produce" })).toBeGreaterThan(0);
  expect(await total("ottla_replication_received_bytes_total")).toBeGreaterThan(0);
  await waitUntil("all copies to have what was received", async () => {
    const received = await total("ottla_topic_received_bytes_total", { topic });
    return received > 0 && (await total("ottla_topic_log_bytes", { topic })) === 3 * received;
  });
});

test("exactly one broker is the controller, and all know one", async () => {
  expect(await total("ottla_controller_active")).toBe(1);
  expect(await total("ottla_controller_known")).toBe(monitored.length);
  expect(await total("ottla_zookeeper_session_state", { state: "connected" })).toBe(monitored.length);
});

test("a broker that is killed makes partitions under-replicated until it is back; it says that it starts, and then that it is ready", async () => {
  expect(await total("ottla_under_replicated_partitions")).toBe(0);
  await cluster.kill(3);
  await waitUntil("others to lead what lacks a copy", async () => (await total("ottla_under_replicated_partitions")) >= 3);
  expect(await total("ottla_topic_under_replicated_partitions", { topic })).toBe(3);
  expect(await total("ottla_isr_shrinks_total")).toBeGreaterThanOrEqual(3);

  const answers: { readonly status: number; readonly body: string }[] = [];
  const started = new AbortController();
  const asking = (async () => {
    while (!started.signal.aborted) {
      // nobody listens there before the process has come that far
      const answer = await ask(3, "/readyz").catch(() => null);
      if (answer !== null) answers.push({ status: answer.status, body: await answer.text() });
    }
  })();
  await cluster.startBroker(3);
  await waitUntil("it to be ready", () => answers.at(-1)?.status === 200);
  started.abort();
  await asking;
  expect(answers[0]?.status, "before it was ready").toBe(503);
  expect(JSON.parse(answers[0]?.body ?? "")).toMatchObject({ ready: false, missing: [{ what: "start" }] });
  expect(JSON.parse(answers.at(-1)?.body ?? "")).toEqual({ ready: true, missing: [] });
  await waitUntil("all copies to be in sync", async () => (await total("ottla_under_replicated_partitions")) === 0);
  expect(await total("ottla_isr_expands_total")).toBeGreaterThanOrEqual(3);
});

test("a group's lag counts partitions of which its coordinator has no replica", async () => {
  for (let i = 0; i < 40; i++) await producer.send({ topic: lonely, partition: i % 4, value: "x" });
  // each broker coordinates some of them
  const groups = Array.from({ length: 12 }, (_, i) => `behind-${i}`);
  const offsets = [0, 1, 2, 3].map((partition) => ({ topic: lonely, partition, offset: partition }));
  for (const group of groups) orThrow(await admin.alterGroupOffsets(group, offsets));
  const lag = 40 - (0 + 1 + 2 + 3);
  await waitUntil("the lag to be known in all partitions", async () => {
    const told = await Promise.all(groups.map((group) => total("ottla_group_topic_lag_records", { group })));
    return told.filter((one) => one === lag).length >= 3 && told.every((one) => one === lag || one === 0);
  });
  expect(await total("ottla_group_topic_lag_unknown_partitions")).toBe(0);
});

test("each partition is told of while that is wanted", async () => {
  const setting = "ottla.metrics.partitions.enable";
  const resource = { broker: null };
  expect(await total("ottla_partition_log_end_offset", { topic })).toBe(0);
  const set = (value: string) => admin.incrementalAlterConfigs([{ resource, changes: [{ name: setting, operation: "set", value }] }]);
  orThrow(await set("true"));
  await waitUntil("partitions to be told of", async () => (await total("ottla_partition_log_end_offset", { topic })) === 3 * records);
  orThrow(await set("false"));
  await waitUntil("partitions not to be told of", async () => (await total("ottla_partition_log_end_offset", { topic })) === 0);
});

test("OpenMetrics is given to who asks for it, and both formats have the same series", async () => {
  const answer = await ask(1, "/metrics", "application/openmetrics-text; version=1.0.0");
  expect(answer.headers.get("content-type")).toBe("application/openmetrics-text; version=1.0.0; charset=utf-8");
  const open = parseScrape(await answer.text(), "openmetrics");
  const plain = await scrape(1);
  const names = ({ samples }: Scrape) => samples.map(({ name, labels }) => `${name}${JSON.stringify(labels)}`).toSorted();
  expect(names(open)).toEqual(names(plain));
});

test("nothing else is served, and nothing but GET", async () => {
  expect(await (await ask(1, "/healthz")).json()).toEqual({ status: "alive" });
  expect((await ask(1, "/")).status).toBe(404);
  expect((await fetch(`http://127.0.0.1:${ports[0]}/metrics`, { method: "POST", body: "x" })).status).toBeGreaterThanOrEqual(405);
});

test("every metric of the alerts and of the dashboard is in a real scrape, and every family but those of single partitions", async () => {
  let scrapes: readonly Scrape[] = [];
  const rules = readRules().groups.flatMap(({ rules }) => rules);
  const queries = [...rules, ...panelQueries()].map(({ expr }) => expr);
  const selected = queries.flatMap(selectorsIn).map((selector) => selector.replace(/\{.*/, ""));
  // whether a scrape succeeded is what Prometheus itself adds
  const used = new Set([...selected, ...variableQueries().map(({ metric }) => metric)].filter((name) => name !== "up"));
  expect(used.size).toBeGreaterThan(40);
  // some are the controller's: a broker was killed since, and the one that serves no metrics may have taken its place
  if ((await admin.describeCluster()).controllerId === unmonitored) {
    await cluster.shutDown(unmonitored);
    await cluster.startBroker(unmonitored);
  }
  const missing = async () => {
    scrapes = await Promise.all(monitored.map(scrape));
    const there = new Set(scrapes.flatMap(({ samples }) => samples.map(({ name }) => name)));
    return [...used].filter((name) => !there.has(name));
  };
  await expect.poll(missing, { timeout: 30_000, interval: 500 }).toEqual([]);
  const known = new Set(scrapes.flatMap(({ types }) => [...types.keys()]));
  const untold = Object.keys(families).filter((name) => !known.has(name));
  expect(untold.filter((name) => !/_partition_/.test(name))).toEqual([]);
});

const noPromtool =
  spawnSync("promtool", ["--version"]).status === 0 ? "" : " (skipped: promtool, of Debian's package prometheus, is not here)";

test.skipIf(noPromtool !== "")(`promtool accepts the alerts and the scrape configuration${noPromtool}`, async () => {
  const rules = spawnSync("promtool", ["check", "rules", deployed("alerts.yml")], { encoding: "utf8" });
  expect(rules.status, rules.stdout + rules.stderr).toBe(0);
  const fired = spawnSync("promtool", ["test", "rules", deployed("alerts.test.yml")], { encoding: "utf8" });
  expect(fired.status, fired.stdout + fired.stderr).toBe(0);
  const config = spawnSync("promtool", ["check", "config", deployed("prometheus.yml")], { encoding: "utf8" });
  expect(config.status, config.stdout + config.stderr).toBe(0);
  const text = await (await ask(1, "/metrics")).text();
  const metrics = spawnSync("promtool", ["check", "metrics"], { encoding: "utf8", input: text });
  expect(metrics.status, metrics.stdout + metrics.stderr).toBe(0);
});
