import { describe, expect, test } from "vitest";
import { emptyState, withBrokers, withOfflineReplicas, withShuttingDown, withTopic } from "../../../broker/controller/controller-state.ts";
import {
  electAnyone,
  firstState,
  leave,
  namesEarlierLife,
  prefer,
  repair,
  standingOf,
  withOutlived,
} from "../../../broker/controller/elections.ts";
import type { PartitionRecord } from "../../../protocol/peer/messages.ts";

const broker = (id: number, epoch: number) => ({ id, epoch, rack: null, endpoints: [], peer: { host: `b${id}`, port: 1 } });

/** Registrations by broker, and for those that began after an unclean stop the one they began under. */
function lives(registered: Readonly<Record<number, number>>, recovered: Readonly<Record<number, number>> = {}) {
  const brokers = new Map(Object.entries(registered).map(([id, epoch]) => [Number(id), broker(Number(id), epoch)]));
  return withBrokers(emptyState, brokers, new Map(Object.entries(recovered).map(([id, epoch]) => [Number(id), epoch])));
}

const record: PartitionRecord = {
  partition: 0,
  leader: 1,
  leaderEpoch: 5,
  isr: [1, 2, 3],
  isrEpochs: { 1: 101, 2: 102, 3: 103 },
  replicas: [1, 2, 3],
  stateVersion: 7,
  leaderRecovering: false,
};
const topic = { name: "t", id: "t-id", version: 0, partitions: [record], config: {} };
const decide = (decision: ReturnType<typeof repair>, now: ReturnType<typeof lives>, changed: Partial<PartitionRecord> = {}) =>
  decision(withTopic(now, topic), topic, { ...record, ...changed });
const clean = repair(() => false);

describe("what a place in the in-sync set is worth", () => {
  test.each([
    ["under the same registration", lives({ 2: 102 }), "same-life"],
    ["under one that the controller has not seen yet", lives({ 2: 90 }), "same-life"],
    ["of a broker that is away", lives({}), "same-life"],
    ["of one that lost only its session", lives({ 2: 200 }), "whole"],
    ["of one whose process, begun after an unclean stop, was the same then", lives({ 2: 200 }, { 2: 102 }), "whole"],
    ["of one that began again after an unclean stop", lives({ 2: 200 }, { 2: 200 }), "in-doubt"],
    ["of one that did so, and lost its session since", lives({ 2: 300 }, { 2: 200 }), "in-doubt"],
  ] as const)("%s", (_, now, standing) => {
    expect(standingOf(now, record, 2)).toBe(standing);
    expect(namesEarlierLife(now, record)).toBe(standing !== "same-life");
  });

  test("nothing, if the leader's write came after the new life began (KIP-903)", () => {
    const now = lives({ 1: 101, 2: 200 }, { 2: 200 });
    const standing = (modifiedZxid: number, known: PartitionRecord | null) =>
      standingOf(now, { isrEpochs: withOutlived(now, record, modifiedZxid, known) }, 2);
    expect(standing(201, null)).toBe("outlived");
    expect(standing(199, null)).toBe("in-doubt");
    // the controller went by a set without it: it never held the new life against it
    expect(standing(199, { ...record, isr: [1, 3] })).toBe("outlived");
    expect(standing(199, { ...record, isr: [1, 3], leaderEpoch: 4 })).toBe("in-doubt");
    expect(standing(199, record)).toBe("in-doubt");
  });

  test("nothing, if it was taken in though this controller knew it to be away", () => {
    const now = lives({ 1: 101, 3: 103 });
    const isrEpochs = withOutlived(now, record, 150, { ...record, isr: [1, 3] });
    expect(isrEpochs).toEqual({ 1: 101, 2: -1, 3: 103 });
    expect(withOutlived(now, record, 150, record)).toEqual(record.isrEpochs);
  });

  test("as much as the leader's own, which cannot outlive itself; and without a leader nobody does", () => {
    const now = lives({ 1: 200, 2: 201 }, { 1: 200, 2: 201 });
    expect(withOutlived(now, record, 300, null)).toEqual({ 1: 101, 2: -1, 3: 103 });
    expect(withOutlived(now, { ...record, leader: -1 }, 300, null)).toEqual(record.isrEpochs);
  });
});

