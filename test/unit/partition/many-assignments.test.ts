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
