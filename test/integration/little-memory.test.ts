import { rmdir } from "node:fs/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Admin, orThrow, Producer } from "../../client/index.ts";
import { becomesInSync } from "../support/calm.ts";
import { TestCluster } from "../support/cluster.ts";
import { MemoryLimit, memoryGroups } from "../support/memory-limit.ts";
import { BrokerWatch } from "../support/outside/broker-watch.ts";
import { fetchFrame } from "../support/outside/fetch-frame.ts";
import { RawLink } from "../support/outside/raw-link.ts";
import { waitUntil } from "../support/wait-until.ts";
import { Workload } from "../support/workload.ts";

const mebibyte = 1024 * 1024;
const limitBytes = 256 * mebibyte;
/** What is told to a broker of so little memory, that its clients do not take it all. */
const sized = {
  "queued.max.request.bytes": 16_777_216,
  "socket.request.max.bytes": 10_000_000,
  "ottla.log.tail.cache.max.bytes": 8_388_608,
};
/** The broker that may not have more. */
const poor = 3;
const recordBytes = 900_000;
const groups = await memoryGroups();
const limit = typeof groups === "string" ? null : await MemoryLimit.make(groups, "little-memory");
if (typeof groups === "string") console.log(`skipped: ${groups}`);
let cluster: TestCluster;
let admin: Admin;

beforeAll(async () => {
  if (limit === null) return;
  await limit.set(limitBytes);
  cluster = await TestCluster.start({
    prefixOf: { [poor]: limit.prefix },
    settings: { "zookeeper.session.timeout.ms": 6_000 },
    settingsOf: { [poor]: sized },
  });
  admin = new Admin({ bootstrap: cluster.bootstrap });
});

afterAll(async () => {
  try {
    await admin?.close();
    await cluster?.stop();
  } finally {
    await limit?.remove();
    if (typeof groups !== "string") await rmdir(groups.root);
  }
});

/** What the poor one holds back for those who read nothing, and what it is sent, is far more than it may have. */
async function greedy(topic: string): Promise<() => Promise<void>> {
  const producers = Array.from({ length: 4 }, () => new Producer({ bootstrap: cluster.bootstrap, acks: 1 }));
  const send = (producer: Producer) => producer.send({ topic, value: Buffer.alloc(recordBytes, "x") }).catch(() => undefined);
  await Promise.all(Array.from({ length: 20 }, (_, i) => send(producers[i % 4]!)));
  const fetch = fetchFrame(orThrow(await admin.describeTopics([topic]))[0]?.topicId ?? "");
  const links = await Promise.all(Array.from({ length: 60 }, () => RawLink.open(cluster.address(poor))));
  for (const link of links) link.stopReading().send(Buffer.concat(Array.from({ length: 100 }, () => fetch)));
  const sends = Array.from({ length: 40 }, (_, i) => send(producers[i % 4]!));
  return async () => {
    for (const link of links) link.drop();
    await Promise.all(sends);
    await Promise.all(producers.map((producer) => producer.close()));
  };
}

test.skipIf(limit === null)(
  "a broker with little memory closes the greedy ones, and when it is killed for it, nothing that was acknowledged is lost",
  async () => {
    orThrow(
      await admin.createTopics([
        {
          name: "load",
          assignment: [
            [poor, 1, 2],
            [1, 2, poor],
            [2, poor, 1],
          ],
        },
        { name: "large", assignment: [[poor]], configs: { "min.insync.replicas": "1" } },
      ]),
    );
    const watch = await BrokerWatch.start(cluster, poor);
    const workload = new Workload({ bootstrap: cluster.bootstrap, topic: "load", partitions: 3 }).start();
    const goesOn = async (what: string) => {
      const before = workload.acknowledgedCount;
      await waitUntil(what, () => workload.acknowledgedCount > before + 300);
    };
    try {
      await goesOn("the load to run");
      const stop = await greedy("large");
      await waitUntil("it to close the greedy", async () =>
        (await watch.lines()).some(({ msg }) => msg.startsWith("the memory for clients (queued.max.request.bytes) is spent")),
      );
      await goesOn("the load to go on beside the greedy");
      console.log(`${Math.round((await limit!.usedBytes()) / mebibyte)} of ${limitBytes / mebibyte} MiB used`);
      expect(watch.isAlive()).toBe(true);
      expect((await watch.lines()).length).toBeLessThan(40);
      await stop();

      // now it gets no more than it has, and the greedy come again: the system kills it
      await limit!.set((await limit!.usedBytes()) + 2 * mebibyte);
      const stopAgain = await greedy("large");
      await waitUntil("it to be killed", async () => {
        await limit!.set((await limit!.usedBytes()) - mebibyte).catch(() => undefined);
        return !watch.isAlive();
      });
      await goesOn("the others to go on");
      await limit!.set(null);
      await cluster.startBroker(poor);
      await stopAgain();
      await becomesInSync(admin, "load");
    } finally {
      await workload.stop();
    }
    const { acknowledged, sentAgain } = await workload.verify();
    console.log(`${acknowledged} records are all there, ${sentAgain} were sent again`);
    await cluster.replicasIdentical("load");
  },
);
