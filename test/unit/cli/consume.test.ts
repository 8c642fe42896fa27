import { expect, test } from "vitest";
import { parseStartPosition as parseAt, parsePlaces, partitionsOf, placeIn } from "../../../cli/consume/start-position.ts";
import { parseRecordFormat, type RecordToFormat } from "../../../cli/output/record-format.ts";

const record: RecordToFormat = {
  topic: "access",
  partition: 4,
  offset: 77,
  timestampMs: 1_700_000_000_123,
  key: Buffer.from("127.0.0.2"),
  value: Buffer.from([0x68, 0xff, 0x00, 0x69]),
  headers: [
    { key: "trace", value: Buffer.from("abc") },
    { key: "none", value: null },
  ],
};

function formatted(format: string, changes: Partial<RecordToFormat> = {}): Buffer {
  const output: (Buffer | string)[] = [];
  parseRecordFormat(format)({ ...record, ...changes }, output);
  return Buffer.concat(output.map((piece) => Buffer.from(piece)));
}

test("a value is printed as the bytes it is", () => {
  expect(formatted("value")).toEqual(Buffer.from([0x68, 0xff, 0x00, 0x69, 0x0a]));
  expect(formatted("value", { value: null }).toString()).toBe("\n");
});

test("the named formats say what they are named", () => {
  const text = { value: Buffer.from("v") };
  expect(formatted("key-value", text).toString()).toBe("127.0.0.2\tv\n");
  expect(formatted("full", text).toString()).toBe("access-4@77  2023-11-14T22:13:20.123Z  127.0.0.2  v  trace=abc,none\n");
  expect(formatted("full", { key: null, value: null, headers: [], timestampMs: -1 }).toString()).toBe(
    "access-4@77  no time  (no key)  (null)\n",
  );
});

test("JSON keeps bytes that are no text apart from text", () => {
  expect(JSON.parse(formatted("json").toString())).toEqual({
    topic: "access",
    partition: 4,
    offset: 77,
    timestampMs: 1_700_000_000_123,
    key: "127.0.0.2",
    value: { base64: "aP8AaQ==" },
    headers: [
      { key: "trace", value: "abc" },
      { key: "none", value: null },
    ],
  });
});

test("a template has every field, and a line feed at the end whether written or not", () => {
  expect(formatted("%t|%p|%o|%T|%k|%h|%%", {}).toString()).toBe("access|4|77|1700000000123|127.0.0.2|trace=abc,none|%\n");
  expect(formatted("%o\\t%p\\\\\\n").toString()).toBe("77\t4\\\n");
});

test("a template that means nothing is refused", () => {
  expect(() => parseRecordFormat("%x")).toThrow('"%x" has no meaning');
  expect(() => parseRecordFormat("%k%")).toThrow('"%" has no meaning');
  expect(() => parseRecordFormat("%k\\q")).toThrow("has no meaning");
  expect(() => parseRecordFormat("values")).toThrow("key-value");
});

const nowMs = 1_700_000_000_000;
const parseStartPosition = (text: string) => parseAt(text, nowMs);

test("a start is a word, an offset or a time", () => {
  expect(parseStartPosition("beginning")).toBe("beginning");
  expect(parseStartPosition("end")).toBe("end");
  expect(parseStartPosition("0")).toEqual({ offset: 0 });
  expect(parseStartPosition("999999999999")).toEqual({ offset: 999_999_999_999 });
  expect(parseStartPosition("1700000000123")).toEqual({ timestampMs: 1_700_000_000_123 });
  expect(parseStartPosition("@1000")).toEqual({ timestampMs: 1000 });
  expect(parseStartPosition("2023-11-14T22:13:20.123Z")).toEqual({ timestampMs: 1_700_000_000_123 });
  expect(parseStartPosition("2023-11-14T23:13:20+01:00")).toEqual({ timestampMs: 1_700_000_000_000 });
});

test("a start is so long ago", () => {
  expect(parseStartPosition("-15m")).toEqual({ timestampMs: nowMs - 900_000 });
  expect(parseStartPosition("-2d")).toEqual({ timestampMs: nowMs - 172_800_000 });
  expect(parseStartPosition("-9999w")).toEqual({ timestampMs: 0 });
});

test("a place of some partitions is an offset for each", () => {
  const some = parsePlaces("3:250,0:100", nowMs);
  expect(partitionsOf(some)).toEqual([0, 3]);
  expect([0, 1, 3].map((partition) => placeIn(some, partition))).toEqual([{ offset: 100 }, undefined, { offset: 250 }]);
  const all = parsePlaces("-1h", nowMs);
  expect(partitionsOf(all)).toEqual([]);
  expect(placeIn(all, 7)).toEqual({ timestampMs: nowMs - 3_600_000 });
  expect(partitionsOf(null)).toEqual([]);
  for (const wrong of ["0:1,0:2", "9999999999:1", "0:9999999999999999", "0:1,", "0:", "12:00:00", "0:-1"])
    expect(() => parsePlaces(wrong, nowMs), wrong).toThrow();
});

test.each(["-1", "start", "1.5", "2023-13-45", "9999999999999999", ""])("%j is no start", (text) => {
  expect(() => parseStartPosition(text)).toThrow();
});
