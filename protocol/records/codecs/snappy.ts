import { compress, compressSync } from "snappy";
import { MalformedFrame } from "../../wire/reader.ts";
import { Pieces, type UnpackCall, type Unpacking } from "./unpacking.ts";

// Kafka's clients wrap raw blocks in the framing of xerial's Java library: a header, then blocks with their lengths. Some send one raw
// block.

const magic = Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0x00]);
const magicHead = magic.readInt32BE(0);
const headerBytes = 16;
const version = 1;
/** The Java client's. */
const chunkBytes = 32 * 1024;
const chunksMax = 8192;

export function packSnappy(plain: Buffer): Buffer {
  return framed(chunksOf(plain).map((chunk) => compressSync(chunk) as Buffer));
}

export async function packSnappyAside(plain: Buffer): Promise<Buffer> {
  const blocks: Buffer[] = [];
  for (const chunk of chunksOf(plain)) blocks.push((await compress(chunk)) as Buffer);
  return framed(blocks);
}

function chunksOf(plain: Buffer): readonly Buffer[] {
  return Array.from({ length: Math.ceil(plain.length / chunkBytes) }, (_, i) => plain.subarray(i * chunkBytes, (i + 1) * chunkBytes));
}

function framed(blocks: readonly Buffer[]): Buffer {
  const header = Buffer.alloc(headerBytes);
  magic.copy(header);
  header.writeInt32BE(version, 8);
  header.writeInt32BE(version, 12); // lowest version that can read it
  const pieces: Buffer[] = [header];
  for (const block of blocks) {
    const length = Buffer.alloc(4);
    length.writeInt32BE(block.length);
    pieces.push(length, block);
  }
  return Buffer.concat(pieces);
}

/** As xerial's SnappyInputStream reads: streams may follow each other. Fewer bytes than a length takes, or another magic, are the end. */
export function* unpackSnappy(packed: Buffer, bytesMax: number): Unpacking {
  const pieces = new Pieces("snappy", bytesMax, chunksMax);
  if (!hasMagic(packed, 0)) {
    pieces.add((yield blockOf(packed, pieces)).bytes);
    return pieces.whole();
  }
  for (let at = headerBytes; packed.length - at >= 4; ) {
    const length = packed.readInt32BE(at);
    if (length === magicHead) {
      if (packed.length - at < headerBytes) throw new MalformedFrame("snappy: header is cut off");
      if (!hasMagic(packed, at)) break;
      // the first header's version is ignored
      if (packed.readInt32BE(at + 8) < version) throw new MalformedFrame(`snappy: version ${packed.readInt32BE(at + 8)}`);
      at += headerBytes;
      continue;
    }
    at += 4;
    if (length < 0 || length > packed.length - at)
      throw new MalformedFrame(`snappy: block of ${length} bytes with ${packed.length - at} left`);
    pieces.add((yield blockOf(packed.subarray(at, at + length), pieces)).bytes);
    at += length;
  }
  return pieces.whole();
}

function hasMagic(packed: Buffer, at: number): boolean {
  return packed.length - at >= headerBytes && packed.compare(magic, 0, magic.length, at, at + magic.length) === 0;
}

function blockOf(block: Buffer, pieces: Pieces): UnpackCall {
  const bytes = plainLength(block);
  pieces.expect(bytes);
  return { library: "snappy", input: block, bytesMax: pieces.room, bytesExpected: bytes };
}

/** A block begins with its unpacked length; the library allocates that much before it reads on. */
function plainLength(block: Buffer): number {
  let length = 0;
  let at = 0;
  for (let scale = 1; ; scale *= 128) {
    const byte = block[at++];
    if (byte === undefined || at > 5) throw new MalformedFrame("snappy: no length");
    length += (byte & 0x7f) * scale;
    if (byte < 0x80) return length;
  }
}
