import zlib from "node:zlib";
import { MalformedFrame } from "../../wire/reader.ts";
import { Pieces, type Unpacking } from "./unpacking.ts";

const flag = { headerCrc: 0x02, extra: 0x04, name: 0x08, comment: 0x10, reserved: 0xe0 } as const;
const headerBytes = 10;
const trailerBytes = 8;
const membersMax = 1024;
/** Each deflated byte unpacks to this many bytes at most. */
const ratioMax = 1032;

/**
 * One member after the other, as Java's GZIPInputStream reads them: what follows a member is another one if it begins as one; anything
 * else is ignored. zlib's own reading of several members is not used: it takes zeros for the end and all else for damage.
 */
export function* unpackGzip(packed: Buffer, bytesMax: number): Unpacking {
  const pieces = new Pieces("gzip", bytesMax, membersMax);
  for (let at = 0; ; ) {
    const start = headerEnd(packed, at);
    if (start === null) {
      if (at === 0) throw new MalformedFrame("gzip: no member");
      return pieces.whole();
    }
    pieces.expect(0);
    const input = packed.subarray(start);
    const bytesExpected = pieces.count === 1 ? expectedBytes(input) : 0;
    const { bytes, consumedBytes } = yield { library: "inflate-raw", input, bytesMax: pieces.room, bytesExpected };
    pieces.add(bytes);
    at = start + consumedBytes;
    if (packed.length - at < trailerBytes) throw new MalformedFrame("gzip: member is cut off");
    if (packed.readUInt32LE(at) !== zlib.crc32(bytes)) throw new MalformedFrame("gzip: CRC does not match what was unpacked");
    if (packed.readUInt32LE(at + 4) !== bytes.length) throw new MalformedFrame("gzip: size does not match what was unpacked");
    at += trailerBytes;
  }
}

/** By the trailer, if there is one member and nothing behind it, as is nearly always the case; but those bytes may be anything. */
function expectedBytes(input: Buffer): number {
  return input.length < trailerBytes ? 0 : Math.min(input.readUInt32LE(input.length - 4), input.length * ratioMax);
}

/** Where the deflated bytes of the member at `from` begin; null: there is no member. */
function headerEnd(packed: Buffer, from: number): number | null {
  if (packed.length - from < headerBytes || packed[from] !== 0x1f || packed[from + 1] !== 0x8b || packed[from + 2] !== 8) return null;
  const flags = packed[from + 3] as number;
  // Java's reader ignores them; zlib, and with it other clients, does not
  if ((flags & flag.reserved) !== 0) throw new MalformedFrame("gzip: reserved flags");
  let at = from + headerBytes;
  if ((flags & flag.extra) !== 0) {
    if (packed.length - at < 2) return null;
    at += 2 + packed.readUInt16LE(at);
  }
  for (const text of [flag.name, flag.comment]) {
    if ((flags & text) === 0) continue;
    const end = packed.indexOf(0, at);
    if (end < 0) return null;
    at = end + 1;
  }
  if ((flags & flag.headerCrc) !== 0) {
    if (packed.length - at < 2) return null;
    if (packed.readUInt16LE(at) !== (zlib.crc32(packed.subarray(from, at)) & 0xffff)) return null;
    at += 2;
  }
  return at < packed.length ? at : null;
}
