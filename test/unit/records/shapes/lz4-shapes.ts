import type { ShapeRow } from "./shape-row.ts";
import { xxh32 } from "./xxh32.ts";

const flag = {
  version1: 0x40,
  independent: 0x20,
  blockChecksum: 0x10,
  contentSize: 0x08,
  contentChecksum: 0x04,
  reserved: 0x02,
  dictionary: 0x01,
};
const usual = flag.version1 | flag.independent;
const endMark = Buffer.alloc(4);
const unlikeItsHeader = "the content is not what its own frame says, which other readers check";

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value >>> 0);
  return bytes;
}

interface Header {
  readonly flags?: number;
  readonly blockSize?: number;
  readonly fields?: Buffer;
  readonly magic?: number;
  readonly checksumXor?: number;
  /** As Kafka's clients of old computed it: over the magic as well. */
  readonly checksumOfMagicToo?: boolean;
}

function header({ flags = usual, blockSize = 0x40, fields = Buffer.alloc(0), magic = 0x184d2204, ...more }: Header = {}): Buffer {
  const descriptor = Buffer.concat([Buffer.of(flags, blockSize), fields]);
  const checked = more.checksumOfMagicToo === true ? Buffer.concat([uint32(magic), descriptor]) : descriptor;
  return Buffer.concat([uint32(magic), descriptor, Buffer.of(((xxh32(checked) >>> 8) & 0xff) ^ (more.checksumXor ?? 0))]);
}

/** A compressed block that has one sequence of literals. */
function literals(bytes: Buffer): Buffer {
  if (bytes.length < 15) return Buffer.concat([Buffer.of(bytes.length << 4), bytes]);
  const head = [0xf0];
  let rest = bytes.length - 15;
  for (; rest >= 255; rest -= 255) head.push(255);
  return Buffer.concat([Buffer.from(head), Buffer.of(rest), bytes]);
}

/** A compressed block: a match that goes back by `distance` for `length` bytes (4 to 18), then literals. */
function matchThenLiterals(distance: number, length: number, rest: Buffer): Buffer {
  const offset = Buffer.alloc(2);
  offset.writeUInt16LE(distance);
  return Buffer.concat([Buffer.of(length - 4), offset, literals(rest)]);
}

interface Block {
  readonly isPlain?: boolean;
  readonly checksumXor?: number;
  readonly length?: number;
}

function block(bytes: Buffer, { isPlain = false, checksumXor, length = bytes.length }: Block = {}): Buffer {
  const checksum = checksumXor === undefined ? [] : [uint32(xxh32(bytes) ^ checksumXor)];
  return Buffer.concat([uint32(isPlain ? length | 0x80000000 : length), bytes, ...checksum]);
}

