import { describe, expect, test } from "vitest";
import { InvariantViolation } from "../../../protocol/base/invariant.ts";
import { messagesByKey } from "../../../protocol/messages/apis.ts";
import { array, type Fields, nullableArray, nullableStruct, struct } from "../../../protocol/schema/composites.ts";
import { encodeWhole, message } from "../../../protocol/schema/message.ts";
import { errorCode, int8, int32, nullableErrorMessage, nullableString, string } from "../../../protocol/schema/primitives.ts";
import { MalformedFrame, Reader } from "../../../protocol/wire/reader.ts";
import { Unencodable } from "../../../protocol/wire/writer.ts";

const spec = { name: "Sample", apiKey: 0, versions: [0, 3], flexibleSince: 2 } as const;
const hex = (bytes: Buffer) => bytes.toString("hex");
const reading = (text: string) => new Reader(Buffer.from(text.replaceAll(" ", ""), "hex"));

describe("a message", () => {
  const sample = message(spec, {
    old: int8({ until: 1, absent: -1 }),
    names: array(string()),
    place: nullableStruct({ rack: nullableString({ nullableSince: 1 }), row: int32() }, { nullableSince: 3 }),
    extra: struct({ code: errorCode() }, { since: 2, tag: 5, absent: { code: "NONE" } }),
  });
  const value = { old: 7, names: ["a", ""], place: { rack: "r", row: 1 }, extra: { code: "NONE" } } as const;

  test("has 16- and 32-bit lengths before its first flexible version", () => {
    expect(hex(encodeWhole(sample, value, 1))).toBe("07 00000002 0001 61 0000 0001 72 00000001".replaceAll(" ", ""));
  });

  test("has compact lengths, and a tag section for every struct, from there on", () => {
    expect(hex(encodeWhole(sample, { ...value, extra: { code: "REQUEST_TIMED_OUT" } }, 2))).toBe(
      "03 02 61 01  02 72 00000001 00  01 05 03 0007 00".replaceAll(" ", ""),
    );
  });

  test("says of a nullable struct whether it is there", () => {
    expect(hex(encodeWhole(sample, value, 3))).toBe("03 02 61 01  01 02 72 00000001 00  00".replaceAll(" ", ""));
    expect(hex(encodeWhole(sample, { ...value, place: null }, 3))).toBe("03 02 61 01  ff  00".replaceAll(" ", ""));
    expect(sample.read(reading("01 ff 00"), 3)).toEqual({ old: -1, names: [], place: null, extra: { code: "NONE" } });
  });

  test("reads what a version does not have as its default", () => {
    expect(sample.read(reading("01 00 00000001 00 00"), 2)).toMatchObject({ old: -1, extra: { code: "NONE" } });
  });

  test("refuses null in a version without it", () => {
    expect(() => sample.read(reading("07 00000000 ffff 00000001"), 0)).toThrow(MalformedFrame);
    expect(sample.read(reading("07 00000000 ffff 00000001"), 1).place).toEqual({ rack: null, row: 1 });
    expect(() => sample.read(reading("07 ffffffff ffff 00000001"), 1)).toThrow(MalformedFrame);
  });

  test.each(["01 ff 01 05 04 0007 00", "01 ff 01 05 02 0007 00", "01 ff 01 05 7f 0007 00", "01 ff 02 05 03 0007 00"])(
    "with a tag that is not as long as it says is malformed: %s",
    (text) => {
      expect(() => sample.read(reading(text), 3)).toThrow(MalformedFrame);
    },
  );

  test("is not asked for versions it does not have", () => {
    expect(() => sample.read(reading("00"), 4)).toThrow(InvariantViolation);
    expect(() => encodeWhole(sample, value, -1)).toThrow(InvariantViolation);
  });
});

