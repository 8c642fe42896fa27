import { expect, test } from "vitest";
import { Handed } from "../../chaos/clients/handed.ts";
import type { Event } from "../../chaos/history/events.ts";
import type { History } from "../../chaos/history/history.ts";
import { Progress } from "../../chaos/watch/progress.ts";
import { handed, read } from "./made-up.ts";

const orders = (partition: number) => ({ topic: "orders", partition });

function member() {
  const told: string[] = [];
  const add = (event: object) => {
    const { partition, from, to } = event as { partition: number; from: number; to: number };
    told.push(`${partition}: ${from} to ${to}`);
  };
  const history = { add } as Pick<History, "add">;
  const handedOut = new Handed({ group: "g", topic: "orders", history }, "a.1");
  const batch = (partition: number, ...offsets: number[]) =>
    handedOut.add({ partition, records: offsets.map((offset) => ({ offset })) as never });
  return { told, handedOut, batch };
}

test("what a member was handed is told of together where it follows, and committed once", () => {
  const { told, handedOut, batch } = member();
  batch(0, 0, 1);
  batch(0, 2);
  batch(1, 7);
  expect(told).toEqual([]);
  expect(handedOut.positions()).toEqual([
    { ...orders(0), offset: 3 },
    { ...orders(1), offset: 8 },
  ]);
  expect(told).toEqual(["0: 0 to 3", "1: 7 to 8"]);
  expect(handedOut.positions()).toEqual([]);
});

test("what does not follow is told of by itself", () => {
  const { told, handedOut, batch } = member();
  batch(0, 5);
  batch(0, 2);
  handedOut.tell();
  expect(told).toEqual(["0: 5 to 6", "0: 2 to 3"]);
});

test("what a member has not committed when it gives a partition up it does not commit later", () => {
  const { told, handedOut, batch } = member();
  batch(0, 5);
  batch(1, 5);
  handedOut.leave([orders(0)]);
  expect(told).toEqual(["0: 5 to 6", "1: 5 to 6"]);
  expect(handedOut.positions()).toEqual([{ ...orders(1), offset: 6 }]);
});

test("readers and groups have got as far as the history tells", () => {
  let hear: (event: Event) => void = () => {};
  const progress = new Progress({ listen: (listener) => (hear = listener) });
  const ends = new Map([[0, 4]]);
  expect(progress.hasReached("g", ends)).toBe(false);
  for (const event of [handed("a", 0, 3, 1), handed("b", 0, 2, 2), read("live", 3, "w/0/3")]) hear(event);
  expect(progress.of("g")).toEqual(new Map([[0, 3]]));
  expect(progress.hasReached("live", ends)).toBe(true);
  expect(progress.hasReached("g", ends)).toBe(false);
  hear(handed("a", 3, 4, 4));
  expect(progress.hasReached("g", ends)).toBe(true);
});
