import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Admin, Consumer, orThrow, Producer, stringSerde } from "../../client/index.ts";
import { segmentBytes, TestCluster } from "../support/cluster.ts";
import { OttlaCommand } from "../support/ottla-command.ts";
import { SmallDisk } from "../support/small-disk.ts";
import { makeTestFolder, removeTestFolder } from "../support/test-folder.ts";
import { waitUntil } from "../support/wait-until.ts";
import { Workload } from "../support/workload.ts";

const partitions = 4;
const smallMegabytes = 8;
const folder = await makeTestFolder("disks");
const mounted = await SmallDisk.mount(join(folder, "small"), smallMegabytes);
const small = typeof mounted === "string" ? null : mounted;
if (typeof mounted === "string") console.log(`skipped: ${mounted}`);

let cluster: TestCluster;
let admin: Admin;
let large: string;

beforeAll(async () => {
  if (small === null) return;
  large = join(folder, "large");
  cluster = await TestCluster.start({ settingsOf: { 1: { "log.dirs": `${large},${small.path}` } } });
  admin = new Admin({ bootstrap: cluster.bootstrap });
});

afterAll(async () => {
  try {
    await OttlaCommand.killAll();
    await admin?.close();
    await cluster?.stop();
  } finally {
    await small?.unmount();
    await removeTestFolder(folder);
  }
});

/** The partitions of a topic that broker 1 has in a directory, without copies in progress. */
async function partitionsIn(directory: string, topic: string): Promise<number[]> {
  const [broker] = orThrow(await admin.describeLogDirs([1]));
  const replicas = broker?.directories.find((one) => one.directory === directory)?.replicas ?? [];
  return replicas.filter((one) => one.topic === topic && !one.isFuture).map(({ partition }) => partition);
}

async function described(topic: string) {
  return orThrow(await admin.describeTopics([topic]))[0]?.partitions ?? [];
}

async function isWhole(topic: string): Promise<boolean> {
  const all = await described(topic);
  return all.length === partitions && all.every(({ isr, leader }) => leader > 0 && isr.length === 3);
}

/** The same bytes on broker 1, in whichever directory, as on the others. */
async function copiesAlike(topic: string): Promise<boolean> {
  for (let partition = 0; partition < partitions; partition++) {
    const copies: (Buffer | null)[] = await Promise.all([2, 3].map((id) => cluster.logBytes(id, topic, partition)));
    const found = await Promise.all([large, small!.path].map((directory) => segmentBytes(join(directory, `${topic}-${partition}`))));
    const ours = found.filter((bytes) => bytes !== null);
    if (ours.length !== 1 || !copies.every((copy) => copy?.equals(ours[0]!) === true)) return false;
  }
  return true;
}

/** What broker 1 logged when its directory failed, and when (milliseconds since 1970). */
async function failureTold(): Promise<{ readonly atMs: number; readonly message: string } | null> {
  for (const line of (await readFile(cluster.logFile(1), "utf8")).split("\n")) {
    if (!line.includes(`log directory ${small!.path} is offline`) || !line.includes("goes on without it")) continue;
    const { time, msg } = JSON.parse(line) as { readonly time: number | string; readonly msg: string };
    return { atMs: new Date(time).getTime(), message: msg };
  }
  return null;
}

const ottla = (...args: string[]) => new OttlaCommand([...args, "--bootstrap", cluster.bootstrap.join(",")]).result;

