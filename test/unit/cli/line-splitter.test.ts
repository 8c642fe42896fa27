import fc from "fast-check";
import { expect, test } from "vitest";
import { LineSplitter } from "../../../cli/produce/line-splitter.ts";

function split(chunks: readonly Buffer[]): string[] {
  const splitter = new LineSplitter({ lineBytesMax: 1000 });
  const lines = chunks.flatMap((chunk) => splitter.push(chunk));
  const last = splitter.finish();
  return [...lines, ...(last === null ? [] : [last])].map(({ bytes }) => bytes.toString("latin1"));
}

test("lines come out whole however the bytes are cut", () => {
  const stream = Buffer.from("ab\n\nc\r\nlast");
  for (let first = 0; first <= stream.length; first++) {
    for (let second = first; second <= stream.length; second++) {
      const chunks = [stream.subarray(0, first), stream.subarray(first, second), stream.subarray(second)];
      expect(split(chunks), `cut at ${first} and ${second}`).toEqual(["ab", "", "c\r", "last"]);
    }
  }
});

test("bytes that are no text pass unchanged, and joining the lines gives the stream again", () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 30 })), (pieces) => {
      const stream = Buffer.concat(pieces);
      const lines = split(pieces.map((piece) => Buffer.from(piece)));
      expect(lines.join("\n")).toBe(stream.toString("latin1").replace(/\n$/, ""));
    }),
  );
});

test("each line knows where the next one begins", () => {
  const splitter = new LineSplitter({ lineBytesMax: 100, position: 1000 });
  expect(splitter.push(Buffer.from("four\nse")).map(({ endPosition }) => endPosition)).toEqual([1005]);
  expect(splitter.push(Buffer.from("ven\n")).map(({ endPosition }) => endPosition)).toEqual([1011]);
  expect(splitter.finish()).toBeNull();
});

test("a line longer than allowed is told of before it is all in memory, once, and the next ones come out as ever", () => {
  const splitter = new LineSplitter({ lineBytesMax: 10 });
  expect(splitter.push(Buffer.from("0123456789\n012345"))).toHaveLength(1);
  expect(splitter.push(Buffer.from("67890"))).toEqual([{ bytes: Buffer.alloc(0), endPosition: 22, longerThan: 10 }]);
  expect(splitter.heldBytes).toBe(0);
  expect(splitter.push(Buffer.from("more of it"))).toEqual([]);
  expect(splitter.push(Buffer.from("end\nnext\n")).map(({ bytes, endPosition }) => [bytes.toString(), endPosition])).toEqual([
    ["next", 41],
  ]);
  expect(splitter.push(Buffer.from("01234567890\nlast")).map(({ longerThan }) => longerThan)).toEqual([10]);
  expect(splitter.finish()?.bytes.toString()).toBe("last");
});
