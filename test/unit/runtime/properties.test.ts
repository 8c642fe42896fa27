import { expect, test } from "vitest";
import { parseProperties } from "../../../broker/runtime/config/properties.ts";

const table: readonly [string, Record<string, string>][] = [
  ["a=1\nb=2", { a: "1", b: "2" }],
  ["a=1\r\nb=2\rc=3", { a: "1", b: "2", c: "3" }],
  ["# note\n! note\n\n  \t\n  a=1", { a: "1" }],
  ["a = 1 \nb:2\nc 3\nd\t=\t4\ne : = 5", { a: "1 ", b: "2", c: "3", d: "4", e: "= 5" }],
  ["a=x=y:z # no comment", { a: "x=y:z # no comment" }],
  ["a\nb=", { a: "", b: "" }],
  ["a=1,\\\n   2,\\\n   3\nb=4", { a: "1,2,3", b: "4" }],
  ["a=one\\\\\nb=2", { a: "one\\", b: "2" }],
  ["a=1\\\n# not a comment here\nb=2", { a: "1# not a comment here", b: "2" }],
  ["a\\ b\\=c=d\\:e", { "a b=c": "d:e" }],
  ["a=\\u0041\\n\\t\\q", { a: "A\n\tq" }],
  ["a=1\na=2", { a: "2" }],
  ["a=1\\", { a: "1" }],
  ["", {}],
];

for (const [text, expected] of table)
  test(`reads ${JSON.stringify(text)} as Java does`, () => {
    expect(Object.fromEntries(parseProperties(text))).toEqual(expected);
  });
