import { setImmediate } from "node:timers/promises";
import { expect, test } from "vitest";
import { emptyImage } from "../../../broker/cluster/cluster-image.ts";
import { roleChanges } from "../../../broker/cluster/roles.ts";
import type { DirectoryLogStore } from "../../../broker/log/directories/log-store.ts";
import { openLogStore } from "../../../broker/log/directories/open-directories.ts";
import { PartitionTable } from "../../../broker/partition/partition-table.ts";
import type { FileSystem } from "../../../broker/runtime/files.ts";
import { silentLogger } from "../../../protocol/base/logger.ts";
import { seededRandom } from "../../../protocol/base/random.ts";
import { codecsAside } from "../../../protocol/records/compression.ts";
import { MemoryDisk } from "../../support/memory-files.ts";
import { producedBatch, testSettings } from "../../support/memory-log.ts";
import { testPartitionConfig } from "../../support/partition-config.ts";
import { ManualClock } from "../network/manual-clock.ts";

const ref = { topic: "t", partition: 0 };
const [firstId, secondId] = ["AbCdEfGhIjKlMnOpQrStUw", "BbCdEfGhIjKlMnOpQrStUw"];
const otherId = "ZZZZZZZZZZZZZZZZZZZZZQ";
const state = { partition: 0, leader: 1, leaderEpoch: 0, isr: [1], isrEpochs: {}, replicas: [1], stateVersion: 0, leaderRecovering: false };
const replica = (topicId: string) => ({ topic: "t", topicId, state, settings: testSettings });

/** One broker's partitions over the log's own store. */
async function life(disk: MemoryDisk, clock: ManualClock, seen: (operation: string, path: string) => void = () => {}) {
  const parts = { files: watched(disk.attach(), seen), clock, random: seededRandom(1), log: silentLogger };
  const logs: DirectoryLogStore = await openLogStore(parts, { directory: "/data" });
  const table = new PartitionTable({
    codecs: codecsAside,
    config: testPartitionConfig,
    clock,
    random: seededRandom(2),
    logger: silentLogger,
    logs,
    cluster: {
      brokerEpoch: () => 1,
      hasReplica: () => true,
      isSuspected: () => false,
      doubtLeaderships: () => {},
      isSilent: () => false,
      stopsAsWeDo: () => false,
      registration: () => 1,
      peerAddress: () => null,
      ownEpoch: 1,
      sessionProvedUntilMs: Number.POSITIVE_INFINITY,
    },
    isrStore: { writeIsr: async () => ({ kind: "unknown" }) },
    health: { report: () => {} },
  });
  table.start();
  const append = async () => {
    const leader = table.leader(ref);
    return typeof leader === "string" ? { error: leader } : leader.append(producedBatch(5), { acks: 1, timeoutMs: 1000 });
  };
  return { logs, table, append };
}

/** Tells of every operation. Forcing to disk takes longer than what comes from the system's cache, as on a real disk. */
function watched(files: FileSystem, seen: (operation: string, path: string) => void): FileSystem {
  return new Proxy(files, {
    get(target, name) {
      const method = Reflect.get(target, name);
      if (typeof method !== "function") return method;
      return (...args: unknown[]) => {
        seen(String(name), String(args[0]));
        if (name === "syncDirectory") return setImmediate().then(() => method.apply(target, args));
        return method.apply(target, args);
      };
    },
  });
}

function machine() {
  const clock = new ManualClock();
  return { clock, disk: new MemoryDisk({ clock, random: seededRandom(3) }) };
}

test("an update that arrives while the broker stops is let pass: no log is opened, led or deleted any more", async () => {
  const { clock, disk } = machine();
  const { table } = await life(disk, clock);
  await table.assign([replica(firstId)]);
  const closing = table.close();
  const withdrawing = table.withdraw([{ ref, topicId: firstId, isDeleted: true }]);
  await closing;
  await withdrawing;
  await table.assign([{ ...replica(firstId), state: { ...state, leaderEpoch: 1, stateVersion: 1 } }]);
  await table.assign([{ ...replica(firstId), topic: "new", topicId: secondId }]);
  await table.withdraw([{ ref, topicId: firstId, isDeleted: true }]);
  expect([...table.all()].map(({ role }) => role).filter((role) => role !== "none")).toEqual([]);
  const { logs } = await life(disk, clock);
  expect(logs.wasClean).toBe(true);
  expect(logs.found).toEqual([{ topic: "t", partition: 0, topicId: firstId }]);
});

