import { compressSync } from "snappy";
import type { ShapeRow } from "./shape-row.ts";

const magic = Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0x00]);

function header(version = 1, compatible = 1): Buffer {
  const numbers = Buffer.alloc(8);
  numbers.writeInt32BE(version, 0);
  numbers.writeInt32BE(compatible, 4);
  return Buffer.concat([magic, numbers]);
}

function chunk(block: Buffer, claimed = block.length): Buffer {
  const length = Buffer.alloc(4);
  length.writeInt32BE(claimed);
  return Buffer.concat([length, block]);
}

/** One literal, whatever length the block claims to unpack to. */
function literalBlock(bytes: Buffer, claimed: number): Buffer {
  const head: number[] = [];
  let rest = claimed;
  for (; rest > 0x7f; rest = Math.floor(rest / 128)) head.push((rest % 128) | 0x80);
  head.push(rest, 61 << 2, (bytes.length - 1) & 0xff, (bytes.length - 1) >> 8);
  return Buffer.concat([Buffer.from(head), bytes]);
}

export function snappyShapes(plain: Buffer): readonly ShapeRow[] {
  const [first, second] = [plain.subarray(0, 700), plain.subarray(700)].map((half) => chunk(compressSync(half) as Buffer)) as [
    Buffer,
    Buffer,
  ];
  const raw = compressSync(plain) as Buffer;
  const whole = chunk(raw);
  const framed = (...parts: readonly Buffer[]) => Buffer.concat([header(), ...parts]);
  const empty = chunk(Buffer.of(0));
  return [
    ["one chunk", framed(whole), "reads"],
    ["two chunks", framed(first, second), "reads"],
    ["a chunk of its own for every 10 bytes", framed(...tens(plain)), "reads"],
    ["two streams", Buffer.concat([framed(first), framed(second)]), "reads"],
    ["two streams, the second of version 2", Buffer.concat([framed(first), header(2, 1), second]), "reads"],
    ["two streams, the second of version 0", Buffer.concat([framed(first), header(0, 0), second]), "refuses"],
    ["a header behind", framed(whole, header()), "reads"],
    ["a header of version 0 behind", framed(whole, header(0, 0)), "refuses"],
    ["half a header behind", framed(whole, header().subarray(0, 9)), "refuses"],
    ["a wrong magic behind", framed(whole, Buffer.from([0x82, 0x53, 0x4e, 0x41, 1, 1, 1, 1, 0, 0, 0, 1, 0, 0, 0, 1])), "reads"],
    ["version 0", Buffer.concat([header(0, 0), whole]), "reads"],
    ["version 2, readable with 1", Buffer.concat([header(2, 1), whole]), "reads"],
    ["version 9, readable with 9", Buffer.concat([header(9, 9), whole]), "reads"],
    ["a chunk that unpacks to nothing first", framed(empty, whole), "reads"],
    ["a chunk that unpacks to nothing last", framed(whole, empty), "reads"],
    ["a chunk of no bytes first", framed(chunk(Buffer.alloc(0)), whole), "refuses"],
    ["a chunk of no bytes last", framed(whole, chunk(Buffer.alloc(0))), "refuses"],
    ["a chunk with more than it claims", framed(chunk(literalBlock(plain, plain.length - 1))), "refuses"],
    ["a chunk with less than it claims", framed(chunk(literalBlock(plain, plain.length + 1))), "refuses"],
    ["a chunk that claims 2 GiB", framed(chunk(literalBlock(plain, 2 ** 31 - 1))), "refuses"],
    ["a chunk that claims 4 GiB", framed(chunk(literalBlock(plain, 2 ** 32 - 1))), "refuses"],
    ["a chunk's length beyond the end", framed(chunk(raw, raw.length + 1)), "refuses"],
    ["a chunk's length of 2^31-1", framed(chunk(raw, 2 ** 31 - 1)), "refuses"],
    ["a chunk's length negative", framed(chunk(raw, -1)), "refuses"],
    ["three bytes behind", framed(whole, Buffer.alloc(3)), "reads"],
    ["four zeros behind", framed(whole, Buffer.alloc(4)), "refuses"],
    ["a header only", header(), "refuses"],
    ["half a header", header().subarray(0, 12), "refuses"],
    ["no bytes at all", Buffer.alloc(0), "refuses"],
    ["one raw block", raw, "reads"],
    ["one raw block that claims more", literalBlock(plain, plain.length + 1), "refuses"],
    ["one raw block that claims less", literalBlock(plain, plain.length - 1), "refuses"],
    ["one raw block with a byte behind", Buffer.concat([raw, Buffer.of(0)]), "refuses"],
    ["chunks without a header", Buffer.concat([first, second]), "refuses"],
    ["the framing format of snappy itself", Buffer.concat([Buffer.from("ff060000734e61507059", "hex"), raw]), "refuses"],
    ["not packed", plain, "refuses"],
  ];
}

function tens(plain: Buffer): Buffer[] {
  const chunks: Buffer[] = [];
  for (let at = 0; at < plain.length; at += 10) chunks.push(chunk(compressSync(plain.subarray(at, at + 10)) as Buffer));
  return chunks;
}
