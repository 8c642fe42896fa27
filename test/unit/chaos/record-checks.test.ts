import { describe, expect, test } from "vitest";
import { oneValuePerOffset, readsAreDense, whatWasReadStays } from "../../chaos/checks/reads.ts";
import { acknowledgedIsPresent, historyIsComplete, idempotentIsOnce, nothingFromNowhere, orderIsKept } from "../../chaos/checks/records.ts";
import type { Event } from "../../chaos/history/events.ts";
import { evidence, fault, log, read, write, writer } from "./made-up.ts";

describe("what was acknowledged", () => {
  const events = [writer("w"), write("w", 0, 0), write("w", 1, 1), write("w", 2, null, "unknown")];

  test("is there: nothing to complain of", () => {
    const logs = [
      log(1, [
        ["w", 0],
        ["w", 1],
      ]),
    ];
    for (const check of [acknowledgedIsPresent, idempotentIsOnce, nothingFromNowhere, orderIsKept, historyIsComplete])
      expect(check(evidence(events, { logs }))).toEqual([]);
  });

  test("is missing", () => {
    expect(acknowledgedIsPresent(evidence(events, { logs: [log(1, [["w", 0]])] }))).toMatchObject([
      { what: "orders-0: w/0/1 was acknowledged and is not there", from: 100, to: 110 },
    ]);
  });

  test("is elsewhere", () => {
    const logs = [
      log(1, [
        ["w", 1],
        ["w", 0],
      ]),
    ];
    expect(acknowledgedIsPresent(evidence(events, { logs })).map(({ what }) => what)).toEqual([
      "orders-0: w/0/0 was acknowledged at 0 and is at 1",
      "orders-0: w/0/1 was acknowledged at 1 and is at 0",
    ]);
  });

  test("is missing with the whole partition", () => {
    expect(acknowledgedIsPresent(evidence(events))).toHaveLength(2);
  });
});

describe("what a leader alone acknowledged (acks=1)", () => {
  const events = [writer("one", { acks: 1, isIdempotent: false }), write("one", 0, 0), write("one", 1, 1)];
  const logs = [log(1, [["one", 0]])];

  test("may be lost where a fault follows at once", () => {
    expect(acknowledgedIsPresent(evidence([...events, fault("begins", 900), fault("whole", 2_000)], { logs }))).toEqual([]);
  });

  test("may be lost where another leads soon after", () => {
    const move = (at: number): Event => ({ kind: "leader", at, topic: "orders", partition: 0, leader: 2, epoch: 3 });
    expect(acknowledgedIsPresent(evidence([...events, move(600)], { logs }))).toEqual([]);
    expect(acknowledgedIsPresent(evidence([...events, move(50), move(2_000)], { logs }))).toHaveLength(1);
  });

  test("is missing, and there was no fault near", () => {
    expect(acknowledgedIsPresent(evidence([...events, fault("begins", 5_000), fault("whole", 9_000)], { logs }))).toHaveLength(1);
  });
});

describe("a record that is there twice", () => {
  const logs = [
    log(1, [
      ["w", 0],
      ["w", 1],
      ["w", 0],
    ]),
  ];

  test("of an idempotent producer", () => {
    const found = idempotentIsOnce(evidence([writer("w"), write("w", 0, 0), write("w", 1, 1)], { logs }));
    expect(found).toMatchObject([{ what: "orders-0: w/0/0 is there 2 times: at 0, 2" }]);
  });

  test("of an idempotent producer, which was told of a failure", () => {
    expect(idempotentIsOnce(evidence([writer("w"), write("w", 0, null, "unknown"), write("w", 1, 1)], { logs }))).toHaveLength(1);
  });

  test("of one that is not", () => {
    const plain = writer("w", { isIdempotent: false });
    expect(idempotentIsOnce(evidence([plain, write("w", 0, 0), write("w", 1, 1)], { logs }))).toEqual([]);
  });
});

test("a record that nobody sent", () => {
  const found = nothingFromNowhere(
    evidence([writer("w"), write("w", 0, 0)], {
      logs: [
        log(1, [
          ["w", 0],
          ["w", 7],
        ]),
      ],
    }),
  );
  expect(found).toMatchObject([{ what: "orders-0: w/0/7 at 1 was not sent there" }]);
});

test("an acknowledged record that overtook another", () => {
  const events = [writer("w"), write("w", 0, null), write("w", 1, null)];
  expect(
    orderIsKept(
      evidence(events, {
        logs: [
          log(1, [
            ["w", 1],
            ["w", 0],
          ]),
        ],
      }),
    ),
  ).toMatchObject([{ what: "orders-0: w/0/1 is at 0, and w/0/0, sent before it, at 1" }]);
  const givenUp = [writer("w"), write("w", 0, null, "unknown"), write("w", 1, null)];
  expect(
    orderIsKept(
      evidence(givenUp, {
        logs: [
          log(1, [
            ["w", 1],
            ["w", 0],
          ]),
        ],
      }),
    ),
  ).toEqual([]);
});

test("a history with a hole in it", () => {
  expect(historyIsComplete(evidence([writer("w"), write("w", 0, 0), write("w", 2, 2)]))).toMatchObject([
    { what: "orders-0: nothing is told of number 1 of w" },
  ]);
});

describe("an offset with two values", () => {
  test("for two readers", () => {
    expect(oneValuePerOffset(evidence([read("a", 0, "w/0/0", 10), read("b", 0, "w/0/1", 50)]))).toMatchObject([{ from: 10, to: 50 }]);
  });

  test("for a reader and the files", () => {
    expect(oneValuePerOffset(evidence([read("a", 0, "w/0/0")], { logs: [log(2, [["w", 1]])] }))).toHaveLength(1);
  });

  test("for nobody", () => {
    const logs = [log(2, [["w", 0]])];
    expect(oneValuePerOffset(evidence([read("a", 0, "w/0/0"), read("b", 0, "w/0/0")], { logs }))).toEqual([]);
  });
});

test("what a consumer saw is gone", () => {
  const logs = [log(1, [["w", 0]])];
  expect(whatWasReadStays(evidence([read("a", 0, "w/0/0"), read("a", 1, "w/0/1")], { logs }))).toMatchObject([
    { what: "orders-0: a read w/0/1 at 1, which is gone" },
  ]);
});

test("a reader is handed an offset twice, or one is left out", () => {
  expect(readsAreDense(evidence([read("a", 0, "x", 1), read("a", 1, "y", 2), read("b", 0, "x", 3)]))).toEqual([]);
  expect(readsAreDense(evidence([read("a", 0, "x", 1), read("a", 0, "x", 2)]))).toHaveLength(1);
  expect(readsAreDense(evidence([read("a", 0, "x", 1), read("a", 2, "z", 2)]))).toHaveLength(1);
  expect(readsAreDense(evidence([read("a", 1, "y", 1)]))).toHaveLength(1);
});
