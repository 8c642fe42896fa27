import { stripVTControlCharacters } from "node:util";
import { expect, test } from "vitest";
import { configHead, configRow } from "../../../cli/config/show-configs.ts";
import { type Look, lookOf, plainLook } from "../../../cli/output/look.ts";
import { type Cell, table } from "../../../cli/output/table.ts";
import { cutTo, widthOf } from "../../../cli/output/text-width.ts";

const terminal = (columns: number, hasColours = false): Look => ({ isTerminal: true, columns, rows: 24, hasColours });
const linesOf = (text: string) => text.trimEnd().split("\n");

test("wide characters take two cells, marks none, pictures and flags two", () => {
  const widths = ["orders", "東京", "ｱｲ", "e\u0301", "한국어", "🙂", "👩‍👩‍👧", "🇩🇪", "❤️", ""].map(widthOf);
  expect(widths).toEqual([6, 4, 2, 1, 6, 2, 2, 2, 2, 0]);
});

test("what is cut says so, keeps both ends, and never more cells than it may have", () => {
  expect(cutTo("ottla-consume-18d2d64c", 12)).toBe("ottla-…2d64c");
  expect(cutTo("ottla", 5)).toBe("ottla");
  expect(cutTo("東京大阪京都", 8)).toBe("東京…都");
  for (let columns = 1; columns < 12; columns++) expect(widthOf(cutTo("東京大阪京都", columns))).toBeLessThanOrEqual(columns);
});

test("columns stand under each other whatever the characters", () => {
  const rows: Cell[][] = [
    ["東京", 7, "x"],
    ["orders", 12, "y"],
  ];
  expect(table(["topic", "n", "state"], rows)).toBe("topic    n  state\n東京     7  x\norders  12  y\n");
});

const memberRows = Array.from({ length: 3 }, (_, i): Cell[] => [
  `a-topic-with-quite-a-long-name-${i}`,
  i,
  1_234_567,
  `ottla-consume-18d2d64c-ece2-4f82-8a21-c726c8a2692${i}`,
  `/192.168.100.10${i}`,
]);
const memberHead = ["topic", "partition", "position", "member", "host"];

test("a table fits its terminal, numbers whole and rows told apart; a pipe gets everything", () => {
  for (const columns of [60, 80, 100, 140]) {
    const lines = linesOf(table(memberHead, memberRows, terminal(columns)));
    expect(lines).toHaveLength(4);
    expect(new Set(lines).size).toBe(4);
    for (const line of lines) expect(widthOf(line), line).toBeLessThanOrEqual(columns);
    for (const line of lines.slice(1)) expect(line).toContain("1234567");
  }
  expect(table(memberHead, memberRows, terminal(140))).not.toContain("…");
  expect(linesOf(table(memberHead, memberRows, terminal(80)))[1]).toMatch(/^a-topic-with-quite-a-long-name-0 .*…/);
  expect(table(memberHead, memberRows, plainLook)).not.toContain("…");
});

test("where columns have no room each row becomes lines", () => {
  const lines = linesOf(table(memberHead, memberRows.slice(0, 1), terminal(30)));
  expect(lines.map((line) => line.split(/ {2,}/)[0])).toEqual(memberHead);
  expect(lines[2]).toBe("position   1234567");
});

test("what a row is looked at for is not cut", () => {
  const rows: Cell[][] = [["a-topic-with-quite-a-long-name", { text: "12 under-replicated", neverCut: true }]];
  expect(linesOf(table(["topic", "state"], rows, terminal(30)))[1]).toBe("a-to…name  12 under-replicated");
});

test("columns that may be are left out before rows become lines, in their order, and that is told", () => {
  const head = ["topic", "records", "records/s", "state"];
  const rows: Cell[][] = [["orders-of-all", 1_234_567, 1_234, { text: "12 under-replicated", neverCut: true }]];
  const drawn = (columns: number) => linesOf(table(head, rows, terminal(columns), { mayBeLeftOut: ["records/s", "records"] }));
  expect(drawn(60)).toHaveLength(2);
  expect(drawn(40)).toEqual([
    "topic       records  state",
    "order…-all  1234567  12 under-replicated",
    "1 column left out: wider terminal or --json",
  ]);
  expect(drawn(30).slice(1)).toEqual(["orde…-all  12 under-replicated", "2 columns left out: wider terminal or --json"]);
  expect(drawn(20).map((line) => line.split(/ {2,}/)[0])).toEqual(head);
});

test("a number among texts is not cut either", () => {
  const rows = [
    configRow({ name: "flush.ms", value: "9223372036854775807", source: "default", synonyms: [] }),
    configRow({ name: "cleanup.policy", value: "a-policy-with-a-very-long-name-indeed", source: "default", synonyms: [] }),
  ];
  const [, flush, policy] = linesOf(table(configHead, rows, terminal(50)));
  expect(flush).toMatch(/ {2}9223372036854775807 {2}/);
  expect(policy).toContain("…");
});

test("a last column that may goes under its row, whole, where it has no room beside it", () => {
  const rows = [
    ["min.insync.replicas", "2", "static-broker", "min.insync.replicas=1 (default)"],
    ["preallocate", "false", "default", ""],
  ];
  const drawn = (columns: number) => table(["setting", "value", "from", "without it"], rows, terminal(columns), { lastMayGoBelow: true });
  expect(linesOf(drawn(60))).toEqual([
    "setting              value  from",
    "min.insync.replicas  2      static-broker",
    "  without it min.insync.replicas=1 (default)",
    "preallocate          false  default",
  ]);
  expect(linesOf(drawn(80))[1]).toBe("min.insync.replicas  2      static-broker  min.insync.replicas=1 (default)");
  expect(linesOf(drawn(12))).toContain("without it  min.insync.replicas=1 (default)");
});

test("colour adds nothing but colour", () => {
  const rows: Cell[][] = [[{ text: "none", tone: "bad" }, { text: "1.5 KiB", isQuantity: true }, "last"]];
  const coloured = table(["leader", "size", "x"], rows, terminal(80, true));
  expect(coloured).toContain("\u001b[31mnone\u001b[39m");
  expect(stripVTControlCharacters(coloured)).toBe(table(["leader", "size", "x"], rows, terminal(80)));
});

test("colours are for terminals, unless the environment says otherwise", () => {
  const tty = { isTTY: true, columns: 100, rows: 30 };
  const coloured = (stream: object, environment: Record<string, string>) => lookOf(stream, environment).hasColours;
  expect(lookOf(tty, {})).toEqual({ isTerminal: true, columns: 100, rows: 30, hasColours: true });
  expect(lookOf({}, {})).toEqual(plainLook);
  expect(coloured(tty, { NO_COLOR: "1" })).toBe(false);
  expect(coloured(tty, { NO_COLOR: "" })).toBe(true);
  expect(coloured(tty, { TERM: "dumb" })).toBe(false);
  expect(coloured(tty, { FORCE_COLOR: "0" })).toBe(false);
  expect(coloured({}, { FORCE_COLOR: "1", NO_COLOR: "1" })).toBe(true);
  expect(lookOf({}, { FORCE_COLOR: "1" }).columns).toBeNull();
  expect(lookOf({ isTTY: true }, {})).toMatchObject({ columns: 80, rows: 24 });
});
