import { describe, expect, test } from "vitest";
import { checkProcessed, type Outcome, TransactionHistory } from "../../support/transaction-checker.ts";

const read = (...values: string[]) => values.map((value, offset) => ({ offset, value }));

function ran(history: TransactionHistory, outcome: Outcome, values: Record<string, string[]>, life = 0): void {
  const transaction = history.begin("pay", life);
  for (const [partition, each] of Object.entries(values)) for (const value of each) transaction.sent.push({ partition, value });
  transaction.outcome = outcome;
}

describe("the checker of transactions", () => {
  test("has nothing to say when what was committed is there, whole, once and in order", () => {
    const history = new TransactionHistory();
    ran(history, "committed", { p: ["a", "b"], q: ["c"] });
    ran(history, "aborted", { p: ["x"] });
    ran(history, "unknown", { p: ["d"], q: ["e"] });
    ran(history, "unknown", { p: ["y"] });
    ran(history, "committed", { p: ["f"] }, 1);
    const reads = new Map([
      ["p", read("a", "b", "plain", "d", "f")],
      ["q", read("c", "e")],
    ]);
    expect(history.check(reads, new Set(["plain"]))).toEqual([]);
  });

  test.each([
    ["lost", "committed", { p: ["a", "b"] }, ["a"], /was committed, and b is not there/],
    ["read though aborted", "aborted", { p: ["a"] }, ["a"], /was aborted, and a is there/],
    ["torn", "unknown", { p: ["a", "b"] }, ["b"], /is torn: b is there, a is not/],
    ["read while open", "open", { p: ["a"] }, ["a"], /never ended, and a is there/],
    ["doubled", "committed", { p: ["a"] }, ["a", "a"], /a is there twice, at 0 and 1/],
    ["from nowhere", "committed", { p: [] }, ["z"], /z was never sent/],
    ["out of order", "committed", { p: ["a", "b"] }, ["b", "a"], /a of .* comes after b/],
    ["in another partition", "committed", { q: ["a"] }, ["a"], /a was sent to q/],
  ] as const)("finds what is %s", (_, outcome, values, readBack, said) => {
    const history = new TransactionHistory();
    ran(history, outcome, values as unknown as Record<string, string[]>);
    expect(history.check(new Map([["p", read(...readBack)]])).join("\n")).toMatch(said);
  });

  test("finds a transaction of a fenced life behind one of the next life", () => {
    const history = new TransactionHistory();
    ran(history, "committed", { p: ["old"] }, 0);
    ran(history, "committed", { p: ["new"] }, 1);
    expect(history.check(new Map([["p", read("new", "old")]])).join()).toMatch(/old of .* life 0 comes after new/);
  });
});

test("the checker of consume, process, produce counts outputs against what was committed", () => {
  const outputOf = (input: string) => `${input}!`;
  expect(checkProcessed(read("a", "b", "c"), 2, ["a!", "b!"], outputOf)).toEqual([]);
  expect(checkProcessed(read("a", "b", "c"), 2, ["a!", "a!", "c!", "q"], outputOf)).toEqual([
    "input a at 0, committed, has 2 outputs",
    "input b at 1, committed, has 0 outputs",
    "input c at 2, not committed, has 1 outputs",
    "output q is of no input",
  ]);
});
