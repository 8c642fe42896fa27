import { describe, expect, test } from "vitest";
import { keyVersions } from "../../../../broker/group/consumer/consumer-group-records.ts";
import { assigned, settle } from "./settle.ts";
import { byTopic, TestShard, topicsView } from "./test-shard.ts";

const byPattern = (memberId: string, subscribedTopicRegex: string, subscribedTopicNames: string[] | null = null) =>
  ({ memberId, memberEpoch: 0, rebalanceTimeoutMs: 60_000, topicPartitions: [], subscribedTopicNames, subscribedTopicRegex }) as const;

const patternsIn = ({ records }: TestShard) => records.filter(({ key }) => key.readInt16BE(0) === keyVersions.pattern);

describe("members that subscribe by an expression", () => {
  test("get what it matches once somebody has looked", () => {
    const shard = new TestShard({ apples: 2, apricots: 1, bananas: 1, __consumer_offsets: 1 });
    const joined = shard.heartbeat(byPattern("first", "ap.*"), 1);
    expect(joined).toMatchObject({ errorCode: "NONE", memberEpoch: 1 });
    expect(byTopic(joined.assignment)).toEqual({});
    shard.advance(100);
    const told = shard.heartbeat({ memberId: "first", memberEpoch: 1 }, 1);
    expect(told.memberEpoch).toBe(2);
    expect(byTopic(told.assignment)).toEqual({ apples: [0, 1], apricots: [0] });
    expect(shard.describe()).toMatchObject({ groupState: "Stable", members: [{ subscribedTopicRegex: "ap.*", memberType: 1 }] });
  });

  test("share it with members that name topics, and with other expressions", () => {
    const shard = new TestShard({ apples: 2, apricots: 2, bananas: 2 });
    shard.heartbeat(byPattern("all", ".*"), 1);
    shard.heartbeat(byPattern("both", "ban.*", ["apples"]), 1);
    shard.join("named", ["apricots"]);
    shard.advance(100);
    settle(shard, { all: 1, both: 2, named: 3 });
    const has = assigned(shard) as Record<string, Record<string, number[]>>;
    expect(Object.keys(has.named!)).toEqual(["apricots"]);
    expect(Object.keys(has.both!).every((topic) => ["apples", "bananas"].includes(topic))).toBe(true);
    expect(
      Object.values(has)
        .flatMap((topics) => Object.entries(topics).flatMap(([topic, of]) => of.map((p) => `${topic}-${p}`)))
        .sort(),
    ).toEqual(["apples-0", "apples-1", "apricots-0", "apricots-1", "bananas-0", "bananas-1"]);
  });

  test("get topics that are made later, and lose those that are deleted", () => {
    const shard = new TestShard({ apples: 1 });
    shard.heartbeat(byPattern("first", "ap.*"), 1);
    shard.advance(100);
    expect(byTopic(shard.heartbeat({ memberId: "first", memberEpoch: 1 }, 1).assignment)).toEqual({ apples: [0] });
    shard.changeTopics(topicsView({ apricots: 1, other: 1 }));
    shard.heartbeat({ memberId: "first", memberEpoch: 2 }, 1); // notices that topics changed
    shard.advance(1_100);
    const { first } = settle(shard, { first: shard.describe().members[0]!.memberEpoch });
    expect(assigned(shard)).toEqual({ first: { apricots: [0] } });
    expect(shard.heartbeat({ memberId: "first", memberEpoch: first! }, 1).assignment).toBeNull();
  });

  test("keep what they have while a coordinator takes over, without another look", () => {
    const shard = new TestShard({ apples: 1 });
    shard.heartbeat(byPattern("first", "ap.*"), 1);
    shard.advance(100);
    shard.heartbeat({ memberId: "first", memberEpoch: 1 }, 1);
    shard.reload();
    expect(shard.heartbeat({ memberId: "first", memberEpoch: 2 }, 1)).toMatchObject({ memberEpoch: 2, assignment: null });
    shard.advance(2_000);
    expect(shard.heartbeat({ memberId: "first", memberEpoch: 2 }, 1), "the look finds the same").toMatchObject({
      memberEpoch: 2,
      assignment: null,
    });
    expect(shard.groups.describe("readers").answer).toMatchObject({ groupEpoch: 2 });
  });

  test("a coordinator that takes over before anybody had looked looks with the next heartbeat", () => {
    const shard = new TestShard({ apples: 1 });
    shard.heartbeat(byPattern("first", "ap.*"), 1);
    shard.reload();
    shard.heartbeat({ memberId: "first", memberEpoch: 1 }, 1);
    shard.advance(100);
    expect(byTopic(shard.heartbeat({ memberId: "first", memberEpoch: 1 }, 1).assignment)).toEqual({ apples: [0] });
  });

  test("change it, drop it, and leave: what it matched is forgotten with the last one", () => {
    const shard = new TestShard({ apples: 1, bananas: 1 });
    shard.heartbeat(byPattern("first", "ap.*"), 1);
    shard.heartbeat(byPattern("second", "ap.*"), 1);
    shard.advance(100);
    let epochs = settle(shard, { first: 1, second: 2 });
    shard.heartbeat({ memberId: "second", memberEpoch: epochs.second!, subscribedTopicRegex: "ban.*" }, 1);
    expect(
      patternsIn(shard).filter(({ value }) => value === null),
      "the first one still has it",
    ).toEqual([]);
    shard.advance(2_000);
    epochs = settle(shard, epochs);
    expect(assigned(shard)).toEqual({ first: { apples: [0] }, second: { bananas: [0] } });
    shard.heartbeat({ memberId: "first", memberEpoch: epochs.first!, subscribedTopicRegex: "" }, 1);
    expect(patternsIn(shard).filter(({ value }) => value === null)).toHaveLength(1);
    settle(shard, epochs);
    expect(assigned(shard).first).toEqual({});
    shard.heartbeat({ memberId: "second", memberEpoch: -1 }, 1);
    expect(patternsIn(shard).filter(({ value }) => value === null)).toHaveLength(2);
    expect(shard.describe().members.map(({ subscribedTopicRegex }) => subscribedTopicRegex)).toEqual([null]);
  });

  test("a deleted group leaves nothing behind, and no timer", () => {
    const shard = new TestShard({ apples: 1 });
    shard.heartbeat(byPattern("first", "ap.*"), 1);
    shard.advance(100);
    shard.heartbeat({ memberId: "first", memberEpoch: -1 }, 1);
    const group = shard.book.get("readers")!;
    shard.apply({ records: group.tombstones(), answer: null });
    expect(shard.book.size).toBe(0);
    expect(shard.timerKeys).toEqual([]);
  });

  test("their topics' committed offsets are in use", () => {
    const shard = new TestShard({ apples: 1, bananas: 1 });
    shard.heartbeat(byPattern("first", "ap.*"), 1);
    shard.advance(100);
    const group = shard.book.get("readers")!;
    expect([group.isSubscribedTo("apples"), group.isSubscribedTo("bananas")]).toEqual([true, false]);
  });

  test("many topics are looked at in slices, and everybody else gets a turn between", () => {
    const shard = new TestShard(Object.fromEntries(Array.from({ length: 2_000 }, (_, n) => [`some-topic-${n}`, 1])));
    shard.heartbeat(byPattern("first", ".*-1.*"), 1);
    shard.advance(5);
    expect(patternsIn(shard), "not done yet").toEqual([]);
    shard.advance(1_000);
    expect(patternsIn(shard)).toHaveLength(1);
  });
});

