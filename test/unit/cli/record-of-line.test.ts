import { expect, test } from "vitest";
import { type LineFormat, type RecordRules, recordOfLine, underRules } from "../../../cli/produce/record-of-line.ts";

const plain: LineFormat = { keySeparator: null, keepKey: false, key: null, nullValue: null };
const parts = (line: string, separator: string | null, keepKey = false, more: Partial<LineFormat> = {}) => {
  const keySeparator = separator === null ? null : Buffer.from(separator);
  const { key, value } = recordOfLine(Buffer.from(line), { ...plain, keySeparator, keepKey, ...more });
  return [key?.toString() ?? null, value?.toString() ?? null];
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

test("a key for all is the key of lines that have none", () => {
  expect(parts("b", null, false, { key: Buffer.from("all") })).toEqual(["all", "b"]);
  expect(parts("a:b", ":", false, { key: Buffer.from("all") })).toEqual(["a", "b"]);
  expect(parts("b", ":", false, { key: Buffer.from("all") })).toEqual(["all", "b"]);
});

test("a value of exactly the given text is null, whatever becomes of its key", () => {
  expect(parts("a:NULL", ":", false, { nullValue: Buffer.from("NULL") })).toEqual(["a", null]);
  expect(parts("a:NULL", ":", true, { nullValue: Buffer.from("NULL") })).toEqual(["a", null]);
  expect(parts("a:NULLs", ":", false, { nullValue: Buffer.from("NULL") })).toEqual(["a", "NULLs"]);
  expect(parts("", null, false, { nullValue: Buffer.from("") })).toEqual([null, null]);
});

const rules: RecordRules = { headers: [], partition: null, partitionsCount: 3, needsKey: false };

test("what holds for every record is added to each, and what no record may be is a bad line", () => {
  const headers = [{ key: "from", value: Buffer.from("here") }];
  const own = [{ key: "own", value: null }];
  const read = () => ({ key: null, value: Buffer.from("v"), headers: own, partition: 2 });
  expect(underRules(read, { ...rules, headers })(Buffer.alloc(0))).toEqual({ ...read(), headers: [...headers, ...own] });
  expect(underRules(read, { ...rules, partition: 1 })(Buffer.alloc(0)).partition).toBe(1);
  expect(() => underRules(read, { ...rules, partitionsCount: 2 })(Buffer.alloc(0))).toThrow("is for partition 2, and the topic has 0 to 1");
  expect(() => underRules(read, { ...rules, needsKey: true })(Buffer.alloc(0))).toThrow("has no key, and the topic is compacted");
});
