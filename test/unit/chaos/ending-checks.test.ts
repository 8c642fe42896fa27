import { describe, expect, test } from "vitest";
import { clientsEnd, readersReachTheEnd, readsDoNotFail } from "../../chaos/checks/endings.ts";
import { historyIsComplete } from "../../chaos/checks/records.ts";
import type { Event } from "../../chaos/history/events.ts";
import { evidence, fault, handed, log, read, write, writer } from "./made-up.ts";

const logs = [
  log(1, [
    ["w", 0],
    ["w", 1],
    ["w", 2],
  ]),
];
const written = [writer("w"), write("w", 0, 0), write("w", 1, 1), write("w", 2, 2)];
const served = [fault("begins", 100), fault("served", 200), fault("whole", 300)];
const notServed = [...served, fault("begins", 400, 2), fault("not served", 500, 2)];

describe("what a writer sent", () => {
  const sent = (count: number, partition = 0): Event => ({ kind: "sent", at: 999, writer: "w", topic: "orders", partition, count });

  test("has come to an end", () => {
    expect(historyIsComplete(evidence([...written, sent(3)]))).toEqual([]);
  });

  test("has no outcome from some number on, as where a partition is stuck", () => {
    expect(historyIsComplete(evidence([...written, sent(4)]))).toMatchObject([{ what: "orders-0: nothing is told of number 3 of w" }]);
    expect(historyIsComplete(evidence([...written, sent(53)]))).toMatchObject([
      { what: "orders-0: nothing is told of number 3 of w, nor of 49 more" },
    ]);
  });

  test("has no outcome at all", () => {
    expect(historyIsComplete(evidence([...written, sent(3), sent(2, 1), sent(0, 2)]))).toMatchObject([
      { what: "orders-1: nothing is told of number 0 of w, nor of 1 more" },
    ]);
  });
});

describe("a client that does not end in time", () => {
  const late: Event = { kind: "not-ended", at: 900, client: "w", why: "did not end within 150000 ms" };

  test("is a finding where service returned, or no fault was made", () => {
    expect(clientsEnd(evidence([...served, late]))).toMatchObject([{ what: "w: did not end within 150000 ms" }]);
    expect(clientsEnd(evidence([late]))).toHaveLength(1);
    expect(clientsEnd(evidence(served))).toEqual([]);
  });

  test("has nothing to end with where it did not", () => {
    expect(clientsEnd(evidence([...notServed, late]))).toEqual([]);
  });
});

describe("a reader", () => {
  const live: Event = { kind: "reader", at: 0, reader: "live", isGroup: false };
  const all = [read("live", 0, "w/0/0"), read("live", 1, "w/0/1"), read("live", 2, "w/0/2")];

  test("gets to the end of what is stored", () => {
    expect(readersReachTheEnd(evidence([...written, live, ...all], { logs }))).toEqual([]);
  });

  test("stops before, or does not read at all", () => {
    expect(readersReachTheEnd(evidence([...written, live, ...all.slice(0, 2)], { logs }))).toMatchObject([
      { what: "orders-0: live was handed records up to 2, and the log goes on to 3" },
    ]);
    expect(readersReachTheEnd(evidence([...written, live], { logs }))).toHaveLength(1);
    expect(readersReachTheEnd(evidence([...written, ...notServed, live], { logs }))).toEqual([]);
  });

  test("has nothing to complain of", () => {
    const failed: Event = { kind: "read-failed", at: 5, reader: "live", error: "OffsetOutOfRange: orders-0: 7 is not in the log" };
    expect(readsDoNotFail(evidence([live, ...all]))).toEqual([]);
    expect(readsDoNotFail(evidence([live, failed]))).toMatchObject([
      { what: "live was told: OffsetOutOfRange: orders-0: 7 is not in the log" },
    ]);
  });
});

describe("a group", () => {
  const group: Event = { kind: "reader", at: 0, reader: "g", isGroup: true };

  test("gets to the end, whoever of its members does", () => {
    expect(readersReachTheEnd(evidence([...written, group, handed("a", 0, 3, 5), handed("b", 1, 2, 9)], { logs }))).toEqual([]);
  });

  test("stops before, or has nobody who reads", () => {
    expect(readersReachTheEnd(evidence([...written, group, handed("a", 0, 2, 5)], { logs }))).toMatchObject([
      { what: "orders-0: group g was handed records up to 2, and the log goes on to 3", about: { group: "g" } },
    ]);
    expect(readersReachTheEnd(evidence([...written, group, read("g", 2, "w/0/2")].slice(0, -1), { logs }))).toHaveLength(1);
  });
});