export function lz4Shapes(plain: Buffer): readonly ShapeRow[] {
  const [first, second] = [plain.subarray(0, 700), plain.subarray(700)];
  const body = block(literals(plain));
  const frame = (options: Header, ...parts: readonly Buffer[]) => Buffer.concat([header(options), ...parts]);
  const whole = frame({}, body, endMark);
  const two = [block(literals(first)), block(literals(second))];
  // the last 8 bytes of the first part again in the second, as a match that reaches back into it
  const [head, again] = [Buffer.concat([plain.subarray(0, 40)]), plain.subarray(48)];
  const repeats = plain.subarray(40, 48);
  const linkedBlocks = [block(literals(Buffer.concat([repeats, head]))), block(matchThenLiterals(48, 8, again))];
  const size = Buffer.alloc(8);
  const sized = (bytes: number) => {
    size.writeBigUInt64LE(BigInt(bytes));
    return { flags: usual | flag.contentSize, fields: Buffer.from(size) };
  };
  const checkedBlocks = { flags: usual | flag.blockChecksum };
  const checkedContent = { flags: usual | flag.contentChecksum };
  const skippable = (bytes: number) => Buffer.concat([uint32(0x184d2a50), uint32(bytes), Buffer.alloc(bytes)]);
  const sum = uint32(xxh32(plain));
  return [
    ["one block", whole, "reads"],
    ["two independent blocks", frame({}, ...two, endMark), "reads"],
    ["linked blocks that do not refer to each other", frame({ flags: flag.version1 }, ...two, endMark), "refuses"],
    ["one block, announced as linked", frame({ flags: flag.version1 }, body, endMark), "refuses"],
    ["a match back into the block before, announced as linked", frame({ flags: flag.version1 }, ...linkedBlocks, endMark), "refuses"],
    ["a match back into the block before, announced as independent", frame({}, ...linkedBlocks, endMark), "refuses"],
    ["a match back within a block", frame({}, block(withMatch(plain)), endMark), "reads"],
    ["a match from before the start", frame({}, block(matchThenLiterals(9, 8, plain.subarray(8))), endMark), "refuses"],
    ["a match with the distance 0", frame({}, block(matchThenLiterals(0, 8, plain.subarray(8))), endMark), "refuses"],
    ["blocks as they are", frame({}, block(first, { isPlain: true }), block(second, { isPlain: true }), endMark), "reads"],
    ["block checksums", frame(checkedBlocks, block(literals(plain), { checksumXor: 0 }), endMark), "reads"],
    ["a block checksum wrong", frame(checkedBlocks, block(literals(plain), { checksumXor: 1 }), endMark), "refuses"],
    ["a plain block's checksum", frame(checkedBlocks, block(plain, { isPlain: true, checksumXor: 0 }), endMark), "reads"],
    ["a plain block's checksum wrong", frame(checkedBlocks, block(plain, { isPlain: true, checksumXor: 1 }), endMark), "refuses"],
    ["content checksum", frame(checkedContent, body, endMark, sum), "reads"],
    ["content checksum wrong", frame(checkedContent, body, endMark, uint32(xxh32(plain) ^ 1)), "reads", unlikeItsHeader],
    ["content checksum missing", frame(checkedContent, body, endMark), "refuses"],
    ["content size", frame(sized(plain.length), body, endMark), "reads"],
    ["content size wrong", frame(sized(plain.length - 1), body, endMark), "reads", unlikeItsHeader],
    [
      "content size of 2^63",
      frame({ flags: usual | flag.contentSize, fields: Buffer.from("0000000000000080", "hex") }, body, endMark),
      "reads",
      unlikeItsHeader,
    ],
    ["a dictionary's id", frame({ flags: usual | flag.dictionary, fields: uint32(7) }, body, endMark), "refuses"],
    ["a dictionary's id of 0", frame({ flags: usual | flag.dictionary, fields: uint32(0) }, body, endMark), "refuses"],
    ["a reserved flag", frame({ flags: usual | flag.reserved }, body, endMark), "refuses"],
    ["version 0", frame({ flags: flag.independent }, body, endMark), "refuses"],
    ["version 2", frame({ flags: 0x80 | flag.independent }, body, endMark), "refuses"],
    ["blocks of 4 MiB", frame({ blockSize: 0x70 }, body, endMark), "reads"],
    ["blocks of an unknown size", frame({ blockSize: 0x30 }, body, endMark), "refuses"],
    ["a reserved bit beside the block size", frame({ blockSize: 0xc0 }, body, endMark), "refuses"],
    ["reserved bits under the block size", frame({ blockSize: 0x41 }, body, endMark), "refuses"],
    ["the header's checksum wrong", frame({ checksumXor: 1 }, body, endMark), "refuses"],
    ["the header's checksum as Kafka's old clients had it", frame({ checksumOfMagicToo: true }, body, endMark), "refuses"],
    ["a frame of the old format", frame({ magic: 0x184c2102 }, body, endMark), "refuses"],
    ["an old frame as it really is", Buffer.concat([uint32(0x184c2102), body]), "refuses"],
    ["two frames", Buffer.concat([frame({}, two[0] as Buffer, endMark), frame({}, two[1] as Buffer, endMark)]), "refuses"],
    ["an empty frame first", Buffer.concat([frame({}, endMark), whole]), "refuses"],
    ["an empty frame last", Buffer.concat([whole, frame({}, endMark)]), "reads"],
    ["the same frame again", Buffer.concat([whole, whole]), "reads"],
    ["a skippable frame first", Buffer.concat([skippable(3), whole]), "refuses"],
    ["a skippable frame last", Buffer.concat([whole, skippable(3)]), "reads"],
    ["a byte behind", Buffer.concat([whole, Buffer.of(7)]), "reads"],
    ["text behind", Buffer.concat([whole, Buffer.from("and then something else")]), "reads"],
    ["an empty frame only", frame({}, endMark), "refuses"],
    [
      "an empty block as it is, for the end mark",
      frame({}, body, uint32(0x80000000)),
      "reads",
      "the format has another end mark, and other readers do not take this for one",
    ],
    ["without the end mark", frame({}, body), "refuses"],
    ["half of the end mark", frame({}, body, Buffer.alloc(2)), "refuses"],
    ["a block that unpacks to nothing", frame({}, block(Buffer.of(0)), body, endMark), "refuses"],
    ["a block that unpacks to nothing last", frame({}, body, block(Buffer.of(0)), endMark), "reads"],
    ["a block's length beyond the end", frame({}, block(literals(plain), { length: 60_000 }), endMark), "refuses"],
    ["a block longer than blocks may be", frame({}, block(literals(Buffer.concat([plain, Buffer.alloc(70_000)]))), endMark), "refuses"],
    [
      "a plain block longer than blocks may be",
      frame({}, block(Buffer.concat([plain, Buffer.alloc(70_000)]), { isPlain: true }), endMark),
      "refuses",
    ],
    ["a block that unpacks to more than blocks may", frame({}, block(zerosBlock(70_000)), endMark), "refuses"],
    ["only half of the records", frame({}, two[0] as Buffer, endMark), "refuses"],
    ["a raw block without a frame", literals(plain), "refuses"],
    ["no bytes at all", Buffer.alloc(0), "refuses"],
    ["not packed", plain, "refuses"],
  ];
}

/** The first bytes as literals, then the longest match that is there (records repeat), then the rest. */
function withMatch(plain: Buffer): Buffer {
  for (let at = 30; at < plain.length - 20; at++) {
    const from = plain.subarray(0, at).lastIndexOf(plain.subarray(at, at + 8));
    if (from < 0 || at - from > 65_535) continue;
    const lead = literals(plain.subarray(0, at));
    const token = (lead[0] as number) | (8 - 4);
    const offset = Buffer.alloc(2);
    offset.writeUInt16LE(at - from);
    return Buffer.concat([Buffer.of(token), lead.subarray(1), offset, literals(plain.subarray(at + 8))]);
  }
  throw new Error("the records repeat nothing");
}

/** One zero, then matches of it. */
function zerosBlock(count: number): Buffer {
  const matched = count - 1 - 5;
  const head = [0x1f, 0, 1, 0];
  let rest = matched - 4 - 15;
  for (; rest >= 255; rest -= 255) head.push(255);
  return Buffer.concat([Buffer.from(head), Buffer.of(rest), literals(Buffer.alloc(5))]);
}