test("a topic re-created does not inherit the high watermark of the one deleted, whenever the process dies", async () => {
  const { clock, disk } = machine();
  const { table, append } = await life(disk, clock);
  await table.assign([replica(firstId)]);
  expect(await append()).toMatchObject({ error: null });
  await clock.advance(testPartitionConfig.highWatermarkCheckpointMs + 1);
  await table.withdraw([{ ref, topicId: firstId, isDeleted: true }]);
  await table.assign([{ ...replica(secondId), state: { ...state, isr: [1, 2], replicas: [1, 2] } }]);
  expect(await append()).toMatchObject({ error: null, baseOffset: 0 });
  expect(table.find(ref)?.highWatermark).toBe(0);
  disk.loseProcess();
  const next = await life(disk, clock);
  await next.table.assign([{ ...replica(secondId), state: { ...state, isr: [1, 2], replicas: [1, 2], leaderEpoch: 1, stateVersion: 1 } }]);
  expect(next.table.find(ref)?.highWatermark).toBe(0);
});

test("a high watermark that went back with a cut after an unclean election does not return with a restart", async () => {
  const { clock, disk } = machine();
  const { table, append } = await life(disk, clock);
  await table.assign([replica(firstId)]);
  for (let count = 0; count < 2; count++) expect(await append()).toMatchObject({ error: null });
  await clock.advance(testPartitionConfig.highWatermarkCheckpointMs + 1);
  expect(table.find(ref)?.highWatermark).toBe(10);
  const following = { ...state, leader: 2, leaderEpoch: 1, stateVersion: 1, isr: [2], replicas: [1, 2], leaderRecovering: true };
  await table.assign([{ ...replica(firstId), state: following }]);
  const [followed] = table.following();
  const asked = followed!.nextFetch()!;
  const told = {
    topicId: firstId,
    partition: 0,
    error: "NONE",
    leaderEpoch: 1,
    highWatermark: 5,
    logStartOffset: 0,
    epochs: [],
    recordsBytes: 0,
  } as const;
  const cut = followed!.applyFetched(asked, { ...told, diverging: { epoch: 0, endOffset: 5 } }, Buffer.alloc(0));
  expect(await cut).toBe("applied");
  expect(table.find(ref)?.highWatermark).toBe(5);
  disk.loseProcess();
  const { logs } = await life(disk, clock);
  expect(logs.highWatermarks.get("t-0")).toBe(5);
});

test("a log that nobody names is set aside, serves nobody, and goes on where it was when its topic is back", async () => {
  const { clock, disk } = machine();
  const { table, append, logs } = await life(disk, clock);
  await table.assign([replica(firstId)]);
  for (let count = 0; count < 2; count++) expect(await append()).toMatchObject({ error: null });
  await table.withdraw([{ ref, topicId: firstId, isDeleted: false }]);
  expect(await append()).toMatchObject({ error: "NOT_LEADER_OR_FOLLOWER" });
  expect(await table.forget(new Set([otherId]))).toEqual([]);
  await table.assign([replica(firstId)]);
  expect(table.find(ref)).toMatchObject({ highWatermark: 10, log: { endOffset: 10 } });
  expect(await append()).toMatchObject({ error: null, baseOffset: 10 });
  expect(logs.strays.all).toEqual([]);
  disk.loseProcess();
  const next = await life(disk, clock);
  await next.table.assign([replica(firstId)]);
  expect(next.table.find(ref)?.log.endOffset).toBe(15);
});

