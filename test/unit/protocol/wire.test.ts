import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { zeroTopicId } from "../../../protocol/base/ids.ts";
import { MalformedFrame, Reader, stringMaxBytes } from "../../../protocol/wire/reader.ts";
import { Unencodable, Writer } from "../../../protocol/wire/writer.ts";

function written(write: (writer: Writer) => void): Buffer {
  const writer = new Writer(16);
  write(writer);
  const { length } = writer;
  const bytes = Buffer.concat(writer.chunks());
  expect(length).toBe(bytes.length);
  return bytes;
}

const reading = (hex: string) => new Reader(Buffer.from(hex.replaceAll(" ", ""), "hex"));

describe("fixed-width numbers", () => {
  const cases = [
    ["int8", -128, "80"],
    ["int8", 127, "7f"],
    ["int16", -2, "fffe"],
    ["int16", 0x7fff, "7fff"],
    ["uint16", 0xffff, "ffff"],
    ["int32", -0x80000000, "80000000"],
    ["int32", 0x01020304, "01020304"],
    ["uint32", 0xfffffffe, "fffffffe"],
    ["int64", 0, "0000000000000000"],
    ["int64", -1, "ffffffffffffffff"],
    ["int64", -5, "fffffffffffffffb"],
    ["int64", 2 ** 32, "0000000100000000"],
    ["int64", -(2 ** 32), "ffffffff00000000"],
    ["int64", 2 ** 31, "0000000080000000"],
    ["int64", Number.MAX_SAFE_INTEGER, "001fffffffffffff"],
    ["int64", Number.MIN_SAFE_INTEGER, "ffe0000000000001"],
    ["float64", -1.5, "bff8000000000000"],
  ] as const;
  test.each(cases)("%s %d is %s", (kind, value, hex) => {
    expect(written((w) => w[kind](value)).toString("hex")).toBe(hex);
    expect(reading(hex)[kind]()).toBe(value);
  });

  test("any whole number within 2^53 survives as int64", () => {
    fc.assert(
      fc.property(fc.maxSafeInteger(), (value) => {
        expect(new Reader(written((w) => w.int64(value))).int64()).toBe(value);
      }),
    );
  });

  test.each(["0020000000000000", "ffe0000000000000", "7fffffffffffffff", "8000000000000000"])(
    "the int64 %s, beyond 2^53, is malformed",
    (hex) => {
      expect(() => reading(hex).int64()).toThrow(MalformedFrame);
    },
  );

  test.each([
    ["8000000000000000", Number.MIN_SAFE_INTEGER],
    ["7fffffffffffffff", Number.MAX_SAFE_INTEGER],
    ["0020000000000000", Number.MAX_SAFE_INTEGER],
    ["ffe0000000000000", Number.MIN_SAFE_INTEGER],
    ["001fffffffffffff", 2 ** 53 - 1],
    ["fffffffffffffffe", -2],
  ])("the int64 %s of a request reads as %d", (hex, value) => {
    expect(reading(hex).saturatedInt64()).toBe(value);
  });

  test.each([2 ** 53, 0.5, Number.NaN])("writing %d as int64 is refused", (value) => {
    expect(() => new Writer().int64(value)).toThrow(Unencodable);
  });
});

describe("varints", () => {
  const unsigned = [
    [0, "00"],
    [127, "7f"],
    [128, "8001"],
    [300, "ac02"],
    [0x7fffffff, "ffffffff07"],
    [0xffffffff, "ffffffff0f"],
  ] as const;
  test.each(unsigned)("unsigned %d is %s", (value, hex) => {
    expect(written((w) => w.unsignedVarint(value)).toString("hex")).toBe(hex);
    expect(reading(hex).unsignedVarint()).toBe(value);
  });

  const zigzag = [
    [0, "00"],
    [-1, "01"],
    [1, "02"],
    [-64, "7f"],
    [64, "8001"],
    [0x7fffffff, "feffffff0f"],
    [-0x80000000, "ffffffff0f"],
  ] as const;
  test.each(zigzag)("zigzag %d is %s in 32 and in 64 bits", (value, hex) => {
    expect(written((w) => w.varint(value)).toString("hex")).toBe(hex);
    expect(written((w) => w.varlong(value)).toString("hex")).toBe(hex);
    expect(reading(hex).varint()).toBe(value);
    expect(reading(hex).varlong()).toBe(value);
  });

  const long = [
    [2 ** 31, "8080808010"],
    [-(2 ** 31) - 1, "8180808010"],
    [2 ** 48 - 1, "feffffffffff7f"],
    [2 ** 48, "8080808080808001"],
    [Number.MAX_SAFE_INTEGER, "feffffffffffff1f"],
    [Number.MIN_SAFE_INTEGER, "fdffffffffffff1f"],
  ] as const;
  test.each(long)("zigzag %d is %s in 64 bits", (value, hex) => {
    expect(written((w) => w.varlong(value)).toString("hex")).toBe(hex);
    expect(reading(hex).varlong()).toBe(value);
  });

  test("any whole number within 2^53 survives as varlong, any of 32 bits as varint", () => {
    fc.assert(
      fc.property(fc.maxSafeInteger(), (value) => {
        expect(new Reader(written((w) => w.varlong(value))).varlong()).toBe(value);
      }),
    );
    fc.assert(
      fc.property(fc.integer(), (value) => {
        expect(new Reader(written((w) => w.varint(value))).varint()).toBe(value);
      }),
    );
  });

  test.each(["ffffffff1f", "ffffffffff01", "808080808000", "ffffffff"])("the varint %s, too long or cut short, is malformed", (hex) => {
    expect(() => reading(hex).unsignedVarint()).toThrow(MalformedFrame);
  });

  test.each(["feffffffffffffffff01", "8080808080808020", "ffffffffffffffffffff7f", "80808080808080", "8080808080808080"])(
    "the varlong %s, beyond 2^53 or cut short, is malformed",
    (hex) => {
      expect(() => reading(hex).varlong()).toThrow(MalformedFrame);
    },
  );
});

