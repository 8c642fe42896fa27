import { expect, test } from "vitest";
import { addedBrokers, failForHeld, hintsAfterGrowth, parsedSize, wantedSize } from "../../../cli/up/cluster-size.ts";

const three = { brokers: 3, port: 9092, racks: [] };

test("a local cluster is as large as is said, else as it was, else as usual", () => {
  const nothing = { brokers: null, port: null, racks: null };
  const before = { brokers: 5, port: 19092, racks: ["a", "b"] };
  expect(wantedSize(nothing, null)).toEqual(three);
  expect(wantedSize(nothing, before)).toEqual(before);
  expect(wantedSize({ ...nothing, brokers: 4 }, before)).toEqual({ ...before, brokers: 4 });
  expect(wantedSize({ ...nothing, port: 1000 }, before)).toEqual({ ...before, port: 1000 });
  expect(wantedSize({ ...nothing, racks: [] }, before)).toEqual({ ...before, racks: [] });
});

test("what a file says of a size counts when it is one", () => {
  expect(parsedSize('{"brokers":5,"port":19092}\n')).toEqual({ brokers: 5, port: 19092, racks: [] });
  expect(parsedSize('{"brokers":5,"port":19092,"racks":["a"]}')).toEqual({ brokers: 5, port: 19092, racks: ["a"] });
  for (const text of [
    "",
    "{",
    "null",
    "5",
    '{"brokers":5}',
    '{"brokers":0,"port":1}',
    '{"brokers":"3","port":1}',
    '{"brokers":3,"port":70000}',
  ])
    expect(parsedSize(text)).toBeNull();
});

test("brokers that have copies are not left out, and it is said what to do first", () => {
  const held = new Map([
    [4, 1],
    [5, 12],
    [6, 0],
  ]);
  expect(() => failForHeld(held, three, " --bootstrap h:1")).toThrow(
    "broker 4 has copies of 1 partition, broker 5 has copies of 12 partitions, and would not run any more: start it again with --brokers 5, run `ottla cluster drain 4 --bootstrap h:1` and `ottla cluster drain 5 --bootstrap h:1`, stop it, and then start it with --brokers 3",
  );
  expect(() => failForHeld(new Map([[4, 0]]), three, "")).not.toThrow();
});

test("after brokers were added it says how they get something", () => {
  const five = { ...three, brokers: 5 };
  expect(addedBrokers(five, three)).toEqual([4, 5]);
  expect([addedBrokers(five, null), addedBrokers(three, five), addedBrokers(three, three)]).toEqual([[], [], []]);
  expect(hintsAfterGrowth(five, three, " --bootstrap h:1")).toEqual([
    expect.stringMatching(/^added 4, 5, with nothing on them yet: bin\/ottla cluster rebalance --bootstrap h:1 /),
  ]);
  const [first, second] = hintsAfterGrowth({ brokers: 2 }, { ...three, brokers: 1 }, "");
  expect(first).toContain("added 2, with nothing on it yet");
  expect(second).toContain("--replication-factor 2");
  expect(hintsAfterGrowth(three, null, "")).toEqual([]);
});
