import { crc32, deflateRawSync, deflateSync, gzipSync } from "node:zlib";
import type { ShapeRow } from "./shape-row.ts";

const flag = { text: 1, headerCrc: 2, extra: 4, name: 8, comment: 16, reserved: 32 } as const;

interface Member {
  readonly flags?: number;
  /** What the flags announce, behind the ten bytes of the header. */
  readonly fields?: Buffer;
  readonly crcXor?: number;
  readonly sizeXor?: number;
  readonly method?: number;
}

function member(plain: Buffer, { flags = 0, fields = Buffer.alloc(0), crcXor = 0, sizeXor = 0, method = 8 }: Member = {}): Buffer {
  const trailer = Buffer.alloc(8);
  trailer.writeUInt32LE((crc32(plain) ^ crcXor) >>> 0, 0);
  trailer.writeUInt32LE((plain.length ^ sizeXor) >>> 0, 4);
  return Buffer.concat([Buffer.of(0x1f, 0x8b, method, flags, 0, 0, 0, 0, 0, 3), fields, deflateRawSync(plain), trailer]);
}

function withHeaderCrc(plain: Buffer, xor: number): Buffer {
  const fields = Buffer.alloc(2);
  fields.writeUInt16LE((crc32(Buffer.of(0x1f, 0x8b, 8, flag.headerCrc, 0, 0, 0, 0, 0, 3)) & 0xffff) ^ xor);
  return member(plain, { flags: flag.headerCrc, fields });
}

export function gzipShapes(plain: Buffer): readonly ShapeRow[] {
  const whole = gzipSync(plain);
  const [first, second] = [plain.subarray(0, 700), plain.subarray(700)];
  const and = (...more: readonly (Buffer | number)[]) =>
    Buffer.concat([whole, ...more.map((one) => (typeof one === "number" ? Buffer.of(one) : one))]);
  return [
    ["one member", whole, "reads"],
    ["two members", Buffer.concat([gzipSync(first), gzipSync(second)]), "reads"],
    ["an empty member first", Buffer.concat([gzipSync(Buffer.alloc(0)), whole]), "reads"],
    ["an empty member last", and(gzipSync(Buffer.alloc(0))), "reads"],
    ["a member with more records last", and(whole), "refuses"],
    ["only half of the records", gzipSync(first), "refuses"],
    ["an empty member only", gzipSync(Buffer.alloc(0)), "refuses"],
    ["no bytes at all", Buffer.alloc(0), "refuses"],
    ["text flag", member(plain, { flags: flag.text }), "reads"],
    ["a file's name", member(plain, { flags: flag.name, fields: Buffer.from("records\0") }), "reads"],
    ["a comment", member(plain, { flags: flag.comment, fields: Buffer.from("none\0") }), "reads"],
    ["an extra field", member(plain, { flags: flag.extra, fields: Buffer.from([3, 0, 1, 2, 3]) }), "reads"],
    ["an extra field that is cut off", member(plain, { flags: flag.extra, fields: Buffer.from([0xff, 0xff, 1]) }), "refuses"],
    ["the header's CRC", withHeaderCrc(plain, 0), "reads"],
    ["the header's CRC wrong", withHeaderCrc(plain, 1), "refuses"],
    ["a reserved flag", member(plain, { flags: flag.reserved }), "reads", "zlib, by which librdkafka and others read, refuses it"],
    ["another method", member(plain, { method: 7 }), "refuses"],
    ["CRC wrong", member(plain, { crcXor: 1 }), "refuses"],
    ["size wrong", member(plain, { sizeXor: 1 }), "refuses"],
    ["without the trailer", whole.subarray(0, -8), "refuses"],
    ["cut within the trailer", whole.subarray(0, -1), "refuses"],
    ["a zero behind", and(0), "reads"],
    ["many zeros behind", and(Buffer.alloc(40)), "reads"],
    ["text behind", and(Buffer.from("and then something that is no member at all")), "reads"],
    ["the magic of a member behind", and(0x1f, 0x8b), "reads"],
    ["half a member's header behind", and(whole.subarray(0, 9)), "reads"],
    ["a member that is cut off behind", and(whole.subarray(0, 30)), "refuses"],
    ["the format of zlib", deflateSync(plain), "refuses"],
    ["nothing around the deflated bytes", deflateRawSync(plain), "refuses"],
    ["not packed", plain, "refuses"],
  ];
}
