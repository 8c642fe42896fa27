import { describe, expect, test } from "vitest";
import { copyingMs, planMoves } from "../../../placement/plan.ts";
import { broker, carriedOut, copyMoves, partition, planned } from "./clusters.ts";

const three = [broker(1), broker(2), broker(3)];
const balance = { kind: "balance" } as const;

describe("a plan by number of copies", () => {
  test("a new broker gets its share, of the smallest partitions", () => {
    const partitions = [partition("a-0", [1], 500), partition("a-1", [1], 5), partition("b-0", [2], 500), partition("b-1", [2], 400)];
    const plan = planned({ brokers: three, partitions, goal: balance, by: "replicas" });
    expect(copyMoves(plan)).toEqual([{ topic: "a", partition: 1, from: [1], to: [3], adding: [3], removing: [1], bytes: 5 }]);
    expect(plan.bytes).toBe(5);
    expect(plan.after.map(({ broker, replicas, bytes }) => [broker, replicas, bytes])).toEqual([
      [1, 1, 500],
      [2, 2, 900],
      [3, 1, 5],
    ]);
  });

  test("two copies on one rack are moved apart, the smaller way", () => {
    const brokers = [broker(1, { rack: "a" }), broker(2, { rack: "a" }), broker(3, { rack: "b" })];
    const plan = planned({ brokers, partitions: [partition("a-0", [1, 2], 10)], goal: balance, by: "replicas" });
    expect(plan.moves).toEqual([{ topic: "a", partition: 0, from: [1, 2], to: [1, 3], adding: [3], removing: [2], bytes: 10 }]);
  });

  test("copies go over a third broker where racks allow no direct way", () => {
    // 1 has all, 4 none; a-0 and a-1 have a copy on the rack of 4, which must make room first
    const brokers = [broker(1, { rack: "a" }), broker(2, { rack: "a" }), broker(3, { rack: "b" }), broker(4, { rack: "b" })];
    const partitions = [
      partition("a-0", [1, 3], 10),
      partition("a-1", [1, 3], 20),
      partition("a-2", [1, 3], 30),
      partition("a-3", [2, 3], 40),
    ];
    const plan = planned({ brokers, partitions, goal: balance, by: "replicas" });
    expect(plan.after.map(({ replicas }) => replicas)).toEqual([2, 2, 2, 2]);
    expect(plan.bytes).toBe(10 + 10 + 20);
  });

  test("preferred leaders are even, and no copy moves for that", () => {
    const partitions = [0, 1, 2].map((number) => partition(`a-${number}`, [1, 2, 3], 10));
    const plan = planned({ brokers: three, partitions, goal: balance, by: "replicas" });
    expect(copyMoves(plan)).toEqual([]);
    expect(plan.bytes).toBe(0);
    expect(plan.moves.map(({ to }) => to[0]).sort()).toEqual([2, 3]);
    expect(plan.after.map(({ leaders }) => leaders)).toEqual([1, 1, 1]);
  });
});

describe("a plan by bytes", () => {
  test("brokers have as many bytes, within a tenth", () => {
    const partitions = [90, 60, 50, 40, 30, 30].map((bytes, number) => partition(`a-${number}`, [1], bytes));
    const plan = planned({ brokers: three, partitions, goal: balance, by: "bytes" });
    for (const { bytes } of plan.after) expect(bytes).toBeGreaterThanOrEqual(90);
    for (const { bytes } of plan.after) expect(bytes).toBeLessThanOrEqual(110);
    expect(plan.bytes).toBeLessThanOrEqual(210);
  });

  test("large copies are not sent round for the little by which they differ", () => {
    const four = [1, 2, 3, 4].map((id) => broker(id));
    const large = [partition("a-0", [2, 3], 303), partition("a-1", [3, 1], 306), partition("a-2", [1, 2], 309)];
    const plan = planned({ brokers: four, partitions: large, goal: balance, by: "bytes" });
    expect(copyMoves(plan)).toHaveLength(1);
    expect(plan.bytes).toBeLessThanOrEqual(309);
  });

  test("where there are no bytes yet, copies are spread by number", () => {
    const partitions = Array.from({ length: 6 }, (_, number) => partition(`a-${number}`, [1]));
    const plan = planned({ brokers: three, partitions, goal: balance, by: "bytes" });
    expect(plan.after.map(({ replicas }) => replicas)).toEqual([2, 2, 2]);
  });

  test("a disk is not filled beyond its room", () => {
    const brokers = [broker(1), broker(2, { roomBytes: 15 })];
    const partitions = [partition("a-0", [1], 20), partition("a-1", [1], 20), partition("a-2", [1], 10)];
    const plan = planned({ brokers, partitions, goal: balance, by: "bytes" });
    expect(plan.moves.map(({ topic, partition }) => `${topic}-${partition}`)).toEqual(["a-2"]);
    expect(plan.overfull).toEqual([]);
  });

  test("a disk without room for what must go there is named", () => {
    const brokers = [broker(1, { mayHold: false }), broker(2, { roomBytes: 15 })];
    const plan = planned({ brokers, partitions: [partition("a-0", [1], 20)], goal: { kind: "drain" }, by: "bytes" });
    expect(plan.overfull).toEqual([2]);
  });
});