describe("repair", () => {
  const all = { 1: 101, 2: 102, 3: 103 };

  test("leaves alone what is in order", () => {
    expect(decide(clean, lives(all))).toBeNull();
  });

  test("takes the leadership from one that another tool has written outside of its in-sync set", () => {
    expect(decide(clean, lives(all), { isr: [2, 3] })).toMatchObject({ leader: 2, isr: [2, 3], leaderEpoch: 6 });
    expect(decide(clean, lives({ 1: 101 }), { isr: [2] })).toMatchObject({ leader: -1, isr: [2], leaderEpoch: 6 });
    expect(decide(clean, lives(all), { isr: [] })).toMatchObject({ leader: -1, isr: [], leaderEpoch: 6 });
  });

  test("keeps who only lost its session in sync, in its new life and under the same leader epoch", () => {
    expect(decide(clean, lives({ ...all, 2: 200 }))).toEqual({ ...record, isrEpochs: { ...all, 2: 200 } });
  });

  test("takes out who may have lost records, under the same leader epoch", () => {
    expect(decide(clean, lives({ ...all, 2: 200 }, { 2: 200 }))).toEqual({ ...record, isr: [1, 3], isrEpochs: { 1: 101, 3: 103 } });
  });

  test("leaves it to the leader to take out who is dead, going, or without its replica: it may be dead itself, and they may come back whole", () => {
    expect(decide(clean, lives({ 1: 101, 3: 103 }))).toBeNull();
    expect(decide(clean, withShuttingDown(lives(all), [2]))).toBeNull();
    const replicas = new Map([["t-id:0", { topicId: "t-id", partition: 0, reason: "a disk" }]]);
    expect(decide(clean, withOfflineReplicas(lives(all), 2, { sequence: 0, replicas }))).toBeNull();
    // the leader's session has ended, too: what came back with all it had leads
    const nobody = decide(clean, lives({}));
    expect(nobody).toMatchObject({ leader: -1, isr: [1, 2, 3] });
    expect(decide(clean, lives({ 2: 202 }), nobody ?? {})).toMatchObject({ leader: 2, leaderRecovering: false });
  });

  test("under another leader, brokers that live stay in sync until that one takes them out", () => {
    const replicas = new Map([["t-id:0", { topicId: "t-id", partition: 0, reason: "a disk" }]]);
    const failed = withOfflineReplicas(lives(all), 1, { sequence: 0, replicas });
    expect(decide(clean, failed)).toMatchObject({ leader: 2, leaderEpoch: 6, isr: [1, 2, 3] });
    const going = withShuttingDown(lives({ 1: 101, 2: 102 }), [1]);
    expect(decide(leave(1), going)).toMatchObject({ leader: 2, leaderEpoch: 6, isr: [1, 2] });
    expect(decide(leave(2), withShuttingDown(lives(all), [2])), "a follower").toBeNull();
    expect(decide(leave(1), withShuttingDown(lives({ 1: 101 }), [1])), "nobody else lives").toBeNull();
  });

  test("a leader that registered again does not lead on in its epoch: one that was never away follows it, else it does itself", () => {
    const next = { leaderEpoch: 6, isr: [1, 2, 3], isrEpochs: { ...all, 1: 200 }, leaderRecovering: false };
    expect(decide(clean, lives({ ...all, 1: 200 }))).toMatchObject({ ...next, leader: 2 });
    expect(decide(clean, lives({ 1: 200 }), { isr: [1] })).toMatchObject({ ...next, leader: 1, isr: [1], isrEpochs: { 1: 200 } });
  });

  test("whoever kept all it had leads before those that may not, whatever the order of the assignment", () => {
    const now = lives({ 1: 201, 2: 202, 3: 203 }, { 1: 201, 2: 202 });
    expect(decide(clean, now)).toMatchObject({ leader: 3, leaderEpoch: 6, isr: [3], isrEpochs: { 3: 203 }, leaderRecovering: false });
  });

  test("where all may have lost records, the first leads and the election counts as unclean", () => {
    const now = lives({ 1: 201, 2: 202, 3: 203 }, { 1: 201, 2: 202, 3: 203 });
    expect(decide(clean, now)).toMatchObject({ leader: 1, isr: [1], isrEpochs: { 1: 201 }, leaderRecovering: true });
    expect(decide(clean, now, { replicas: [1], isr: [1] })).toMatchObject({ leader: 1, isr: [1], leaderRecovering: false });
  });

  test("who was outlived is not elected, and not remembered while nobody leads", () => {
    const now = lives({ 2: 200 }, { 2: 200 });
    const late = { isr: [1, 2], isrEpochs: { 1: 101, 2: -1 } };
    expect(decide(clean, now, late)).toMatchObject({ leader: -1, leaderEpoch: 6, isr: [1], isrEpochs: { 1: 101 } });
    expect(
      decide(
        repair(() => true),
        now,
        late,
      ),
    ).toMatchObject({ leader: 2, isr: [2], isrEpochs: { 2: 200 }, leaderRecovering: true });
    expect(decide(clean, lives({ 1: 101, 2: 200 }, { 2: 200 }), late)).toMatchObject({ leader: 1, leaderEpoch: 5, isr: [1] });
  });

  test("members that are away are remembered in the life in which they were taken in, while nobody leads", () => {
    expect(decide(clean, lives({}))).toMatchObject({ leader: -1, isr: [1, 2, 3], isrEpochs: all });
    // and in doubt when they come back: the last resort
    expect(decide(clean, lives({ 3: 300 }, { 3: 300 }), { leader: -1 })).toMatchObject({ leader: 3, isr: [3], leaderRecovering: true });
    expect(decide(clean, lives({ 3: 300 }), { leader: -1 })).toMatchObject({ leader: 3, isr: [3], leaderRecovering: false });
  });
});

test("no other election takes who may have lost records for in sync", () => {
  const now = lives({ 1: 201, 2: 102, 3: 103 }, { 1: 201 });
  const led = { leader: 2, isr: [1, 2], isrEpochs: { 1: 101, 2: 102 } };
  expect(decide(prefer, now, led)).toBeNull();
  expect(decide(leave(2), now, led)).toBeNull();
  expect(decide(prefer, lives({ 1: 201, 2: 102, 3: 103 }), led)).toMatchObject({ leader: 1, isrEpochs: { 1: 201, 2: 102 } });
  expect(decide(electAnyone, lives({ 1: 201 }, { 1: 201 }), led)).toMatchObject({ leader: 1, isr: [1], leaderRecovering: true });
});

test("a partition's first state tells the lives of all its members", () => {
  expect(firstState(lives({ 1: 101, 2: 102 }), topic, 0, [2, 1, 3])).toMatchObject({
    leader: 2,
    isr: [2, 1],
    isrEpochs: { 1: 101, 2: 102 },
  });
});
