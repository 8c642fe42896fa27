import { expect, test } from "vitest";
import { CatchUpTurns } from "../../../broker/partition/catch-up-turns.ts";
import { type Followed, FollowingNews } from "../../../broker/partition/following-news.ts";
import type { Reassignment } from "../../../protocol/peer/messages.ts";
import { testSettings } from "../../support/memory-log.ts";
import { testPartitionConfig } from "../../support/partition-config.ts";
import { record, setUp, topicId } from "./partition-fixture.ts";

test("newcomers have turns, in the order in which they came, and all others need none", () => {
  const turns = new CatchUpTurns(2);
  const begun = (key: string, isNewcomer = true) => turns.note(key, isNewcomer);
  expect([begun("a"), begun("b"), begun("c"), begun("d"), begun("old", false)]).toEqual([["a"], ["b"], [], [], []]);
  expect(["a", "b", "c", "d", "old"].filter((key) => turns.hasToWait(key))).toEqual(["c", "d"]);
  expect(begun("a")).toEqual([]);
  expect(begun("b", false)).toEqual(["c"]);
  // out of sync again: at the end of the queue
  expect(begun("b")).toEqual([]);
  expect(begun("d", false)).toEqual([]);
  expect(begun("a", false)).toEqual(["b"]);
});

test("who waits is told as not followed, and as followed when its turn begins", () => {
  const newcomers = new Set([0, 1, 2]);
  const followed = (partition: number) =>
    ({ topicId: "t", partition, leader: 1, isNewcomer: newcomers.has(partition) }) as unknown as Followed;
  const identity = (partition: number) => ({ topic: "t", topicId: "t", partition, key: `t-${partition}` });
  const news = new FollowingNews(({ partition }) => followed(partition), 1);
  const told: unknown[] = [];
  news.onTold((changes) => told.push(changes.map((change) => [change.partition, change.followed !== null])));
  for (const partition of [0, 1, 2, 3]) news.changed(identity(partition));
  news.tell();
  newcomers.delete(0);
  news.changed(identity(0));
  news.tell();
  expect(told).toEqual([
    [[0, true], [1, false], [2, false], [3, true]], // biome-ignore format: pairs
    [[0, true], [1, true]], // biome-ignore format: pairs
  ]);
  expect([0, 1, 2, 3].map((partition) => news.isFetched(identity(partition)))).toEqual([true, true, false, true]);
});

test("replicas that are given up do not hold the turns of those that are added", async () => {
  const { table } = await setUp();
  const replica = (partition: number, reassignment: Reassignment) => {
    const state = { ...record, partition, leader: 2, isr: [2], replicas: [3, 2, 1], reassignment };
    return { topic: "t", topicId, state, settings: testSettings };
  };
  const givenUp = Array.from({ length: testPartitionConfig.reassignedAtOnceMax + 1 }, (_, at) => at + 1);
  const added = givenUp.length + 1;
  const assigned = givenUp.map((partition) => replica(partition, { adding: [3, 1], removing: [1] }));
  await table.assign([...assigned, replica(added, { adding: [3, 1], removing: [2] })]);
  expect(table.following().map(({ partition }) => partition)).toEqual([...givenUp, added]);
});
