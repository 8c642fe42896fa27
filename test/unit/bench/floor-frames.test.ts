import { expect, test } from "vitest";
import { frameHeaderBytes, takeFrames } from "../../bench/load/floor-orders.ts";

test("the floor's frames come out whole however the bytes are cut", () => {
  const stream = Buffer.concat([frame(1, "ab"), frame(2, ""), frame(3, "cde")]);
  for (let cut = 0; cut <= stream.length; cut++) {
    const taken: string[] = [];
    const take = (number: number, whole: Buffer) => taken.push(`${number}:${whole.subarray(frameHeaderBytes)}`);
    const rest = takeFrames(stream.subarray(0, cut), take);
    expect(takeFrames(Buffer.concat([rest, stream.subarray(cut)]), take), `cut at ${cut}`).toHaveLength(0);
    expect(taken).toEqual(["1:ab", "2:", "3:cde"]);
  }
});

function frame(number: number, text: string): Buffer {
  const header = Buffer.alloc(frameHeaderBytes);
  header.writeUInt32BE(text.length);
  header.writeUInt32BE(number, 4);
  return Buffer.concat([header, Buffer.from(text)]);
}
