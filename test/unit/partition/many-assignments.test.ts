import { expect, test } from "vitest";
import { MemoryLogStore, testSettings } from "../../support/memory-log.ts";
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
