import { readFileSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Probe } from "kubernetes-types/core/v1.js";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Admin, orThrow } from "../../client/index.ts";
import { freePorts } from "../support/free-ports.ts";
import { ApiServer, noOpenssl } from "../support/kubernetes/api-server.ts";
import { Manifests } from "../support/kubernetes/manifests.ts";
import { podName } from "../support/kubernetes/pod.ts";
import { PodProcess } from "../support/kubernetes/pod-process.ts";
import { OttlaCommand } from "../support/ottla-command.ts";
import { runCommand } from "../support/outside/run-command.ts";
import { makeTestFolder, removeTestFolder } from "../support/test-folder.ts";
import { waitUntil } from "../support/wait-until.ts";
import { Workload } from "../support/workload.ts";
import { TestZookeeper } from "../support/zookeeper.ts";

const manifests = Manifests.base();
const token = "a-token";
const zone = (name: string) => ({ "topology.kubernetes.io/zone": name });
const nodes = { "node-1": zone("a"), "node-2": zone("b"), "node-3": zone("c"), elsewhere: { "kubernetes.io/os": "linux" } };
const readyMaxMs = 60_000;

let folder: string;

beforeAll(async () => {
  folder = await makeTestFolder("kubernetes");
  await writeFile(join(folder, "token"), `${token}\n`);
});

afterAll(async () => {
  await removeTestFolder(folder);
});

describe.skipIf(noOpenssl !== "")(`the pods of brokers${noOpenssl}`, () => {
  let zookeeper: TestZookeeper;
  let api: ApiServer;
  let pods: PodProcess[] = [];

  async function podOn(node: string, ordinal: number, tokenFile = join(folder, "token")): Promise<PodProcess> {
    const pod = { statefulSet: "ottla", ordinal, namespace: "ottla", node };
    const [client = 0, peer = 0, metrics = 0] = await freePorts(3);
    const own = join(folder, `${podName(pod)}-on-${node}`);
    await mkdir(own, { recursive: true });
    const { url, certificateFile } = api;
    return new PodProcess({
      manifests,
      pod,
      ports: new Map([
        [9092, client],
        [9091, peer],
        [9404, metrics],
      ]),
      folder: own,
      zookeeper: zookeeper.connectionString,
      api: { url, tokenFile, certificateFile },
    });
  }

  const allReady = () =>
    waitUntil("all to be ready", async () => (await Promise.all(pods.map((pod) => pod.answers("readinessProbe")))).every(Boolean), {
      timeoutMs: readyMaxMs,
    });
  const bootstrap = () => pods.map((pod) => pod.environmentOf("broker").OTTLA_BOOTSTRAP ?? "");

  beforeAll(async () => {
    zookeeper = await TestZookeeper.start();
    api = await ApiServer.start(folder, token, nodes);
    pods = await Promise.all([1, 2, 3].map((ordinal) => podOn(`node-${ordinal}`, ordinal)));
    await Promise.all(pods.map((pod) => pod.start()));
  });

  afterAll(async () => {
    await Promise.all(pods.map((pod) => pod.kill()));
    await api?.[Symbol.asyncDispose]();
    await zookeeper?.stop();
  });

  test("started at once they become ready, each with its ordinal as its id and the zone of its node as its rack", async () => {
    await waitUntil("all to be alive", async () => (await Promise.all(pods.map((pod) => pod.answers("livenessProbe")))).every(Boolean));
    await allReady();
    const described = await new OttlaCommand(["cluster", "describe", "--json", "--bootstrap", bootstrap()[0] ?? ""]).result;
    const { brokers } = JSON.parse(described.stdout) as {
      readonly brokers: readonly { id: number; host: string; port: number; rack: string }[];
    };
    expect(brokers.map(({ id, host, port, rack }) => [id, `${host}:${port}`, rack])).toEqual([
      [1, bootstrap()[0], "a"],
      [2, bootstrap()[1], "b"],
      [3, bootstrap()[2], "c"],
    ]);
  });

  test("a rolling restart, from the last to the first, loses nothing, and no write fails", async () => {
    await using admin = new Admin({ bootstrap: bootstrap() });
    orThrow(await admin.createTopics([{ name: "orders", partitions: 6, replicationFactor: 3 }]));
    const workload = new Workload({ bootstrap: bootstrap(), topic: "orders", partitions: 6 }).start();
    await waitUntil("records to be acknowledged", () => workload.acknowledgedCount > 100);
    for (const pod of pods.toReversed()) {
      expect(await pod.terminate(), "it ended by itself, within its grace period").toBe(0);
      await pod.start();
      await allReady();
      const [described] = orThrow(await admin.describeTopics(["orders"]));
      for (const { isr } of described?.partitions ?? []) expect(isr, "ready: in sync in all that it has").toHaveLength(3);
    }
    await workload.stop();
    await workload.verify();
  });

  test("all stopped, and all started again: ready", async () => {
    expect(await Promise.all(pods.map((pod) => pod.terminate()))).toEqual([0, 0, 0]);
    await Promise.all(pods.map((pod) => pod.start()));
    await allReady();
  });

  test("a node in no zone: no rack; without permission, or with a node that nobody knows: no broker", async () => {
    const settings = (node: string) => readFileSync(join(folder, `ottla-9-on-${node}`, "run-ottla", "server.properties"), "utf8");
    const homeless = await podOn("elsewhere", 9);
    await homeless.start();
    await homeless.kill();
    expect(settings("elsewhere")).toContain("zookeeper.connect=");
    expect(settings("elsewhere")).not.toMatch(/^broker\.rack/m);
    await expect((await podOn("nowhere", 9)).start()).rejects.toThrow("the API server refuses node nowhere: 404");
    expect(() => settings("nowhere")).toThrow("ENOENT");
    await writeFile(join(folder, "wrong"), "another");
    await expect((await podOn("node-1", 9, join(folder, "wrong"))).start()).rejects.toThrow("the API server refuses node node-1: 401");
  });
});

test("ZooKeeper's probes: alive is who answers, ready is who has a quorum", async () => {
  await using ensemble = await TestZookeeper.startEnsemble(3);
  const [last, ...others] = ensemble.servers;
  const { readinessProbe, livenessProbe } = manifests.podSpec("ottla-zookeeper").containers[0] ?? {};
  const succeeds = async (probe: Probe | undefined) => {
    const [command = "", ...args] = (probe?.exec?.command ?? []).map((word) => word.replace("/127.0.0.1/2181", `/127.0.0.1/${last?.port}`));
    return (await runCommand(command, args, { timeoutMs: 10_000 })).exitCode === 0;
  };
  expect([await succeeds(readinessProbe), await succeeds(livenessProbe)]).toEqual([true, true]);
  for (const other of others) await other.kill();
  await waitUntil("it to lose its quorum", async () => !(await succeeds(readinessProbe)));
  expect([await succeeds(readinessProbe), await succeeds(livenessProbe)]).toEqual([false, true]);
  await last?.kill();
  expect([await succeeds(readinessProbe), await succeeds(livenessProbe)]).toEqual([false, false]);
});