describe("many groups with expressions", () => {
  test("match one after the other, a slice at a time: nobody's turn grows with their number", () => {
    const shard = new TestShard(Object.fromEntries(Array.from({ length: 200 }, (_, n) => [`some-topic-${n}`, 1])));
    const groups = 40;
    for (let group = 0; group < groups; group++)
      shard.heartbeat({ ...byPattern("first", `.*-${group}.*`), groupId: `readers-${group}` }, 1);
    let before = 0;
    for (let slice = 0; slice < 20; slice++) {
      shard.advance(6);
      const done = patternsIn(shard).length;
      expect(done - before).toBeLessThanOrEqual(2);
      before = done;
    }
    expect(before, "not all at once").toBeLessThan(groups);
    shard.advance(20_000);
    expect(patternsIn(shard)).toHaveLength(groups);
  });

  test("whose matches are refused again and again wait for a while, heartbeats or not", () => {
    const shard = new TestShard({ apples: 1 });
    shard.heartbeat(byPattern("first", "ap.*"), 1);
    let refused = 0;
    shard.refuses = (records) => {
      const isOurs = records.some(({ key }) => key.readInt16BE(0) === keyVersions.pattern);
      if (isOurs) refused++;
      return isOurs;
    };
    for (let second = 0; second < 60; second++) {
      shard.advance(1_000);
      shard.heartbeat({ memberId: "first", memberEpoch: 1 }, 1);
    }
    expect(refused).toBeGreaterThan(3);
    expect(refused).toBeLessThan(12);
    shard.refuses = () => false;
    shard.advance(40_000);
    expect(patternsIn(shard)).toHaveLength(1);
  });

  test("of one group are different by a bounded number", () => {
    const shard = new TestShard({ apples: 1 }, { membersMax: 1_000 });
    const codes = Array.from({ length: 60 }, (_, n) => shard.heartbeat(byPattern(`m${n}`, `ap.*${n}`), 1).errorCode);
    expect(codes.filter((code) => code === "NONE")).toHaveLength(50);
    expect(codes.at(-1)).toBe("INVALID_REGULAR_EXPRESSION");
    expect(shard.heartbeat(byPattern("one more", "ap.*1"), 1).errorCode, "one that others have").toBe("NONE");
  });
});

