import { describe, expect, test } from "vitest";
import {
  endsAreAsDemanded,
  memoryIsBounded,
  noAlarms,
  noErrorStorm,
  replicasAreIdentical,
  viewsAgree,
} from "../../chaos/checks/cluster.ts";
import { nothingOfDeletedTopics, topicsAreAsAnswered } from "../../chaos/checks/topics.ts";
import type { AdminEvent, Event, ProcessEndedEvent } from "../../chaos/history/events.ts";
import { evidence, log, view } from "./made-up.ts";

test("replicas that differ, and files that are not sound", () => {
  const same = [log(1, [["w", 0]]), log(2, [["w", 0]])];
  expect(replicasAreIdentical(evidence([], { logs: same }))).toEqual([]);
  expect(replicasAreIdentical(evidence([], { logs: [...same, log(3, [["w", 1]])] }))).toMatchObject([{ check: "replicas are identical" }]);
  const torn = { ...log(3, [["w", 0]]), problems: ["at byte 7 of 9 there is no whole batch"] };
  expect(replicasAreIdentical(evidence([], { logs: [...same, torn] }))).toMatchObject([{ check: "replicas are sound" }]);
});

test("two who tell different states", () => {
  const tree = view("ZooKeeper", { "orders-0": { leader: 1, isr: [1, 2] } });
  expect(viewsAgree(evidence([], { views: [tree, view("broker 1", { "orders-0": { leader: 1, isr: [2, 1] } })] }))).toEqual([]);
  expect(viewsAgree(evidence([], { views: [tree, view("broker 1", { "orders-0": { leader: 2, isr: [1, 2] } })] }))).toMatchObject([
    { what: "orders-0: ZooKeeper says leader 1 isr 1,2, broker 1 says leader 2 isr 1,2" },
  ]);
  expect(viewsAgree(evidence([], { views: [tree, view("broker 1", {})] }))).toHaveLength(1);
  expect(viewsAgree(evidence([], { views: [view("broker 1", {}), tree] }))).toHaveLength(1);
});

describe("a process that ended", () => {
  type End = Pick<ProcessEndedEvent, "demand" | "code" | "signal" | "wasForced" | "isAllowed">;
  const found = (end: Partial<End>) => {
    const sound: End = { demand: "stop", code: 0, signal: null, wasForced: false, isAllowed: false };
    return endsAreAsDemanded(evidence([{ kind: "ended", at: 5, process: "broker-1", ...sound, ...end }])).map(({ what }) => what);
  };

  test("as it was told to", () => {
    expect(found({})).toEqual([]);
    expect(found({ demand: "be killed", code: null, signal: "SIGKILL" })).toEqual([]);
    expect(found({ demand: "be killed" })).toEqual([]);
  });

  test("and nobody had asked it to", () => {
    expect(found({ demand: "go on", code: 70 })).toEqual(["broker-1 ended by itself: exit code 70"]);
    expect(found({ demand: "go on" })).toEqual(["broker-1 ended by itself: exit code 0"]);
  });

  test("while it stopped, of something else", () => {
    expect(found({ code: 70 })).toEqual(["broker-1 was told to stop, and ended with exit code 70"]);
    expect(found({ code: null, signal: "SIGSEGV" })).toEqual(["broker-1 was told to stop, and ended with SIGSEGV"]);
    expect(found({ demand: "be killed", code: 70 })).toEqual(["broker-1 was to be killed, and had ended with exit code 70"]);
  });

  test("by force, for it did not stop", () => {
    const forced = { code: null, signal: "SIGKILL", wasForced: true };
    expect(found(forced)).toEqual(["broker-1 was told to stop, did not, and had to be killed"]);
  });

  test("and the fault under way explains it", () => {
    expect(found({ demand: "go on", code: 1, isAllowed: true })).toEqual([]);
    expect(found({ code: null, signal: "SIGKILL", wasForced: true, isAllowed: true })).toEqual([]);
  });
});

const sample = (at: number, residentBytes: number, logLines: number, alarms = 0): Event => ({
  kind: "sample",
  at,
  process: "broker-1",
  residentBytes,
  logLines,
  alarms,
});

test("a broker that takes too much memory", () => {
  expect(memoryIsBounded(evidence([sample(0, 999, 0)]))).toEqual([]);
  expect(memoryIsBounded(evidence([sample(0, 999, 0), sample(1, 2_000, 0)]))).toHaveLength(1);
});

test("a broker that does not stop complaining", () => {
  const storm = Array.from({ length: 20 }, (_, at) => sample(at * 1_000, 1, 6));
  expect(noErrorStorm(evidence(storm))).toMatchObject([{ what: "broker-1 wrote 60 lines to its log in 10000 ms, 5 a second are allowed" }]);
  const burst = Array.from({ length: 20 }, (_, at) => sample(at * 1_000, 1, at === 7 ? 49 : 0));
  expect(noErrorStorm(evidence(burst))).toEqual([]);
});

test("a broker that reports a broken rule", () => {
  expect(noAlarms(evidence([sample(0, 1, 3)]))).toEqual([]);
  expect(noAlarms(evidence([sample(0, 1, 3, 1)]))).toHaveLength(1);
});

const admin = (at: number, change: Partial<AdminEvent>): AdminEvent => ({
  kind: "admin",
  at,
  sentAt: at - 1,
  topic: "side",
  operation: "create",
  incarnation: 1,
  partitions: 2,
  outcome: "done",
  ...change,
});

test("a topic that is not what was answered", () => {
  const state = { leader: 1, isr: [1] };
  const [one, two] = [view("ZooKeeper", { "side-0": state }), view("ZooKeeper", { "side-0": state, "side-1": state })];
  expect(topicsAreAsAnswered(evidence([admin(1, {})], { views: [two] }))).toEqual([]);
  expect(topicsAreAsAnswered(evidence([admin(1, {})], { views: [one] }))).toHaveLength(1);
  expect(topicsAreAsAnswered(evidence([admin(1, {}), admin(2, { operation: "delete", partitions: 0 })], { views: [two] }))).toHaveLength(1);
  expect(topicsAreAsAnswered(evidence([admin(1, {}), admin(2, { operation: "delete", outcome: "unknown" })], { views: [two] }))).toEqual(
    [],
  );
});

test("a topic with records of the one that was deleted", () => {
  const events = [admin(1, {}), admin(2, { operation: "delete" }), admin(3, { incarnation: 2 })];
  const side = (name: string) => ({ ...log(1, [[name, 0]]), topic: "side" });
  expect(nothingOfDeletedTopics(evidence(events, { logs: [side("side#2")] }))).toEqual([]);
  expect(nothingOfDeletedTopics(evidence(events, { logs: [side("side#1")] }))).toHaveLength(1);
});
