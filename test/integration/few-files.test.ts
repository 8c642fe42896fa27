import { readdir } from "node:fs/promises";
import { connect, type Socket } from "node:net";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Admin, orThrow, Producer } from "../../client/index.ts";
import { TestCluster } from "../support/cluster.ts";
import { BrokerWatch } from "../support/outside/broker-watch.ts";
import { waitUntil } from "../support/wait-until.ts";
import { Workload } from "../support/workload.ts";

const limit = 256;
/** The broker that may have no more files open than that. */
const poor = 3;
const connectionsWanted = 600;
/** More than the poor one may have, of which it says how many. */
const partitions = 150;
const isPossible = process.platform !== "win32";
let cluster: TestCluster;
let admin: Admin;
const sockets: Socket[] = [];

beforeAll(async () => {
  if (!isPossible) return;
  cluster = await TestCluster.start({
    prefixOf: { [poor]: ["sh", "-c", `ulimit -n ${limit} && exec "$@"`, "sh"] },
    settings: { "zookeeper.session.timeout.ms": 6_000 },
  });
  admin = new Admin({ bootstrap: cluster.bootstrap });
});

afterAll(async () => {
  for (const socket of sockets) socket.destroy();
  await admin?.close();
  await cluster?.stop();
});

async function knock(): Promise<void> {
  const socket = connect({ host: "127.0.0.1", port: cluster.port(poor) });
  sockets.push(socket);
  // whether it is refused is known a moment later
  await new Promise((resolve) => socket.once("connect", resolve).once("error", resolve));
  socket.on("error", () => {});
}

test.skipIf(!isPossible)("a broker that may open 256 files refuses connections and logs that are too many, and loses nothing", async () => {
  const assignment = [
    [poor, 1, 2],
    [1, 2, poor],
    [2, poor, 1],
  ];
  orThrow(await admin.createTopics([{ name: "load", assignment }]));
  const watches = await Promise.all(cluster.ids.map((id) => BrokerWatch.start(cluster, id)));
  const poorOne = watches[poor - 1]!;
  const said = async (words: string) => (await poorOne.lines()).filter(({ msg }) => msg.includes(words));
  const workload = new Workload({ bootstrap: cluster.bootstrap, topic: "load", partitions: 3 }).start();
  try {
    await waitUntil("the load to run", () => workload.acknowledgedCount > 300);
    for (let i = 0; i < connectionsWanted; i += 50) await Promise.all(Array.from({ length: 50 }, knock));
    await waitUntil("it to say that it refuses", async () => (await said("too many client connections")).length > 0);
    const open = () => sockets.filter((socket) => !socket.destroyed).length;
    await waitUntil("the refused to be closed", () => open() < limit / 2);
    const before = workload.acknowledgedCount;
    await waitUntil("the load to go on", () => workload.acknowledgedCount > before + 300);

    const many = Array.from({ length: partitions }, (_, i) => [1 + (i % 3), 1 + ((i + 1) % 3), 1 + ((i + 2) % 3)]);
    console.log(`${open()} of ${connectionsWanted} connections are open`);
    for (const socket of sockets) socket.destroy();
    // the answer may be that not all of it is served
    await admin.createTopics([{ name: "many", assignment: many }]);
    const described = await waitUntil("others to lead what it cannot have", async () => {
      const found = orThrow(await admin.describeTopics(["many"]))[0]?.partitions ?? [];
      const offline = found.filter(({ offlineReplicas }) => offlineReplicas.includes(poor));
      return offline.length > 0 && offline.every(({ leader }) => leader > 0 && leader !== poor) && found;
    });
    const refused = described.filter(({ offlineReplicas }) => offlineReplicas.includes(poor));
    expect(refused[0]?.offlineReasons).toEqual([{ brokerId: poor, reason: expect.stringMatching(/limit of open files allows no more/) }]);
    await using producer = new Producer({ bootstrap: cluster.bootstrap });
    await Promise.all(described.map(({ partition }) => producer.send({ topic: "many", partition, value: "x" })));
    const files = (await readdir(`/proc/${cluster.pid(poor)}/fd`).catch(() => [])).length;
    console.log(`${partitions - refused.length} of ${partitions} logs, ${files} files of ${limit} open`);
    expect(files).toBeLessThan(limit);
  } finally {
    for (const socket of sockets) socket.destroy();
    await workload.stop();
  }
  expect(watches.map((watch) => watch.isAlive())).toEqual([true, true, true]);
  const { acknowledged, sentAgain } = await workload.verify();
  console.log(`${acknowledged} records are all there, ${sentAgain} were sent again`);
  await cluster.replicasIdentical("load");
  for (const watch of watches)
    expect((await watch.lines()).filter(({ msg }) => /another broker|session lost|is offline/.test(msg))).toEqual([]);
  expect((await said("too many client connections")).length).toBeLessThan(5);
});
