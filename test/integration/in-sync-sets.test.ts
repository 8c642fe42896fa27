import { readdir, readFile, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Admin, orThrow, Producer, stringSerde } from "../../client/index.ts";
import { apis } from "../../protocol/messages/apis.ts";
import { fieldAt } from "../../protocol/records/batch-header.ts";
import { TestCluster } from "../support/cluster.ts";
import { OttlaCommand } from "../support/ottla-command.ts";
import { RawConnection } from "../support/raw-request.ts";
import { waitUntil } from "../support/wait-until.ts";

let cluster: TestCluster;
let admin: Admin;

beforeAll(async () => {
  cluster = await TestCluster.start({ settings: { "auto.leader.rebalance.enable": false } });
  admin = new Admin({ bootstrap: cluster.bootstrap });
});

afterAll(async () => {
  await OttlaCommand.killAll();
  await admin?.close();
  await cluster?.stop();
});

async function described(topic: string) {
  return orThrow(await admin.describeTopics([topic]))[0]?.partitions[0];
}

async function controllerId(): Promise<number> {
  return waitUntil("a controller", async () => {
    const { controllerId: id } = await admin.describeCluster();
    return id !== null && id >= 0 ? id : null;
  });
}

async function produce(topic: string, value: string) {
  await using producer = new Producer({ bootstrap: cluster.bootstrap, valueSerde: stringSerde, retryBackoffMs: 50 });
  return producer.send({ topic, value });
}

test("a leader that metadata names serves, also of a partition made this moment", async () => {
  const ask = {
    topics: null,
    allowAutoTopicCreation: false,
    includeClusterAuthorizedOperations: false,
    includeTopicAuthorizedOperations: false,
  };
  const connections = new Map(await Promise.all(cluster.ids.map(async (id) => [id, await RawConnection.open(cluster.port(id))] as const)));
  const metadata = apis.metadata;
  const listOffsets = apis.listOffsets;
  const topics = Array.from({ length: 20 }, (_, n) => `fresh-${n}`);
  const found = new Set<string>();
  const refused: string[] = [];
  const look = async (connection: RawConnection) => {
    const { topics: listed } = await connection.request(metadata, 12, { ...ask, includeReasons: false });
    for (const { name, partitions } of listed)
      for (const { partitionIndex, leaderId, errorCode } of partitions) {
        if (name === null || !name.startsWith("fresh-") || leaderId < 0 || found.has(`${name}-${partitionIndex}`)) continue;
        expect(errorCode).toBe("NONE");
        const asked = {
          replicaId: -1,
          isolationLevel: 0,
          topics: [{ name, partitions: [{ partitionIndex, currentLeaderEpoch: -1, timestamp: -1, maxNumOffsets: 1 }] }],
        };
        const answer = await connections.get(leaderId)!.request(listOffsets, 7, asked);
        const told = answer.topics[0]?.partitions[0]?.errorCode;
        if (told !== "NONE") refused.push(`${name}-${partitionIndex}: ${told}`);
        else found.add(`${name}-${partitionIndex}`);
      }
  };
  const creating = (async () => {
    for (const name of topics) orThrow(await admin.createTopics([{ name, partitions: 6, replicationFactor: 3 }]));
  })();
  while (found.size < topics.length * 6 && refused.length === 0) await Promise.all([...connections.values()].map(look));
  await creating;
  for (const connection of connections.values()) connection.close();
  expect(refused).toEqual([]);
});

test("a start that fails after a crash hands the crash on, and so does a clean stop; a replica that cannot be used is described with the reason", async () => {
  const controller = await controllerId();
  const victim = cluster.ids.find((id) => id !== controller)!;
  orThrow(
    await admin.createTopics([
      { name: "alone", assignment: [[victim]], configs: { "min.insync.replicas": "1" } },
      { name: "shared", assignment: [[victim, controller]] },
    ]),
  );
  for (const topic of ["alone", "alone", "shared"]) await produce(topic, "before");
  const marker = join(cluster.dataDirectory(victim), ".kafka_cleanshutdown");
  const isMarked = async () => (await readdir(cluster.dataDirectory(victim))).includes(".kafka_cleanshutdown");

  await cluster.kill(victim);
  const blocker = createServer();
  await new Promise<void>((resolve) => blocker.listen(cluster.port(victim), "127.0.0.1", resolve));
  await expect(cluster.startBroker(victim)).rejects.toThrow(/did not start/);
  await new Promise((resolve) => blocker.close(resolve));
  expect(await isMarked()).toBe(false);
  await cluster.startBroker(victim);
  await cluster.shutDown(victim);
  const { brokerEpoch, ottla } = JSON.parse(await readFile(marker, "utf8"));
  expect(ottla).toEqual({ recovered_under: brokerEpoch, closed_crc32c: expect.any(Number) });

  const [segment] = (await readdir(join(cluster.dataDirectory(victim), "alone-0"))).filter((name) => name.endsWith(".log"));
  const path = join(cluster.dataDirectory(victim), "alone-0", segment!);
  const bytes = await readFile(path);
  const secondBatchAt = 12 + bytes.readInt32BE(8);
  bytes.writeInt32BE(1_000_000, secondBatchAt + fieldAt.partitionLeaderEpoch);
  await writeFile(path, bytes);
  await cluster.startBroker(victim);
  const offlineReasons = [{ brokerId: victim, reason: expect.stringContaining("leader epoch 1000000, which no leader has had") }];
  // the report is known before the election that it causes
  await waitUntil("it says so", async () => {
    const { offlineReasons: reasons, leader } = (await described("alone"))!;
    return reasons !== undefined && leader === -1;
  });
  expect(await described("alone")).toMatchObject({ leader: -1, offlineReplicas: [victim], offlineReasons });
  const { stdout } = await new OttlaCommand(["topic", "describe", "alone", "--bootstrap", cluster.bootstrap.join()]).result;
  expect(stdout).toMatch(new RegExp(`offline 0 on broker ${victim}: its last record has leader epoch 1000000`));
  expect(await produce("shared", "after")).toMatchObject({ offset: 1 });
});

test("the last living member of an in-sync set, told to stop while its leader's death is unnoticed, leads when it is back", async () => {
  const controller = await controllerId();
  const [leader, follower] = cluster.ids.filter((id) => id !== controller) as [number, number];
  orThrow(await admin.createTopics([{ name: "left", assignment: [[leader, follower]], configs: { "min.insync.replicas": "1" } }]));
  await produce("left", "before");
  await waitUntil("both in sync", async () => (await described("left"))?.isr.length === 2);
  await cluster.kill(leader);
  await cluster.shutDown(follower);
  await cluster.startBroker(follower);
  await waitUntil("it leads", async () => (await described("left"))?.leader === follower);
  expect(await produce("left", "after")).toMatchObject({ offset: 1 });
  await cluster.startBroker(leader);
  await cluster.replicasIdentical("left");
});
