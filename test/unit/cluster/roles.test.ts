import { describe, expect, test } from "vitest";
import { type ClusterImage, emptyImage } from "../../../broker/cluster/cluster-image.ts";
import { settingsResolver } from "../../../broker/cluster/resolve-settings.ts";
import { type RoleInput, roleChanges } from "../../../broker/cluster/roles.ts";
import type { TopicState } from "../../../broker/controller/controller-state.ts";
import { partition, topicId, topicOf } from "./topics.ts";

const imageOf = (...topics: TopicState[]): ClusterImage => ({
  ...emptyImage("cluster"),
  topics: new Map(topics.map((topic) => [topic.name, topic])),
  topicNames: new Map(topics.map(({ id, name }) => [id, name])),
});

describe("roles", () => {
  const changes = (input: Partial<RoleInput> & Pick<RoleInput, "before" | "after">) =>
    roleChanges({ self: 2, full: false, local: [], resolve: settingsResolver(2, {}), ...input });

  test("only what changed, and only our own replicas, are assigned", () => {
    const [kept, changed, foreign] = [partition(0), partition(1), partition(2, { replicas: [1, 3], isr: [1] })];
    const before = imageOf({ ...topicOf("a", 1, 0), partitions: [kept, changed, foreign] });
    const next = { ...changed, leader: 2, leaderEpoch: 1 };
    const after = imageOf({ ...topicOf("a", 1, 0), partitions: [kept, next, { ...foreign, leaderEpoch: 1 }] });
    const found = changes({ before, after });
    expect(found.assign.map(({ state }) => state)).toEqual([next]);
    expect(found.withdraw).toEqual([]);
    expect(changes({ before, after, full: true }).assign).toHaveLength(2);
  });

  test("a topic re-created under its name is another topic: the old log goes, or is set aside if nobody says so, the new one comes", () => {
    const before = imageOf(topicOf("a", 1, 1));
    const after = imageOf(topicOf("a", 2, 1));
    const old = { ref: { topic: "a", partition: 0 }, topicId: topicId(1) };
    expect(changes({ before, after }).withdraw).toEqual([{ ...old, isDeleted: false }]);
    const found = changes({ before, after: { ...after, deletedTopics: new Map([[topicId(1), "a"]]) } });
    expect(found.withdraw).toEqual([{ ...old, isDeleted: true }]);
    expect(found.assign.map(({ topicId: id }) => id)).toEqual([topicId(2)]);
  });

  test("a replica's log goes with it if this broker sees its removal, under a higher leader epoch; otherwise it is set aside", () => {
    const [own] = topicOf("a", 1, 1).partitions;
    const imageWith = (leaderEpoch: number, more: object = {}) =>
      imageOf({ ...topicOf("a", 1, 1), partitions: [{ ...own!, leaderEpoch, ...more }] });
    const without = (leaderEpoch: number, removed?: readonly number[]) => imageWith(leaderEpoch, { replicas: [7, 8], removed });
    const replica = { ref: { topic: "a", partition: 0 }, topicId: topicId(1), isDeleted: false };
    const before = imageWith(4);
    expect(changes({ before, after: without(5, [2, 9]) }).withdraw).toEqual([{ ...replica, removedInEpoch: 5 }]);
    for (const after of [without(5, [9]), without(5), without(4, [2]), without(3, [2])])
      expect(changes({ before, after }).withdraw).toEqual([replica]);
    // it is one again: the record is of an earlier time
    expect(changes({ before, after: imageWith(5, { removed: [2] }) }).withdraw).toEqual([]);
  });

  test("a removal that a full update has on record was not seen, and may be of an earlier time than the log: it is set aside", () => {
    const [own] = topicOf("a", 1, 1).partitions;
    const imageWith = (more: object) => imageOf({ ...topicOf("a", 1, 1), partitions: [{ ...own!, ...more }] });
    const after = imageWith({ leaderEpoch: 8, replicas: [7, 8], removed: [2] });
    const replica = { ref: { topic: "a", partition: 0 }, topicId: topicId(1) };
    for (const before of [emptyImage("cluster"), imageWith({ leaderEpoch: 7 })])
      expect(changes({ before, after, local: [replica], full: true }).withdraw).toEqual([{ ...replica, isDeleted: false }]);
    // nobody in the image before: the log was not ours then either
    expect(changes({ before: imageWith({ leaderEpoch: 7, replicas: [7, 8] }), after, local: [replica] }).withdraw).toEqual([]);
  });

  test("after a full update, logs that nobody names are set aside, those whose deletion is on record deleted; after a change they are left alone", () => {
    const after = imageOf(topicOf("a", 1, 1));
    const stray = { ref: { topic: "gone", partition: 4 }, topicId: topicId(9) };
    const local = [stray, { ref: { topic: "a", partition: 0 }, topicId: topicId(1) }];
    expect(changes({ before: emptyImage("cluster"), after, local, full: true }).withdraw).toEqual([{ ...stray, isDeleted: false }]);
    const recorded = { ...after, deletedTopics: new Map([[topicId(9), "gone"]]) };
    expect(changes({ before: emptyImage("cluster"), after: recorded, local, full: true }).withdraw).toEqual([
      { ...stray, isDeleted: true },
    ]);
    // whatever the record says, a topic that is there is not deleted
    const inUse = { ...after, deletedTopics: new Map([[topicId(1), "a"]]) };
    expect(changes({ before: after, after: inUse, local, full: true }).withdraw).toEqual([{ ...stray, isDeleted: false }]);
    expect(changes({ before: after, after, local }).withdraw).toEqual([]);
  });

  test("settings of a topic are told when its own or the brokers' change", () => {
    const before = imageOf(topicOf("a", 1, 1), topicOf("b", 2, 1));
    const own = imageOf(topicOf("a", 1, 1, { "retention.ms": "5" }), before.topics.get("b") as TopicState);
    expect(changes({ before, after: own }).settings).toMatchObject([{ topic: "a", settings: { retentionMs: 5 } }]);
    const all = { ...before, brokerConfigs: new Map([["", { "log.retention.ms": "6" }]]) };
    expect(changes({ before, after: all }).settings.map(({ settings }) => settings.retentionMs)).toEqual([6, 6]);
  });
});
