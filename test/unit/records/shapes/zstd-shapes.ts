import { constants as zlib, zstdCompressSync } from "node:zlib";
import type { ShapeRow } from "./shape-row.ts";

const byAccident = "Java passes over it only where its buffer happens to hold all of it";
const magic = Buffer.from([0x28, 0xb5, 0x2f, 0xfd]);

function packedWith(plain: Buffer, params: Readonly<Record<number, number>>): Buffer {
  return zstdCompressSync(plain, { params });
}

interface Header {
  /** The frame header descriptor: content size, single segment, checksum, dictionary. */
  readonly descriptor?: number;
  /** Windows of 2^(10 + exponent) bytes; null: the descriptor says that there is none. */
  readonly windowExponent?: number | null;
  readonly fields?: Buffer;
}

/** A frame with its blocks as they are, so that every field of the header can be chosen. */
function frame({ descriptor = 0, windowExponent = 7, fields = Buffer.alloc(0) }: Header, ...blocks: readonly Buffer[]): Buffer {
  const window = windowExponent === null ? [] : [Buffer.of(windowExponent << 3)];
  return Buffer.concat([magic, Buffer.of(descriptor), ...window, fields, ...blocks]);
}

function block(bytes: Buffer, { isLast = true, type = 0, size = bytes.length } = {}): Buffer {
  const head = Buffer.alloc(3);
  head.writeUIntLE((isLast ? 1 : 0) | (type << 1) | (size << 3), 0, 3);
  return Buffer.concat([head, bytes]);
}

function skippable(bytes: number, id = 0): Buffer {
  const head = Buffer.alloc(8);
  head.writeUInt32LE(0x184d2a50 + id, 0);
  head.writeUInt32LE(bytes, 4);
  return Buffer.concat([head, Buffer.alloc(bytes, 0xaa)]);
}

export function zstdShapes(plain: Buffer): readonly ShapeRow[] {
  const [first, second] = [plain.subarray(0, 700), plain.subarray(700)];
  const whole = zstdCompressSync(plain);
  const empty = zstdCompressSync(Buffer.alloc(0));
  const checked = packedWith(plain, { [zlib.ZSTD_c_checksumFlag]: 1 });
  const checkedWrong = Buffer.from(checked);
  checkedWrong[checked.length - 1] = (checkedWrong[checked.length - 1] as number) ^ 1;
  const size = Buffer.alloc(4);
  size.writeUInt32LE(plain.length);
  const sizeWrong = Buffer.alloc(4);
  sizeWrong.writeUInt32LE(plain.length + 1);
  const raw = block(plain);
  const dictionary = (id: number) => ({ descriptor: 1, fields: Buffer.of(id) });
  return [
    ["one frame", whole, "reads"],
    ["two frames", Buffer.concat([zstdCompressSync(first), zstdCompressSync(second)]), "reads"],
    ["a frame for every 50 bytes", Buffer.concat(fifties(plain)), "reads"],
    ["a frame with more records last", Buffer.concat([whole, whole]), "refuses"],
    ["an empty frame first", Buffer.concat([empty, whole]), "reads"],
    ["an empty frame last", Buffer.concat([whole, empty]), "reads"],
    ["an empty frame only", empty, "refuses"],
    ["a skippable frame first", Buffer.concat([skippable(5), whole]), "reads"],
    ["a skippable frame between", Buffer.concat([zstdCompressSync(first), skippable(5, 15), zstdCompressSync(second)]), "reads"],
    ["a skippable frame last", Buffer.concat([whole, skippable(0)]), "reads"],
    ["a skippable frame that is cut off last", Buffer.concat([whole, skippable(50).subarray(0, 30)]), "reads", byAccident],
    ["a skippable frame only", skippable(5), "refuses"],
    ["a checksum", checked, "reads"],
    ["a checksum wrong", checkedWrong, "refuses"],
    ["a checksum cut off", checked.subarray(0, -1), "refuses"],
    ["no content size", packedWith(plain, { [zlib.ZSTD_c_contentSizeFlag]: 0 }), "reads"],
    ["a content size of 4 bytes", frame({ descriptor: 0x80, fields: size }, raw), "reads"],
    ["a content size that is wrong", frame({ descriptor: 0x80, fields: sizeWrong }, raw), "refuses"],
    ["a single segment", frame({ descriptor: 0xa0, windowExponent: null, fields: size }, raw), "reads"],
    ["a block as it is", frame({}, raw), "reads"],
    ["two blocks as they are", frame({}, block(first, { isLast: false }), block(second)), "reads"],
    ["an empty block last", frame({}, block(plain, { isLast: false }), block(Buffer.alloc(0))), "reads"],
    ["a reserved kind of block", frame({}, block(plain, { type: 3 })), "refuses"],
    ["without a last block", frame({}, block(plain, { isLast: false })), "refuses"],
    ["a block cut off", frame({}, raw.subarray(0, -1)), "refuses"],
    ["a block larger than the window", frame({ windowExponent: 0 }, block(plain)), "refuses"],
    ["a dictionary's id", frame(dictionary(7), raw), "refuses"],
    ["a dictionary's id of 0", frame(dictionary(0), raw), "reads"],
    ["a reserved bit", frame({ descriptor: 0x08 }, raw), "refuses"],
    ["the unused bit", frame({ descriptor: 0x10 }, raw), "reads"],
    ["a window of 128 MiB", frame({ windowExponent: 17 }, raw), "reads"],
    ["a window of 256 MiB", frame({ windowExponent: 18 }, raw), "refuses"],
    ["a window of 3.75 TiB", frame({ windowExponent: 31 }, raw), "refuses"],
    [
      "the smallest window",
      frame({ windowExponent: 0 }, ...[0, 500, 1000, 1500].map((at) => block(plain.subarray(at, at + 500), { isLast: at === 1500 }))),
      "refuses",
    ],
    ["level 19", packedWith(plain, { [zlib.ZSTD_c_compressionLevel]: 19 }), "reads"],
    ["level -5", packedWith(plain, { [zlib.ZSTD_c_compressionLevel]: -5 }), "reads"],
    ["a byte behind", Buffer.concat([whole, Buffer.of(0)]), "refuses"],
    ["four zeros behind", Buffer.concat([whole, Buffer.alloc(4)]), "refuses"],
    ["text behind", Buffer.concat([whole, Buffer.from("and then something else")]), "refuses"],
    ["a frame cut off behind", Buffer.concat([whole, whole.subarray(0, 20)]), "reads", byAccident],
    ["cut off", whole.subarray(0, -1), "refuses"],
    ["only half of the records", zstdCompressSync(first), "refuses"],
    ["no bytes at all", Buffer.alloc(0), "refuses"],
    ["not packed", plain, "refuses"],
  ];
}

function fifties(plain: Buffer): Buffer[] {
  const frames: Buffer[] = [];
  for (let at = 0; at < plain.length; at += 50) frames.push(zstdCompressSync(plain.subarray(at, at + 50)));
  return frames;
}