describe("text and bytes", () => {
  test.each(["", "orders", "naïve", "日本語", "🦫"])("%j survives as UTF-8", (text) => {
    const length = Buffer.byteLength(text);
    const bytes = written((w) => w.text(text, length));
    expect(bytes).toEqual(Buffer.from(text));
    expect(new Reader(bytes).string(length)).toBe(text);
  });

  test("bytes that are not UTF-8 read as replacement characters, never as an error", () => {
    expect(reading("61 ff 62").string(3)).toBe("a\ufffdb");
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 50 }), (bytes) => {
        expect(typeof new Reader(Buffer.from(bytes)).text(bytes.length)).toBe("string");
      }),
    );
  });

  test("a string longer than the protocol's is malformed, also if it only becomes so when written back", () => {
    const longest = Buffer.alloc(stringMaxBytes, "a");
    expect(new Reader(longest).string(stringMaxBytes)).toHaveLength(stringMaxBytes);
    expect(() => new Reader(Buffer.alloc(stringMaxBytes + 1, "a")).string(stringMaxBytes + 1)).toThrow(MalformedFrame);
    expect(() => new Reader(Buffer.alloc(stringMaxBytes, 0xff)).string(stringMaxBytes)).toThrow(MalformedFrame);
    const third = Math.floor(stringMaxBytes / 3);
    expect(new Reader(Buffer.alloc(third, 0xff)).string(third)).toHaveLength(third);
  });

  test("a text longer than the engine can hold is malformed, before anything is allocated", () => {
    expect(() => reading("00").text(2 ** 29)).toThrow(MalformedFrame);
  });

  test("a view shares the frame's bytes", () => {
    const frame = Buffer.from("abcdef");
    const view = new Reader(frame, 2).view(3);
    expect(view.toString()).toBe("cde");
    frame[2] = 0x7a;
    expect(view.toString()).toBe("zde");
  });

  test("a uuid is 22 characters of base64url, and nothing else", () => {
    const id = "AQIDBAUGBwgJCgsMDQ4P_w";
    expect(written((w) => w.uuid(id)).toString("hex")).toBe("0102030405060708090a0b0c0d0e0fff");
    expect(reading("0102030405060708090a0b0c0d0e0fff").uuid()).toBe(id);
    expect(reading("00".repeat(16)).uuid()).toBe(zeroTopicId);
    expect(written((w) => w.uuid(zeroTopicId))).toEqual(Buffer.alloc(16));
    expect(() => new Writer().uuid("orders")).toThrow(Unencodable);
  });
});

describe("the ends of a frame", () => {
  const reads: readonly [string, (reader: Reader) => unknown][] = [
    ["int8", (r) => r.int8()],
    ["boolean", (r) => r.boolean()],
    ["int16", (r) => r.int16()],
    ["uint16", (r) => r.uint16()],
    ["int32", (r) => r.int32()],
    ["uint32", (r) => r.uint32()],
    ["int64", (r) => r.int64()],
    ["float64", (r) => r.float64()],
    ["uuid", (r) => r.uuid()],
    ["varint", (r) => r.varint()],
    ["varlong", (r) => r.varlong()],
    ["view", (r) => r.view(1)],
    ["text", (r) => r.text(1)],
    ["string", (r) => r.string(1)],
  ];
  test.each(reads)("%s at the end is malformed and moves nothing", (_name, read) => {
    const reader = reading("ab cd");
    reader.int16();
    expect(() => read(reader)).toThrow(MalformedFrame);
    expect(reader.position).toBe(2);
  });

  test.each([-1, -(2 ** 31), 4, 2 ** 31, 2 ** 40])("%d bytes of three are malformed", (length) => {
    expect(() => reading("616263").view(length)).toThrow(MalformedFrame);
    expect(() => reading("616263").text(length)).toThrow(MalformedFrame);
    expect(() => reading("616263").string(length)).toThrow(MalformedFrame);
  });
});

test("a writer puts small and large pieces out in the order they were written", () => {
  const pieces = fc.array(fc.oneof(fc.uint8Array({ maxLength: 40 }), fc.uint8Array({ minLength: 1000, maxLength: 1100 })), {
    maxLength: 12,
  });
  fc.assert(
    fc.property(pieces, (all) => {
      const bytes = written((w) => {
        for (const piece of all) {
          w.int16(piece.length);
          w.raw(piece);
        }
      });
      const reader = new Reader(bytes);
      for (const piece of all) expect(reader.view(reader.int16())).toEqual(Buffer.from(piece));
      expect(reader.remaining).toBe(0);
    }),
  );
});
