import { expect, test } from "vitest";
import { recordOfLine } from "../../../cli/produce/record-of-line.ts";

const parts = (line: string, separator: string | null, keepKey = false) => {
  const { key, value } = recordOfLine(Buffer.from(line), { keySeparator: separator === null ? null : Buffer.from(separator), keepKey });
  return [key?.toString() ?? null, value.toString()];
};

test("without a separator a line is all value", () => {
  expect(parts("a:b", null)).toEqual([null, "a:b"]);
});

test("the first separator ends the key, whatever its length", () => {
  expect(parts("a:b:c", ":")).toEqual(["a", "b:c"]);
  expect(parts("a::b:c", "::")).toEqual(["a", "b:c"]);
  expect(parts(":b", ":")).toEqual(["", "b"]);
});

test("a line without the separator is all value", () => {
  expect(parts("abc", ":")).toEqual([null, "abc"]);
});

test("the key may stay in the value", () => {
  expect(parts('127.0.0.1 - - "GET /"', " ", true)).toEqual(["127.0.0.1", '127.0.0.1 - - "GET /"']);
});
