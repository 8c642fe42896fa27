import { expect, test } from "vitest";
import { TooManyLogs } from "../../../broker/log/store-contract.ts";
import { MemoryLogStore, producedBatch, testSettings } from "../../support/memory-log.ts";
import { settled } from "../network/manual-clock.ts";
import { record, setUp, topicId } from "./partition-fixture.ts";

test("of a long list of assignments the first replicas are fetched before the last one is opened", async () => {
  const store = new MemoryLogStore();
  const { table } = await setUp({}, {}, store);
  const open = store.open.bind(store);
  const slow = Promise.withResolvers<void>();
  store.open = async (...what) => {
    if (what[1] === 600) await slow.promise;
    return open(...what);
  };
  const told: number[] = [];
  table.onFollowingChanged(() => told.push(table.following().length));
  const replicas = Array.from({ length: 600 }, (_, at) => {
    const state = { ...record, partition: at + 1, leader: 2, leaderEpoch: 5 };
    return { topic: "t", topicId, state, settings: testSettings };
  });
  const assigning = table.assign(replicas);
  for (let turn = 0; turn < 2000 && told.length < 2; turn++) await settled();
  // 16 are opened at a time
  expect(told).toStrictEqual([256, 512]);
  slow.resolve();
  await assigning;
  expect(told.at(-1)).toBe(600);
});

test("what is followed otherwise is told, and nothing else, however much is followed", async () => {
  const { table } = await setUp();
  const told: (readonly [partition: number, leader: number | null])[][] = [];
  table.onFollowingChanged((changes) => told.push(changes.map(({ partition, followed }) => [partition, followed?.leader ?? null])));
  const replica = (partition: number, more: Partial<typeof record>) => {
    return { topic: "t", topicId, state: { ...record, partition, ...more }, settings: testSettings };
  };
  await table.assign(Array.from({ length: 100 }, (_, at) => replica(at + 1, { leader: 2 })));
  expect(told.splice(0).flat().length).toBe(100);
  await table.assign([
    replica(7, { leader: 3, leaderEpoch: 6 }),
    replica(8, { leaderEpoch: 6 }),
    replica(9, { leader: 2, stateVersion: 4 }),
  ]);
  expect(told.splice(0)).toStrictEqual([
    [
      [7, 3],
      [8, null],
    ],
  ]);
  await table.withdraw([{ ref: { topic: "t", partition: 10 }, topicId, isDeleted: false }]);
  expect(told.splice(0)).toStrictEqual([[[10, null]]]);
  table.standDown();
  expect(told.flat().length, "all that were still followed").toBe(98);
  expect(new Set(told.flat().map(([, leader]) => leader))).toStrictEqual(new Set([null]));
});

test("replicas whose disk hangs are left behind: nothing is led any more, and the next assignments wait for none of them", async () => {
  const { table, store, service, clock } = await setUp();
  const state = (partition: number, more: Partial<typeof record>) => ({ ...record, partition, ...more });
  const replicas = (states: readonly (typeof record)[]) =>
    states.map((each) => ({ topic: "t", topicId, state: each, settings: testSettings }));
  const hung = Array.from({ length: 40 }, (_, at) => at + 1);
  await table.assign(replicas([...hung, 50].map((partition) => state(partition, {}))));
  for (const partition of hung) {
    const held = store.logs.get(`t-${partition}`)?.log;
    if (held !== undefined) held.isHeld = true;
    void service.append({ topic: "t", partition }, producedBatch(), { acks: 1, timeoutMs: 60_000 });
  }
  await settled();

  let isDone = false;
  const moving = table.assign(replicas([...hung, 50].map((partition) => state(partition, { leader: 2, leaderEpoch: 6 }))));
  void moving.then(() => (isDone = true));
  expect([...table.all()].filter(({ role }) => role === "leading").map(({ identity }) => identity.partition)).toStrictEqual([0]);
  await settled();
  expect(table.findById(topicId, 50)?.role).toBe("following");
  await clock.advance(2_900);
  expect(isDone).toBe(false);
  await clock.advance(3_100);
  await moving;

  // partition 7 among them: its newest assignment counts
  await table.assign(replicas([state(50, { leaderEpoch: 7 }), state(7, { leaderEpoch: 8 })]));
  expect(table.findById(topicId, 50)?.role).toBe("leading");
  expect(table.findById(topicId, 7)?.role).toBe("none");
  const told: number[] = [];
  table.onFollowingChanged((changes) => told.push(...changes.map(({ partition }) => partition)));
  for (const partition of hung) store.logs.get(`t-${partition}`)?.log.release();
  for (let turn = 0; turn < 100 && told.length < 39; turn++) await settled();
  expect(told.toSorted((a, b) => a - b)).toStrictEqual(hung.filter((partition) => partition !== 7));
  expect(table.findById(topicId, 7)?.role).toBe("leading");
});