describe("an array", () => {
  const numbers = message(spec, { numbers: nullableArray(int8()) });

  test.each([
    ["7fffffff 01", 0],
    ["00000002 01", 0],
    ["ffffffff0f 01", 2],
    ["04 01 02", 2],
  ] as const)("that claims more elements than there are bytes is malformed: %s", (text, version) => {
    expect(() => numbers.read(reading(text), version)).toThrow(MalformedFrame);
  });

  test("is bounded by the bytes left even if its elements take none", () => {
    const hollow = message(spec, { hollow: array(struct({ late: int8({ since: 3, absent: 0 }) })) });
    expect(() => hollow.read(reading("00010000"), 0)).toThrow(MalformedFrame);
  });

  test("is null at any negative count", () => {
    expect(numbers.read(reading("ffffffff"), 0)).toEqual({ numbers: null });
    expect(numbers.read(reading("80000000"), 0)).toEqual({ numbers: null });
    expect(numbers.read(reading("00 00"), 2)).toEqual({ numbers: null });
  });
});

test("tags are written by number, whatever the order of the fields", () => {
  const tagged = message(spec, { last: int8({ since: 2, tag: 9, absent: 0 }), first: int8({ since: 2, tag: 1, absent: 0 }) });
  expect(hex(encodeWhole(tagged, { last: 5, first: 6 }, 2))).toBe("02 01 01 06 09 01 05".replaceAll(" ", ""));
});

test("an error code that the table lacks reads as UNKNOWN_SERVER_ERROR", () => {
  const answer = message(spec, { errorCode: errorCode() });
  expect(answer.read(reading("7fff"), 0)).toEqual({ errorCode: "UNKNOWN_SERVER_ERROR" });
  expect(answer.read(reading("0006"), 0)).toEqual({ errorCode: "NOT_LEADER_OR_FOLLOWER" });
  expect(hex(encodeWhole(answer, { errorCode: "UNKNOWN_SERVER_ERROR" }, 0))).toBe("ffff");
});

test("a string longer than the protocol's is our own mistake when we write it", () => {
  const named = message(spec, { name: string() });
  expect(encodeWhole(named, { name: "a".repeat(0x7fff) }, 2)).toHaveLength(0x7fff + 3 + 1);
  expect(() => encodeWhole(named, { name: "a".repeat(0x8000) }, 2)).toThrow(Unencodable);
});

describe("an error message", () => {
  const refusal = message(spec, { text: nullableErrorMessage() });
  const sent = (text: string | null, version: number) => refusal.read(new Reader(encodeWhole(refusal, { text }, version)), version).text;

  test.each([0, 2])("is cut as it is written, whatever it quotes (v%d)", (version) => {
    const short = sent(`There is no topic ${"é".repeat(40_000)}.`, version);
    expect(short).toHaveLength(1000);
    expect(short).toMatch(/^There is no topic é+…$/);
    expect(sent(null, version)).toBeNull();
    expect(sent("🎉".repeat(600), version)).toMatch(/^(🎉)+\ufffd?…$/u);
  });

  test("acts on no terminal", () => {
    expect(sent("no topic \u001b[2J\u0007\r\n\u009b\u202e!", 0)).toBe("no topic \\u001b[2J\\u0007\\u000d\\u000a\\u009b\\u202e!");
  });

  test("is what every field is that is named so", () => {
    const others = [...messagesByKey.values()].flatMap(({ request, response }) =>
      [request, response]
        .flatMap(({ name, fields }) => fieldsNamed(/errorMessage$/i, fields, name))
        .filter(({ shape }) => shape !== "errorMessage"),
    );
    expect(others).toEqual([]);
  });
});

function fieldsNamed(pattern: RegExp, fields: Fields, path: string): { readonly path: string; readonly shape: string }[] {
  return Object.entries(fields).flatMap(([name, { shape }]) => {
    const at = `${path}.${name}`;
    const inner = shape.kind === "array" ? shape.element : shape;
    if (inner.kind === "struct") return fieldsNamed(pattern, inner.fields, at);
    return pattern.test(name) ? [{ path: at, shape: shape.kind === "primitive" ? shape.name : shape.kind }] : [];
  });
}