test("a removed replica's log goes if it is open and has nothing of the removal's epoch; otherwise it is set aside", async () => {
  const cases = [
    { isOpen: true, removedInEpoch: 1, strays: 0 },
    { isOpen: true, removedInEpoch: 0, strays: 1 },
    { isOpen: false, removedInEpoch: 1, strays: 1 },
  ];
  for (const { isOpen, removedInEpoch, strays } of cases) {
    const { clock, disk } = machine();
    const before = await life(disk, clock);
    await before.table.assign([replica(firstId)]);
    expect(await before.append()).toMatchObject({ error: null });
    if (!isOpen) await before.table.close();
    const { table, logs } = isOpen ? before : await life(disk, clock);
    await table.withdraw([{ ref, topicId: firstId, isDeleted: false, removedInEpoch }]);
    expect(table.find(ref)).toBeNull();
    expect(logs.strays.all).toHaveLength(strays);
    await table.close();
    expect((await life(disk, clock)).logs.found).toEqual([]);
  }
});

test.each([
  ["written to", 8],
  ["idle", 5],
] as const)(
  "ZooKeeper is restored to where a removal is on record; a log that came back since, %s, is set aside",
  async (since, leaderEpoch) => {
    const { clock, disk } = machine();
    const before = await life(disk, clock);
    await before.table.assign([replica(firstId)]);
    expect(await before.append()).toMatchObject({ error: null });
    await before.table.assign([{ ...replica(firstId), state: { ...state, leaderEpoch: 7, stateVersion: 9 } }]);
    if (since === "written to") expect(await before.append()).toMatchObject({ error: null });
    await before.table.close();
    const { table, logs } = await life(disk, clock);
    const restored = { ...state, leader: 2, isr: [2], replicas: [2], removed: [1], stateVersion: 4, leaderEpoch };
    const topic = { name: "t", id: firstId!, partitions: [restored], config: {} };
    const empty = emptyImage("cluster");
    const after = { ...empty, topics: new Map([["t", topic]]), topicNames: new Map([[topic.id, "t"]]) };
    const local = [{ ref, topicId: topic.id }];
    const { withdraw } = roleChanges({ self: 1, before: empty, after, full: true, local, resolve: () => testSettings });
    await table.withdraw(withdraw);
    expect(logs.strays.all).toMatchObject([{ topicId: firstId }]);
  },
);

test.each([true, false])(
  "a topic re-created while the deletion of the old one was not told frees the name, restarted or not (%s), and loses neither",
  async (restarted) => {
    const { clock, disk } = machine();
    const before = await life(disk, clock);
    await before.table.assign([replica(firstId)]);
    expect(await before.append()).toMatchObject({ error: null });
    if (restarted) await before.table.close();
    const { table, logs, append } = restarted ? await life(disk, clock) : before;
    await table.assign([replica(otherId)]);
    expect(await append()).toMatchObject({ error: null, baseOffset: 0 });
    expect(logs.strays.all).toMatchObject([{ topicId: firstId, note: { highWatermark: 5 } }]);
    // its deletion is told after all
    expect(await table.forget(new Set([firstId]))).toEqual([]);
    await table.close();
    expect((await life(disk, clock)).logs).toMatchObject({ found: [{ topicId: otherId }], strays: { all: [] } });
  },
);

test("what many partitions need to be deleted is durable in few writes, not in some for each", async () => {
  const { clock, disk } = machine();
  const count = 300;
  let operations: string[] = [];
  const { table, logs } = await life(disk, clock, (operation, path) => operations.push(`${operation} ${path}`));
  const partitions = Array.from({ length: count }, (_, partition) => partition);
  await table.assign(partitions.map((partition) => ({ ...replica(firstId), state: { ...state, partition } })));
  for (const partition of partitions) {
    const leader = table.leader({ topic: "t", partition });
    if (typeof leader !== "string") await leader.append(producedBatch(5), { acks: 1, timeoutMs: 1000 });
  }
  await clock.advance(testPartitionConfig.highWatermarkCheckpointMs + 1);
  operations = [];
  await table.withdraw(partitions.map((partition) => ({ ref: { topic: "t", partition }, topicId: firstId, isDeleted: true })));
  const durable = operations.filter((operation) => /^syncDirectory \/data$|checkpoint/.test(operation));
  expect(durable.length).toBeLessThan(count / 5);
  expect([...table.all()]).toEqual([]);
  disk.loseProcess();
  const next = await life(disk, clock);
  expect([next.logs.found, next.logs.highWatermarks.size]).toEqual([[], 0]);
  expect(logs.offline).toBeNull();
});