describe("requests of version 1", () => {
  test("an expression that is none is refused with the reason, and nothing is changed", () => {
    const shard = new TestShard({ apples: 1 });
    const answer = shard.heartbeat(byPattern("first", "(ap"), 1);
    expect(answer.errorCode).toBe("INVALID_REGULAR_EXPRESSION");
    expect(answer.errorMessage).toMatch(
      /^SubscribedTopicRegex `\(ap` is not a valid regular expression: error parsing regexp: missing closing \)/,
    );
    expect(shard.records).toEqual([]);
  });

  test("a long expression that is refused is not quoted at length", () => {
    const shard = new TestShard({ apples: 1 });
    const { errorCode, errorMessage } = shard.heartbeat(byPattern("first", "\\pL".repeat(1_365)), 1);
    expect(errorCode).toBe("INVALID_REGULAR_EXPRESSION");
    expect(errorMessage).toMatch(/too many Unicode classes/);
    expect(errorMessage!.length).toBeLessThan(400);
  });

  test("new expressions that are dear to compile wait when there are many, and nothing is changed", () => {
    const shard = new TestShard({ apples: 1 }, { membersMax: 1_000 });
    const join = (n: number) => shard.heartbeat(byPattern(`m${n}`, `${"a".repeat(4_000)}${n}`), 1).errorCode;
    expect([0, 1, 2, 3].map(join)).toEqual(["NONE", "NONE", "COORDINATOR_LOAD_IN_PROGRESS", "COORDINATOR_LOAD_IN_PROGRESS"]);
    expect(shard.describe().members).toHaveLength(2);
    shard.advance(200);
    expect(join(3)).toBe("NONE");
  });

  test("members make their own ids, and may subscribe to nothing", () => {
    const shard = new TestShard({ apples: 1 });
    expect(shard.heartbeat(byPattern("", ".*"), 1)).toMatchObject({
      errorCode: "INVALID_REQUEST",
      errorMessage: "MemberId can't be empty.",
    });
    expect(shard.join("first", [], {}).errorCode, "version 0").toBe("INVALID_REQUEST");
    expect(shard.heartbeat({ ...byPattern("first", ""), subscribedTopicNames: [] }, 1).errorCode).toBe("NONE");
    expect(shard.heartbeat({ ...byPattern("second", ""), subscribedTopicRegex: null }, 1)).toMatchObject({
      errorCode: "INVALID_REQUEST",
      errorMessage: "Either SubscribedTopicNames or SubscribedTopicRegex must be non-null when (re-)joining.",
    });
  });

  test("a static member that comes back by another expression takes its place", () => {
    const shard = new TestShard({ apples: 1, bananas: 1 });
    shard.heartbeat({ ...byPattern("first", "ap.*"), instanceId: "i" }, 1);
    shard.advance(100);
    const { first } = settle(shard, { first: 1 });
    shard.heartbeat({ memberId: "first", memberEpoch: -2, instanceId: "i" }, 1);
    expect(first).toBe(2);
    shard.heartbeat({ ...byPattern("again", "ban.*"), instanceId: "i" }, 1);
    shard.advance(2_000);
    settle(shard, { again: shard.describe().members[0]!.memberEpoch });
    expect(assigned(shard)).toEqual({ again: { bananas: [0] } });
  });
});