describe.skipIf(small === null)("a broker with a directory on a small disk", () => {
  test("that is filled up: what it led there moves within a second, nothing acknowledged is lost, the rest goes on; then it is given space and made whole", async () => {
    const assignment = Array.from({ length: partitions }, () => [1, 2, 3]);
    orThrow(await admin.createTopics(["load", "filler"].map((name) => ({ name, assignment }))));
    await waitUntil("the topics", async () => (await isWhole("load")) && (await isWhole("filler")));
    const onSmall = await partitionsIn(small!.path, "load");
    expect(onSmall).toHaveLength(partitions / 2);
    const workload = new Workload({ bootstrap: cluster.bootstrap, topic: "load", partitions }).start();
    const filled: { readonly partition: number; readonly offset: number; readonly value: string }[] = [];
    let told: Awaited<ReturnType<typeof failureTold>> = null;
    try {
      await waitUntil("the load to run", () => workload.acknowledgedCount > 500);
      await using filler = new Producer({ bootstrap: cluster.bootstrap, valueSerde: stringSerde, acks: -1, retryBackoffMs: 20 });
      for (let round = 0; told === null; round++) {
        expect(round).toBeLessThan(1_000);
        const sends = Array.from({ length: partitions }, async (_, partition) => {
          const value = `${partition}:${round}:${"x".repeat(60_000)}`;
          const { offset } = await filler.send({ topic: "filler", partition, value });
          filled.push({ partition, offset: offset ?? -1, value });
        });
        await Promise.all(sends);
        told = await failureTold();
      }
      const { atMs, message } = told;
      expect(message).toMatch(/failed: no space is left on the device \(ENOSPC\)\..*free space there.*restart broker 1$/);
      await waitUntil("others lead", async () =>
        (await described("load")).every(({ partition, leader }) => (leader === 1) !== onSmall.includes(partition)),
      );
      const failedAt = atMs - performance.timeOrigin;
      for (const partition of onSmall) {
        const next = await waitUntil("the next record", () => workload.firstAcknowledgedAfter(partition, failedAt));
        console.log(`load-${partition}: led elsewhere ${Math.round(next! - failedAt)} ms after the failure`);
        expect(next! - failedAt).toBeLessThan(5_000);
      }
      // the new leaders remove it from the in-sync sets
      const isOut = onSmall.map((partition) => [partition, false, [1]]);
      const others = (await described("load")).filter(({ partition }) => !onSmall.includes(partition));
      const due = [...isOut, ...others.map(({ partition }) => [partition, true, []])].toSorted(([a], [b]) => Number(a) - Number(b));
      await expect
        .poll(async () =>
          (await described("load")).map(({ partition, isr, offlineReplicas }) => [partition, isr.includes(1), offlineReplicas]),
        )
        .toEqual(due);
      const shown = await ottla("cluster", "log-dirs");
      expect([shown.code, shown.stderr]).toEqual([1, expect.stringContaining(`a log directory failed: ${small!.path} of broker 1`)]);
      expect(shown.stdout).toMatch(new RegExp(`${small!.path} +failed`));

      // as the message says
      await small!.resize(256);
      await cluster.shutDown(1);
      await cluster.startBroker(1);
      await waitUntil("all is whole", async () => (await isWhole("load")) && (await isWhole("filler")), { timeoutMs: 60_000 });
    } finally {
      await workload.stop();
    }
    const { acknowledged } = await workload.verify();
    const found = new Map<string, string | null>();
    await using consumer = new Consumer({ bootstrap: cluster.bootstrap, valueSerde: stringSerde, stopAtEnd: true });
    await consumer.assign([{ topic: "filler", from: "beginning" }]);
    for await (const { partition, offset, value } of consumer) found.set(`${partition}:${offset}`, value);
    expect(filled.filter(({ partition, offset, value }) => found.get(`${partition}:${offset}`) !== value)).toEqual([]);
    await waitUntil("the copies are alike", async () => (await copiesAlike("load")) && (await copiesAlike("filler")));
    console.log(`${acknowledged} and ${filled.length} acknowledged records are all there`);
  });

  test("a replica moves from one directory to the other under load, by the command; it serves all the while", async () => {
    const workload = new Workload({ bootstrap: cluster.bootstrap, topic: "more", partitions });
    orThrow(await admin.createTopics([{ name: "more", assignment: Array.from({ length: partitions }, () => [1, 2, 3]) }]));
    await waitUntil("the topic", () => isWhole("more"));
    const [moved] = await partitionsIn(small!.path, "more");
    const { leaderEpoch } = (await described("more"))[moved!]!;
    workload.start();
    try {
      await waitUntil("the load to run", () => workload.acknowledgedCount > 500);
      const wrong = await ottla("cluster", "move-replica", "more", String(moved), "--broker", "1", "--to", "/nowhere");
      expect([wrong.code, wrong.stderr]).toEqual([1, expect.stringMatching(/^ottla: .*LOG_DIR_NOT_FOUND.*ottla cluster log-dirs.*\n$/)]);
      const done = await ottla("cluster", "move-replica", "more", String(moved), "--broker", "1", "--to", large);
      expect([done.code, done.stderr, done.stdout]).toEqual([0, "", `more-${moved} of broker 1 is in ${large} now\n`]);
      const sent = workload.acknowledgedCount;
      await waitUntil("the load runs on", () => workload.acknowledgedCount > sent + 500);
      expect(await partitionsIn(large, "more")).toContain(moved);
      const listed = JSON.parse((await ottla("cluster", "log-dirs", "--broker", "1", "--topic", "more", "--json")).stdout) as [
        { readonly directories: readonly { readonly directory: string; readonly usableBytes: number }[] },
      ];
      expect(listed[0].directories.map(({ directory, usableBytes }) => [directory, usableBytes > 0])).toEqual([
        [large, true],
        [small!.path, true],
      ]);
    } finally {
      await workload.stop();
    }
    expect((await described("more"))[moved!]).toMatchObject({ leader: 1, leaderEpoch, isr: expect.arrayContaining([1, 2, 3]) });
    await workload.verify();
    await waitUntil("the copies are alike", () => copiesAlike("more"));
  });
});
