import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Admin, orThrow, Producer } from "../../client/index.ts";
import { TestCluster } from "../support/cluster.ts";
import { SmallDisk } from "../support/small-disk.ts";
import { makeTestFolder, removeTestFolder } from "../support/test-folder.ts";
import { waitUntil } from "../support/wait-until.ts";

const smallMegabytes = 8;
const recordBytes = 500_000;
const folder = await makeTestFolder("full-target");
const mounted = await SmallDisk.mount(join(folder, "small"), smallMegabytes);
const small = typeof mounted === "string" ? null : mounted;
if (typeof mounted === "string") console.log(`skipped: ${mounted}`);

let cluster: TestCluster;
let admin: Admin;

beforeAll(async () => {
  if (small === null) return;
  // the first directory takes the first log
  cluster = await TestCluster.start({ settingsOf: { 3: { "log.dirs": `${small.path},${join(folder, "large")}` } } });
  admin = new Admin({ bootstrap: cluster.bootstrap });
});

afterAll(async () => {
  try {
    await admin?.close();
    await cluster?.stop();
  } finally {
    await small?.unmount();
    await removeTestFolder(folder);
  }
});

test.skipIf(small === null)(
  "a partition whose new broker has a full disk waits, says why, and can be cancelled; others move on",
  async () => {
    orThrow(await admin.createTopics([{ name: "bulk", assignment: [[1, 2]] }, { name: "other", assignment: [[1, 2]] }])); // biome-ignore format: pairs
    await using producer = new Producer({ bootstrap: cluster.bootstrap });
    for (let sent = 0; sent < 3 * smallMegabytes * 1_000_000; sent += recordBytes)
      await producer.send({ topic: "bulk", partition: 0, value: randomBytes(recordBytes) });
    const alter = async (topic: string, replicas: readonly number[] | null) =>
      orThrow(await admin.alterPartitionReassignments([{ topic, partition: 0, replicas }]));
    await alter("bulk", [3, 2]);
    const reason = await waitUntil("the reason is told", async () => {
      const [bulk] = orThrow(await admin.describeTopics(["bulk"]));
      return bulk?.partitions[0]?.offlineReasons?.find(({ brokerId }) => brokerId === 3)?.reason;
    });
    expect(reason).toMatch(/ENOSPC|no space/i);
    await alter("other", [2, 1]);
    await waitUntil("the other one has moved", async () => {
      const [other] = orThrow(await admin.describeTopics(["other"]));
      return other?.partitions[0]?.leader === 2;
    });
    expect(await admin.listPartitionReassignments()).toEqual([
      { topic: "bulk", partition: 0, replicas: [3, 2, 1], adding: [3], removing: [1] },
    ]);
    await producer.send({ topic: "bulk", partition: 0, value: "it is written to as before" });
    await alter("bulk", null);
    await waitUntil("it is cancelled", async () => (await admin.listPartitionReassignments()).length === 0);
    const [bulk] = orThrow(await admin.describeTopics(["bulk"]));
    expect(bulk?.partitions[0]).toMatchObject({ leader: expect.any(Number), isr: expect.arrayContaining([1, 2]) });
    expect(bulk?.partitions[0]?.replicas.toSorted()).toEqual([1, 2]);
  },
);