test("a log that hangs while it is opened is left behind, and gets the newest assignment when it is open; its deletion waits for that", async () => {
  const store = new MemoryLogStore();
  const { table, clock } = await setUp({}, {}, store);
  const open = store.open.bind(store);
  const slow = Promise.withResolvers<void>();
  store.open = async (...what) => {
    if (what[1] <= 20) await slow.promise;
    return open(...what);
  };
  const replica = (partition: number, more: Partial<typeof record> = {}) => {
    return { topic: "t", topicId, state: { ...record, partition, ...more }, settings: testSettings };
  };
  const opening = table.assign(Array.from({ length: 20 }, (_, at) => replica(at + 1)));
  await settled();
  await clock.advance(3_000);
  await opening;
  await table.assign([replica(3, { leader: 2, leaderEpoch: 6 }), replica(20, { leader: 3, leaderEpoch: 7 })]);
  let isGone = false;
  const withdrawing = table.withdraw([{ ref: { topic: "t", partition: 5 }, topicId, isDeleted: true }]).then(() => (isGone = true));
  await settled();
  expect(isGone).toBe(false);
  slow.resolve();
  await withdrawing;
  for (let turn = 0; turn < 100 && table.findById(topicId, 20)?.role !== "following"; turn++) await settled();
  const roles = [3, 4, 5, 20].map((at) => table.findById(topicId, at)?.followership()?.leader ?? table.findById(topicId, at)?.role);
  expect(roles).toStrictEqual([2, "leading", undefined, 3]);
  expect(store.logs.has("t-5")).toBe(false);
});

/** The logs of these partitions hang while they are opened, until they may go on. */
function hanging(isHung: (partition: number) => boolean) {
  const store = new MemoryLogStore();
  const open = store.open.bind(store);
  const { promise, resolve } = Promise.withResolvers<void>();
  const opened: number[] = [];
  store.open = async (...what) => {
    opened.push(what[1]);
    if (isHung(what[1])) await promise;
    return open(...what);
  };
  return { store, opened, goOn: resolve };
}

const replicasOf = (count: number, from = 1) =>
  Array.from({ length: count }, (_, at) => ({ topic: "t", topicId, state: { ...record, partition: from + at }, settings: testSettings }));

test("logs of a disk that hangs do not keep those of others from being opened, and make place when they are many", async () => {
  const { store, opened, goOn } = hanging((partition) => partition >= 1 && partition <= 300);
  const { table, clock } = await setUp({}, {}, store);
  const opening = table.assign(replicasOf(16));
  await settled();
  await clock.advance(3_000);
  await opening;
  await table.assign(replicasOf(1, 500));
  expect(table.findById(topicId, 500)?.role).toBe("leading");

  const rest = table.assign([...replicasOf(284, 17), ...replicasOf(1, 501)]);
  await settled();
  expect(opened.length, "16 at a time").toBe(2 + 16 + 16);
  for (let turn = 0; turn < 20; turn++) {
    await clock.advance(3_000);
    await settled();
  }
  await rest;
  expect(opened.length, "16 at a time beside 256 that hang").toBe(2 + 256 + 16);
  expect(table.findById(topicId, 501)).toBe(null);
  goOn();
  for (let turn = 0; turn < 1_000 && table.findById(topicId, 501)?.role !== "leading"; turn++) await settled();
  expect([...table.all()].filter(({ role }) => role === "leading")).toHaveLength(303);
});

test("a replica withdrawn before its log's turn has come is not opened, and nothing waits for it", async () => {
  const { store, opened, goOn } = hanging((partition) => partition >= 1 && partition <= 16);
  const { table, clock } = await setUp({}, {}, store);
  const opening = table.assign(replicasOf(18));
  await settled();
  await table.withdraw([{ ref: { topic: "t", partition: 17 }, topicId, isDeleted: true }]);
  await clock.advance(3_000);
  await settled();
  expect(opened).toEqual([0, ...Array.from({ length: 16 }, (_, at) => at + 1), 18]);
  expect(table.findById(topicId, 18)?.role).toBe("leading");
  await clock.advance(3_000);
  await opening;
  // it comes back
  await table.assign(replicasOf(1, 17));
  expect(table.findById(topicId, 17)?.role).toBe("leading");
  goOn();
});

test.each([
  ["a log that is not open is not opened to find out", new TooManyLogs(1)],
  ["what the disk says is logged", new Error("no such place")],
])("nothing that a removal meets on the disk holds up the update: %s", async (_, error) => {
  const store = new MemoryLogStore();
  const { table, reasons } = await setUp({}, {}, store);
  store.open = () => Promise.reject(error);
  store.setAside = () => Promise.reject(error);
  const state = { ...record, partition: 1, leader: 2, isr: [2], reassignment: { adding: [1], removing: [2] } };
  await table.assign([{ topic: "t", topicId, state, settings: testSettings }]);
  expect(reasons).toHaveLength(1);
  const removed = { topicId, isDeleted: false, removedInEpoch: 6 };
  await table.withdraw([0, 1].map((partition) => ({ ...removed, ref: { topic: "t", partition } })));
  expect([...table.all()]).toEqual([]);
});

test("a replica withdrawn while its disk hangs is not reported as one that does nothing, when the disk goes on", async () => {
  const { table, store, service, clock, health } = await setUp();
  table.start();
  const replica = (more: Partial<typeof record>) => {
    return { topic: "t", topicId, state: { ...record, partition: 1, ...more }, settings: testSettings };
  };
  await table.assign([replica({})]);
  const { log } = store.logs.get("t-1")!;
  log.isHeld = true;
  void service.append({ topic: "t", partition: 1 }, producedBatch(), { acks: 1, timeoutMs: 60_000 });
  await settled();
  const assigning = table.assign([replica({ leader: 2, leaderEpoch: 6 })]);
  await settled();
  await clock.advance(3_100);
  await assigning;
  const withdrawing = table.withdraw([{ ref: { topic: "t", partition: 1 }, topicId, isDeleted: true }]);
  await settled();
  log.release();
  await withdrawing;
  for (let second = 0; second < 15; second++) {
    await clock.advance(1_000);
    await settled();
  }
  expect(table.findById(topicId, 1)).toBe(null);
  expect(health).not.toContain("offline");
});
