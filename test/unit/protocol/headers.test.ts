import { describe, expect, test } from "vitest";
import {
  apiVersionsKey,
  readRequestHeaderRest,
  readRequestStart,
  skipResponseHeaderRest,
  writeRequestHeader,
  writeResponseHeader,
} from "../../../protocol/messages/headers.ts";
import { MalformedFrame, Reader } from "../../../protocol/wire/reader.ts";
import { Writer } from "../../../protocol/wire/writer.ts";

function written(write: (writer: Writer) => void): string {
  const writer = new Writer();
  write(writer);
  return Buffer.concat(writer.chunks()).toString("hex");
}

const reading = (hex: string) => new Reader(Buffer.from(hex.replaceAll(" ", ""), "hex"));
const start = { apiKey: 3, apiVersion: 9, correlationId: 7 };

describe("a request header", () => {
  const forms = [
    ["version 1", "cli", false, "0003 0009 00000007 0003 636c69"],
    ["version 1 without a client id", null, false, "0003 0009 00000007 ffff"],
    ["version 2, where the client id keeps its 16-bit length", "cli", true, "0003 0009 00000007 0003 636c69 00"],
    ["version 2 without a client id", null, true, "0003 0009 00000007 ffff 00"],
    ["version 2 with an empty client id", "", true, "0003 0009 00000007 0000 00"],
  ] as const;
  test.each(forms)("of %s", (_name, clientId, flexible, hex) => {
    expect(written((w) => writeRequestHeader(w, start, clientId, flexible))).toBe(hex.replaceAll(" ", ""));
    const reader = reading(hex);
    expect(readRequestStart(reader)).toEqual(start);
    expect(readRequestHeaderRest(reader, flexible)).toEqual({ clientId });
    expect(reader.remaining).toBe(0);
  });

  test("with tags that we do not know is read past them", () => {
    const reader = reading("0003 636c69 02 00 02 abcd 8001 00 ee");
    expect(readRequestHeaderRest(reader, true)).toEqual({ clientId: "cli" });
    expect(reader.remaining).toBe(1);
  });

  test.each(["fffe", "0004 636c69", "7fff", "0000 01 00 05 ab", "0000 ffffffff0f"])("that goes on %s is malformed", (hex) => {
    expect(() => readRequestHeaderRest(reading(hex), true)).toThrow(MalformedFrame);
  });
});

describe("a response header", () => {
  const forms = [
    ["of an inflexible version has the correlation id only", 3, false, "00000007"],
    ["of a flexible version has tags", 3, true, "0000000700"],
    ["of ApiVersions never has tags, or a client that asked for too new a version could not read it", apiVersionsKey, true, "00000007"],
  ] as const;
  test.each(forms)("%s", (_name, apiKey, flexible, hex) => {
    expect(written((w) => writeResponseHeader(w, apiKey, 7, flexible))).toBe(hex);
    const reader = reading(hex);
    expect(reader.int32()).toBe(7);
    skipResponseHeaderRest(reader, apiKey, flexible);
    expect(reader.remaining).toBe(0);
  });
});
