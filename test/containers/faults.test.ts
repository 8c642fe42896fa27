import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Admin, orThrow } from "../../client/index.ts";
import { becomesBalanced, becomesInSync, partitionsOf } from "../support/calm.ts";
import { makeTestFolder, removeTestFolder } from "../support/test-folder.ts";
import { ComposeCluster, docker, skippedBecause } from "./compose-cluster.ts";
import { type ContainerFault, containerFaults } from "./container-faults.ts";
import { Traffic } from "./traffic.ts";

const project = `ottla-faults-${process.pid}`;
const topic = "orders";
const partitions = 6;
/** So long that only suspicion, and never the end of a session, can bring another leader within the bound. */
const sessionTimeoutMs = 18_000;
const servedMaxMs = 10_000;
/** From when others have acknowledged: they lead for a while before it is over. */
const faultLastsMs = 4_000;
const victims = ["a leader", "the controller"] as const;

describe.skipIf(skippedBecause !== null)(`containers under faults${skippedBecause === null ? "" : ` (skipped: ${skippedBecause})`}`, () => {
  let cluster: ComposeCluster;
  let admin: Admin;
  let folder: string;
  let traffic: Traffic;
  let round = 0;

  beforeAll(async () => {
    const variables = { OTTLA_SESSION_TIMEOUT_MS: String(sessionTimeoutMs) };
    cluster = await ComposeCluster.start({ file: "docker-compose.yml", project, variables });
    const { bootstrap } = cluster;
    admin = new Admin({ bootstrap });
    orThrow(await admin.createTopics([{ name: topic, partitions, replicationFactor: 3 }]));
    folder = await makeTestFolder("containers");
    traffic = new Traffic({ bootstrap, topic, partitions, folder });
    await traffic.start();
  });

  afterAll(async () => {
    await traffic?.close();
    await admin?.close();
    await cluster?.stop();
    if (folder !== undefined) await removeTestFolder(folder);
  });

  async function victimOf(who: (typeof victims)[number]): Promise<number> {
    const { controllerId, brokers } = await admin.describeCluster();
    return who === "the controller" ? controllerId : (brokers.find(({ id }) => id !== controllerId)?.id ?? -1);
  }

  /** The fault lasts on while its effect is measured. */
  async function undergo(fault: ContainerFault, victim: number): Promise<void> {
    const { history, service } = traffic;
    const container = await cluster.containerId(`broker${victim}`);
    const concerned = (await partitionsOf(admin, topic)).filter(({ leader }) => leader === victim).map(({ partition }) => partition);
    expect(concerned).not.toEqual([]);
    const tell = (moment: "begins" | "ends" | "served" | "whole") =>
      history.add({ kind: "fault", round, name: fault.name, moment, targets: [`broker ${victim}`], boundMs: servedMaxMs });
    tell("begins");
    const beganAt = history.now();
    await fault.begin(container);
    const isServedMeanwhile = await service.servedAfter(history.now(), servedMaxMs);
    await sleep(faultLastsMs);
    const longestMs = (from: number) => Math.max(...concerned.map((partition) => service.gapOf(partition, from, history.now()) ?? 0));
    const duringMs = longestMs(beganAt);
    await fault.end(container);
    tell("ends");
    const endedAt = history.now();
    const isServedAfterwards = await service.servedAfter(endedAt, servedMaxMs);
    tell("served");
    await becomesInSync(admin, topic);
    tell("whole");
    const during = isServedMeanwhile ? `for ${duringMs.toFixed(0)} ms` : "all the time";
    console.log(`broker ${victim} ${fault.name}: no acknowledgement ${during}, afterwards for ${longestMs(endedAt).toFixed(0)} ms`);
    expect({ isServedMeanwhile, isServedAfterwards }).toEqual({ isServedMeanwhile: true, isServedAfterwards: true });
    expect(longestMs(beganAt)).toBeLessThan(servedMaxMs);
  }

  const cases = containerFaults(`${project}_ottla`).flatMap((fault) => victims.map((who) => ({ fault, who })));
  test.each(cases)(`acknowledges again within ${servedMaxMs / 1000} s when $who $fault.name`, async ({ fault, who }) => {
    round++;
    await becomesInSync(admin, topic);
    await becomesBalanced(admin, topic);
    await undergo(fault, await victimOf(who));
  });

  test("everything that was acknowledged is there once and in order, and the consumer was handed all of it", async () => {
    expect(await traffic.stopWriting()).toEqual([]);
    await traffic.stopReading();
    const containers = await Promise.all([1, 2, 3].map((id) => cluster.containerId(`broker${id}`)));
    await Promise.all(containers.map((container) => docker("stop", "--time", "25", container)));
    expect(await traffic.judge(containers)).toEqual([]);
    console.log(`${traffic.acknowledged} records acknowledged`);
    expect(traffic.acknowledged).toBeGreaterThan(1000);
  });
});