test("by traffic, what is written most is spread, of what is smallest", () => {
  const partitions = [
    partition("big-0", [1], 1000, { traffic: 50 }),
    partition("small-0", [1], 10, { traffic: 50 }),
    partition("idle-0", [1], 5, { traffic: 0 }),
  ];
  const plan = planned({ brokers: [broker(1), broker(2)], partitions, goal: balance, by: "traffic" });
  expect(plan.moves.map(({ topic }) => topic)).toEqual(["small"]);
  expect(plan.after.map(({ traffic }) => traffic)).toEqual([50, 50]);
});

describe("what cannot move", () => {
  test("a partition without a leader stays, and is named", () => {
    const partitions = [partition("a-0", [1], 10, { leader: -1 }), partition("a-1", [1], 10)];
    const plan = planned({ brokers: [broker(1, { mayHold: false }), broker(2)], partitions, goal: { kind: "drain" }, by: "bytes" });
    expect(plan.leaderless).toEqual([{ topic: "a", partition: 0 }]);
    expect(plan.moves.map(({ partition }) => partition)).toEqual([1]);
  });

  test("more copies than brokers are refused, with the reason", () => {
    const partitions = [partition("a-0", [1, 2, 3], 10)];
    const brokers = [broker(1), broker(2), broker(3, { mayHold: false })];
    expect(planMoves({ brokers, partitions, goal: { kind: "drain" }, by: "bytes" })).toEqual({
      refused: "a-0 is to have 3 copies, and only 2 brokers may have one",
    });
    expect(planMoves({ brokers: [], partitions, goal: balance, by: "bytes" })).toEqual({
      refused: "no broker is left that may have copies",
    });
  });
});

describe("a broker is drained", () => {
  const brokers = [broker(1, { mayHold: false }), broker(2), broker(3), broker(4)];

  test("what it has goes to where least is, and who leads next has the records already", () => {
    const partitions = [partition("a-0", [1, 2, 3], 100), partition("a-1", [2, 1, 4], 10), partition("a-2", [2, 3, 4], 1)];
    const plan = planned({ brokers, partitions, goal: { kind: "drain" }, by: "bytes" });
    expect(plan.moves.map(({ partition, to }) => [partition, to])).toEqual([
      [0, [3, 2, 4]],
      [1, [2, 4, 3]],
    ]);
    expect(plan.bytes).toBe(110);
  });

  test("copies on a broker that is away stay its own", () => {
    const plan = planned({ brokers, partitions: [partition("a-0", [1, 9], 10, { leader: 1 })], goal: { kind: "drain" }, by: "bytes" });
    expect(plan.moves.map(({ to, removing }) => [to.includes(9), removing])).toEqual([[true, [1]]]);
  });
});

describe("a topic gets another number of copies", () => {
  const goal = (copies: number) => ({ kind: "copies", topic: "a", copies }) as const;
  const partitions = [partition("a-0", [1, 2], 100), partition("a-1", [2, 3], 10), partition("b-0", [1, 2], 7)];

  test("more: one is added to each, and none goes", () => {
    const plan = planned({ brokers: three, partitions, goal: goal(3), by: "bytes" });
    expect(plan.moves.map(({ topic, partition, from, to }) => [topic, partition, from, to])).toEqual([
      ["a", 0, [1, 2], [1, 2, 3]],
      ["a", 1, [2, 3], [2, 3, 1]],
    ]);
    expect(plan.bytes).toBe(110);
  });

  test("fewer: the leader stays, nothing is copied, and what is away goes first", () => {
    const led = [partition("a-0", [1, 2, 3], 100, { leader: 2 }), partition("a-1", [3, 9, 1], 50)];
    const plan = planned({ brokers: three, partitions: led, goal: goal(2), by: "bytes" });
    expect(plan.bytes).toBe(0);
    const [first, second] = carriedOut(led, plan);
    expect(first!.replicas).toHaveLength(2);
    expect(first!.replicas).toContain(2);
    expect(second!.replicas).toEqual([3, 1]);
  });
});

test("how long copying takes is up to the broker with most to receive or to send", () => {
  const copying = [
    { receivesBytes: 100, sendsBytes: 10 },
    { receivesBytes: 0, sendsBytes: 250 },
  ];
  expect(copyingMs(copying, 50)).toBe(5000);
  expect(copyingMs([], 50)).toBe(0);
});
