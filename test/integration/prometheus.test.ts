import { writeFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { families } from "../../broker/metrics/families.ts";
import { Admin, orThrow, Producer, stringSerde } from "../../client/index.ts";
import { TestCluster } from "../support/cluster.ts";
import { freePorts } from "../support/free-ports.ts";
import { hasCommand } from "../support/outside/run-command.ts";
import { panelQueries, type RuleFile, readRules, readScrapes, selectorsIn, variableQueries } from "../support/prometheus/deployed.ts";
import { PrometheusProcess } from "../support/prometheus/prometheus-process.ts";
import { SmallDisk } from "../support/small-disk.ts";
import { makeTestFolder, removeTestFolder } from "../support/test-folder.ts";
import { waitUntil } from "../support/wait-until.ts";

/** What takes minutes for people may take seconds here: all that is changed in the rules. */
function inSeconds({ groups }: RuleFile): RuleFile {
  const shorter = (expr: string) => expr.replaceAll("[15m:1m]", "[8s:1s]").replaceAll("[5m]", "[5s]");
  return {
    groups: groups.map(({ name, rules }) => ({ name, rules: rules.map((rule) => ({ ...rule, expr: shorter(rule.expr), for: "2s" })) })),
  };
}

const noPrometheus = hasCommand("prometheus") ? "" : " (skipped: Prometheus, Debian's package prometheus, is not installed here)";
const alertMaxMs = 60_000;
const diskMegabytes = 64;
const topic = "orders";
/** Nothing is written to it but by the test of lags. */
const backlog = "backlog";
const ids = [1, 2, 3];
const rules = readRules().groups.flatMap(({ rules }) => rules);

describe.skipIf(noPrometheus !== "")(`a real Prometheus${noPrometheus}`, () => {
  let folder: string;
  let disk: SmallDisk | string;
  let ports: readonly number[];
  let cluster: TestCluster;
  let prometheus: PrometheusProcess;
  let admin: Admin;
  let producer: Producer<unknown, string>;
  let hasStopped = false;
  let traffic: Promise<void>;

  const instance = (id: number) => `127.0.0.1:${ports[id - 1]}`;
  /** The machine's own disk may be nearly full, and the machine busy: that is not what is tested. */
  const ofThisMachine = ({ alertname, directory }: Readonly<Record<string, string>>) =>
    alertname === "OttlaEventLoopBusy" || (alertname === "OttlaDiskFilling" && directory?.startsWith(folder) !== true);
  const alertsNow = async () => (await prometheus.alerts()).filter(({ labels }) => !ofThisMachine(labels));
  const allResolved = () =>
    waitUntil("all alerts to be resolved", async () => (await alertsNow()).length === 0, { timeoutMs: alertMaxMs, pauseMs: 250 });
  const fires = (names: readonly string[]) =>
    waitUntil(
      `${names} to fire`,
      async () => {
        const firing = await prometheus.firing();
        return names.every((name) => firing.includes(name));
      },
      { timeoutMs: alertMaxMs, pauseMs: 250 },
    );
  /** Every alert was pending first, and its words are whole. */
  async function wellSaid(names: readonly string[]): Promise<void> {
    for (const name of names)
      expect(await prometheus.query(`max_over_time(ALERTS{alertname="${name}",alertstate="pending"}[5m])`), name).not.toEqual([]);
    for (const { annotations } of await prometheus.alerts())
      expect(Object.values(annotations).join(), "no template failed").not.toMatch(/no value|error|%!|NaN/);
  }

  /** Records and fetches, so that there is something of everything; who is away is waited for. */
  async function keepBusy(): Promise<void> {
    for (let i = 0; !hasStopped; i++) {
      await producer.send({ topic, partition: i % 3, value: `value ${i}` }).catch(() => {});
      await sleep(20);
    }
  }

  beforeAll(async () => {
    folder = await makeTestFolder("small-disk");
    disk = await SmallDisk.mount(join(folder, "disk"), diskMegabytes);
    ports = await freePorts(ids.length);
    cluster = await TestCluster.start({
      // what limits nothing is not told
      settings: { "offsets.topic.num.partitions": 3, "leader.replication.throttled.rate": 1_000_000_000 },
      settingsOf: Object.fromEntries(
        ids.map((id) => [
          id,
          {
            "metrics.listener": `http://${instance(id)}`,
            ...(id === 3 && typeof disk !== "string" ? { "log.dirs": `${join(folder, "large")},${join(disk.path, "logs")}` } : {}),
          },
        ]),
      ),
    });
    const scrapes = readScrapes();
    const targets = ids.map(instance);
    prometheus = await PrometheusProcess.start(
      {
        ...scrapes,
        global: { scrape_interval: "1s", evaluation_interval: "1s" },
        scrape_configs: scrapes.scrape_configs.map((job) => ({ ...job, static_configs: [{ targets }] })),
      },
      inSeconds(readRules()),
    );
    admin = new Admin({ bootstrap: cluster.bootstrap });
    producer = new Producer({ bootstrap: cluster.bootstrap, valueSerde: stringSerde });
    const assignment = [
      [1, 2, 3],
      [2, 3, 1],
      [3, 1, 2],
    ];
    orThrow(
      await admin.createTopics([
        { name: topic, assignment },
        { name: backlog, assignment: [[1, 2, 3]] },
        { name: "strict", assignment: [[1, 2, 3]], configs: { "min.insync.replicas": "3" } },
        ...ids.map((id) => ({ name: `only-on-${id}`, assignment: [[id]], configs: { "min.insync.replicas": "1" } })),
      ]),
    );
    orThrow(await admin.alterGroupOffsets("readers", [{ topic: backlog, partition: 0, offset: 0 }]));
    traffic = keepBusy();
  });

  afterAll(async () => {
    hasStopped = true;
    await traffic;
    await producer?.close();
    await admin?.close();
    await prometheus?.stop();
    await cluster?.stop();
    if (disk instanceof SmallDisk) await disk.unmount();
    await removeTestFolder(folder);
  });

  test("it scrapes all brokers, understands every line, and loads every rule", async () => {
    await waitUntil("all to be scraped", async () => (await prometheus.scrapeProblems()).every((problem) => problem === ""));
    await waitUntil("all rules to be evaluated", async () =>
      Object.values(await prometheus.ruleProblems()).every((problem) => problem === ""),
    );
    expect(Object.keys(await prometheus.ruleProblems())).toEqual(rules.map(({ alert }) => alert));
    const wanted = Object.entries(families).filter(([name]) => !name.includes("_partition_"));
    // OpenMetrics names a counter without its end
    const expected = Object.fromEntries(wanted.map(([name, { kind }]) => [kind === "counter" ? name.replace(/_total$/, "") : name, kind]));
    await expect.poll(() => prometheus.types()).toEqual(expected);
    await allResolved();
  });

  test("every query of the dashboard has data, with the labels of its legend", async () => {
    const variables: Readonly<Record<string, string>> = { job: "ottla", instance: ".*", topic: ".*", __rate_interval: "5s" };
    expect(panelQueries().length).toBeGreaterThan(40);
    for (const { panel, expr, legend } of panelQueries()) {
      const filled = expr.replaceAll(/\$(\w+)/g, (whole, name: string) => variables[name] ?? whole);
      // what shows only what is wrong has data, too, without that
      const shown = filled.replace(/ > 0$/, "").replace("ottla_ready == 0", "ottla_ready");
      const result = await waitUntil(`${panel}: ${filled}`, async () => {
        await prometheus.query(filled);
        const series = await prometheus.query(shown);
        return series.length > 0 && series;
      });
      for (const [, label = ""] of legend.matchAll(/\{\{\s*(\w+)\s*\}\}/g))
        expect(result[0]?.metric, `${panel}: ${legend}`).toHaveProperty(label);
    }
  });

  test("the dashboard's variables have values", async () => {
    expect(variableQueries().map(({ name }) => name)).toEqual(["instance", "topic"]);
    for (const { metric, label } of variableQueries()) {
      const series = await prometheus.query(metric);
      expect(series.length, metric).toBeGreaterThan(0);
      for (const { metric: labels } of series) expect(labels).toHaveProperty(label);
    }
  });

  test("every alert is about series that exist", async () => {
    for (const { alert, expr } of rules) {
      const selectors = selectorsIn(expr);
      expect(selectors, alert).not.toEqual([]);
      for (const selector of selectors) await waitUntil(`${alert}: ${selector}`, async () => (await prometheus.query(selector)).length > 0);
    }
  });

  test("a broker is killed: copies are missing, partitions refuse or have no leader, until it is back", async () => {
    const { controllerId } = await admin.describeCluster();
    const victim = ids.find((id) => id !== controllerId && id !== 3) ?? 1;
    await cluster.kill(victim);
    const names = ["OttlaBrokerDown", "OttlaOfflinePartitions", "OttlaUnderMinIsr", "OttlaUnderReplicatedPartitions"];
    await fires(names);
    await wellSaid(names);
    const down = (await prometheus.alerts()).filter(({ labels }) => labels.alertname === "OttlaBrokerDown");
    expect(down.map(({ annotations }) => annotations.summary)).toEqual([`${instance(victim)} cannot be scraped`]);
    expect(await prometheus.firing()).not.toContain("OttlaNoController");
    await cluster.startBroker(victim);
    await allResolved();
  });

  test("ZooKeeper is away: no broker is registered or the controller, until it is back", async () => {
    await cluster.zookeeper.kill();
    const names = ["OttlaNoController", "OttlaNotReady", "OttlaNotRegistered"];
    await fires(names);
    await wellSaid(names);
    const unregistered = (await prometheus.alerts()).filter(({ labels }) => labels.alertname === "OttlaNotRegistered");
    expect(unregistered.map(({ labels }) => labels.instance).toSorted()).toEqual(ids.map(instance).toSorted());
    await cluster.zookeeper.restart();
    await allResolved();
  });

  test("a group falls behind, until it has caught up", async () => {
    const written = Array.from({ length: 1500 }, (_, i) => producer.send({ topic: backlog, value: `${i}` }));
    await Promise.all(written);
    const growing = setInterval(() => producer.send({ topic: backlog, value: "more" }).catch(() => {}), 50);
    await fires(["OttlaGroupLagGrowing"]).finally(() => clearInterval(growing));
    await wellSaid(["OttlaGroupLagGrowing"]);
    const [alert] = (await prometheus.alerts()).filter(({ labels }) => labels.alertname === "OttlaGroupLagGrowing");
    expect(alert?.annotations.summary).toBe(`The group readers falls behind in ${backlog}`);
    const [end] = await admin.listOffsets([{ topic: backlog, partition: 0, spec: "latest" }]);
    orThrow(await admin.alterGroupOffsets("readers", [{ topic: backlog, partition: 0, offset: end?.offset ?? -1 }]));
    await allResolved();
  });

  test("a disk fills up, and fails when it is full, until there is room and the broker is restarted", async ({ skip }) => {
    if (typeof disk === "string") return skip(disk);
    const ballast = join(disk.path, "ballast");
    const fill = (megabytes: number) => writeFileSync(ballast, Buffer.alloc(megabytes * 1024 * 1024));
    fill(diskMegabytes * 0.85);
    await fires(["OttlaDiskFilling"]);
    await wellSaid(["OttlaDiskFilling"]);
    await rm(ballast);
    await allResolved();

    expect(() => fill(2 * diskMegabytes)).toThrow("ENOSPC");
    const names = ["OttlaLogDirectoryOffline", "OttlaOfflineReplicas"];
    await fires(names);
    await wellSaid(names);
    await rm(ballast);
    await cluster.shutDown(3);
    await cluster.startBroker(3);
    await allResolved();
  });
});
