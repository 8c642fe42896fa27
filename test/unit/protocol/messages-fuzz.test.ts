import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { readRequestHeaderRest, readRequestStart, skipResponseHeaderRest } from "../../../protocol/messages/headers.ts";
import type { Message } from "../../../protocol/schema/message.ts";
import { MalformedFrame, Reader } from "../../../protocol/wire/reader.ts";
import { everyVersion, valuesOf } from "./arbitrary.ts";
import { sampleOf } from "./samples.ts";
import { encodeFields } from "./second-encoder.ts";

/** Runs a decoder on hostile bytes: a value or MalformedFrame is fine, anything else is a way to crash a broker. */
function decoded<T>(decode: (reader: Reader) => T, bytes: Buffer): T | "malformed" {
  try {
    return decode(new Reader(bytes));
  } catch (error) {
    if (error instanceof MalformedFrame) return "malformed";
    throw error;
  }
}

/** How many things were allocated for a value: elements of arrays, and what strings and byte strings hold. */
function weight(value: unknown): number {
  if (typeof value === "string") return value.length;
  if (Buffer.isBuffer(value)) return value.length;
  if (Array.isArray(value)) return value.reduce((sum: number, element) => sum + 1 + weight(element), 0);
  if (typeof value === "object" && value !== null) return Object.values(value).reduce((sum: number, inner) => sum + weight(inner), 0);
  return 0;
}

/** Names and ids that cost nothing on the wire: error names by number, uuids as text, at their longest for each byte. */
const weightPerByte = 50;

function survives(message: Message<unknown>, version: number, bytes: Buffer): void {
  const value = decoded((reader) => message.read(reader, version), bytes);
  if (value !== "malformed") expect(weight(value)).toBeLessThanOrEqual(weightPerByte * (bytes.length + 1));
}

/** Lengths that lie, in every form a length has: 16 and 32 bits, compact, and the longest varint. */
const lies = ["7fff", "7fffffff", "ffffffff", "80000000", "ffffffff0f", "ffffffff07", "ffffffffff7f", "ff7f"].map((hex) =>
  Buffer.from(hex, "hex"),
);

const edit = fc.record({ at: fc.nat(), remove: fc.nat(4), insert: fc.oneof(fc.constantFrom(...lies), fc.uint8Array({ maxLength: 6 })) });

function edited(bytes: Buffer, edits: readonly { at: number; remove: number; insert: Uint8Array }[]): Buffer {
  return edits.reduce((now, { at, remove, insert }) => {
    const start = at % (now.length + 1);
    return Buffer.concat([now.subarray(0, start), insert, now.subarray(start + remove)]);
  }, bytes);
}

describe.each(everyVersion)("%s", (_name, message, version) => {
  const encoding = { version, flexible: message.isFlexible(version) };
  const sample = encodeFields(message.fields, sampleOf(message.fields, version), encoding);

  test("random bytes are a value or malformed", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => survives(message, version, Buffer.from(bytes))),
      { numRuns: 40 },
    );
  });

  test("changed bytes are a value or malformed", () => {
    fc.assert(
      fc.property(valuesOf(message, version), fc.array(edit, { minLength: 1, maxLength: 3 }), (value, edits) =>
        survives(message, version, edited(encodeFields(message.fields, value, encoding), edits)),
      ),
      { numRuns: 40 },
    );
  });

  test("a frame cut short anywhere is malformed", () => {
    for (let cut = 0; cut < sample.length; cut++)
      expect(
        decoded((reader) => message.read(reader, version), sample.subarray(0, cut)),
        `cut at ${cut}`,
      ).toBe("malformed");
  });

  test("a lie in any place allocates no more than the frame is long", () => {
    for (let at = 0; at < sample.length; at++)
      for (const lie of lies) survives(message, version, Buffer.concat([sample.subarray(0, at), lie, sample.subarray(at + lie.length)]));
  });
});

test("random request and response headers are a header or malformed", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), fc.boolean(), (random, flexible) => {
      const bytes = Buffer.from(random);
      const header = decoded((reader) => ({ ...readRequestStart(reader), ...readRequestHeaderRest(reader, flexible) }), bytes);
      if (header !== "malformed") expect(weight(header)).toBeLessThanOrEqual(bytes.length);
      decoded((reader) => skipResponseHeaderRest(reader, 0, flexible), bytes);
    }),
    { numRuns: 2000 },
  );
});
