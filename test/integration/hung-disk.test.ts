import { afterAll, beforeAll, expect, test } from "vitest";
import { Admin, orThrow } from "../../client/index.ts";
import { zeroTopicId } from "../../protocol/base/ids.ts";
import { metadataRequest, metadataResponse } from "../../protocol/messages/metadata.ts";
import { becomesInSync } from "../support/calm.ts";
import { TestCluster } from "../support/cluster.ts";
import { RawLink } from "../support/outside/raw-link.ts";
import { SteadyProducer } from "../support/outside/steady-producer.ts";
import { SlowMachine } from "../support/slow-machine.ts";
import { makeTestFolder, removeTestFolder } from "../support/test-folder.ts";
import { waitUntil } from "../support/wait-until.ts";

const hung = 3;
/** Of every write and sync. */
const hangsForMs = 20_000;
const folder = await makeTestFolder("hung");
let cluster: TestCluster;
let admin: Admin;
let machine: SlowMachine;

beforeAll(async () => {
  machine = await SlowMachine.make(folder);
  cluster = await TestCluster.start({
    prefixOf: { [hung]: machine.prefix },
    // so that only what is written hangs, not the broker's main thread with it
    settings: { "ottla.log.direct.writes.enable": false, "min.insync.replicas": 2 },
  });
  admin = new Admin({ bootstrap: cluster.bootstrap });
  const led = Array.from({ length: 24 }, () => [hung, 1, 2]);
  orThrow(
    await admin.createTopics([
      { name: "led", assignment: led },
      { name: "followed", assignment: [[1, 2, hung]] },
    ]),
  );
});

afterAll(async () => {
  await admin?.close();
  await cluster?.stop();
  await removeTestFolder(folder);
});

test("a broker whose disk hangs still learns what changes, and tells clients the new leaders and topics", async () => {
  const producers = [new SteadyProducer(cluster.bootstrap, "led", 24), new SteadyProducer(cluster.bootstrap, "followed", 1)];
  await waitUntil("records are acknowledged", () => producers.every((producer) => producer.acknowledgedCount > 50));
  const link = await RawLink.open(cluster.address(hung));
  const askHung = async (topic: string) => {
    const topics = [{ topicId: zeroTopicId, name: topic }];
    const included = { includeClusterAuthorizedOperations: false, includeTopicAuthorizedOperations: false, includeReasons: false };
    const body = { topics, allowAutoTopicCreation: false, ...included };
    return (await link.ask(metadataRequest, metadataResponse, 12, body)).topics[0];
  };

  const fromMs = performance.now();
  await machine.delay({ diskMs: hangsForMs });
  // the suspicion's update moves what it leads; those after it are what waited for the disk
  await waitUntil("it tells that others lead", async () => {
    return (await askHung("led"))?.partitions.every(({ leaderId }) => leaderId > 0 && leaderId !== hung);
  });
  orThrow(await admin.createTopics([{ name: "elsewhere", assignment: [[1, 2]] }]));
  await waitUntil("it tells of a topic created meanwhile", async () => (await askHung("elsewhere"))?.errorCode === "NONE");
  expect(performance.now() - fromMs).toBeLessThan(hangsForMs / 2);

  await machine.delay({});
  const reports = await Promise.all(producers.map((producer) => producer.stop()));
  expect(reports.flatMap(({ failed }) => failed)).toStrictEqual([]);
  expect(Math.max(...reports.map(({ maxMs }) => maxMs))).toBeLessThan(8_000);
  for (const topic of ["led", "followed"]) await becomesInSync(admin, topic);
  link.drop();
});
