import { describe, expect, test } from "vitest";
import { interruptionTable } from "../../chaos/report/interruption-table.ts";
import { timelinePage } from "../../chaos/report/timeline.ts";
import { windowOf } from "../../chaos/report/window.ts";
import { fault, read, write } from "./made-up.ts";

const violation = { check: "acknowledged is present", what: "w/0/7 is not there", from: 700, to: 710, about: { writer: "w", seq: 7 } };

describe("the window of a violation", () => {
  test("has what it is about, and the faults of that time, in order", () => {
    const events = [
      write("w", 6, 6),
      write("v", 7, 8),
      write("w", 7, 7),
      fault("begins", 705),
      fault("begins", 5_000, 2),
      read("r", 7, "w/0/7"),
    ];
    const told = windowOf(events, violation).map((line) => JSON.parse(line) as { kind: string; at: number });
    expect(told.map(({ kind, at }) => [kind, at])).toEqual([
      ["fault", 705],
      ["write", 710],
    ]);
  });

  test("is small, whatever there is", () => {
    const many = Array.from({ length: 10_000 }, () => write("w", 7, 7));
    expect(windowOf(many, violation).length).toBeLessThan(50);
  });
});

test("the table has a row for each kind, with what its rounds have in common", () => {
  const [head, cut, kill] = interruptionTable([
    { kind: "kill", gapsMs: [1_000, 3_000] },
    { kind: "cut", gapsMs: [] },
    { kind: "kill", gapsMs: [2_000] },
  ]);
  expect(head).toMatch(/p50 +p99 +max +count +rounds$/);
  expect(cut).toMatch(/^cut +- +- +- +0 +1$/);
  expect(kill).toMatch(/^kill +2\.00 +3\.00 +3\.00 +3 +2$/);
});

test("the page has every fault and every violation, and no markup of theirs", () => {
  const events = [write("w", 1, 1), fault("begins", 200), fault("ends", 400), fault("served", 500), fault("whole", 600), write("w", 7, 7)];
  const page = timelinePage({ title: "A & B", events, violations: [{ ...violation, what: "<b>" }] });
  expect(page).toContain("1 kill broker-1");
  expect(page).toContain("A &amp; B");
  expect(page).toContain("&lt;b&gt;");
  expect(page.match(/class="fault"/g)).toHaveLength(1);
  expect(page.match(/class="bad"/g)).toHaveLength(1);
});

test("the page of a long run", () => {
  const events = Array.from({ length: 300_000 }, (_, seq) => write("w", seq, seq));
  expect(timelinePage({ title: "long", events, violations: [] })).toContain("Every check holds.");
});
