import { gunzipSync, gzipSync, constants as zlib, zstdCompressSync, zstdDecompressSync } from "node:zlib";
import { compressFrameSync, decompressFrameSync } from "lz4-napi";
import { compressSync as snappyCompress, uncompressSync as snappyUncompress } from "snappy";
import { unreachable } from "../base/invariant.ts";
import { MalformedFrame } from "../wire/reader.ts";
import type { CompressionCodec } from "./batch-header.ts";
import type { RecordCompressor, RecordDecompressor } from "./codec.ts";

/** Every codec of the protocol. In a file of its own: who never looks into compressed batches (a broker) need not load native code. */
export const compressRecords: RecordCompressor = (codec, plain, level) => {
  switch (codec) {
    case "none":
      return plain;
    case "gzip":
      return gzipSync(plain, level === undefined ? {} : { level });
    case "snappy":
      return writeXerial(plain);
    case "lz4":
      return compressFrameSync(plain);
    case "zstd":
      return zstdCompressSync(plain, level === undefined ? {} : { params: { [zlib.ZSTD_c_compressionLevel]: level } });
    default:
      return unreachable(codec);
  }
};

/** Never makes more than `bytesMax` bytes, however small a bomb is. Throws MalformedFrame for that and for damaged input. */
export const decompressRecords: RecordDecompressor = (codec, packed, bytesMax) => {
  try {
    return unpack(codec, packed, bytesMax);
  } catch (error) {
    if (error instanceof MalformedFrame) throw error;
    throw new MalformedFrame(`${codec}: ${error instanceof Error ? error.message : String(error)}`);
  }
};

function unpack(codec: CompressionCodec, packed: Buffer, bytesMax: number): Buffer {
  // zlib refuses a limit of 0
  const maxOutputLength = Math.max(bytesMax, 1);
  switch (codec) {
    case "none":
      return packed;
    case "gzip":
      return gunzipSync(packed, { maxOutputLength });
    case "snappy":
      return isXerial(packed) ? readXerial(packed, bytesMax) : readSnappyBlock(packed, bytesMax);
    case "lz4":
      return readLz4Frames(packed, bytesMax);
    case "zstd":
      return zstdDecompressSync(packed, { maxOutputLength });
    default:
      return unreachable(codec);
  }
}

function tooLarge(codec: CompressionCodec, bytesMax: number): MalformedFrame {
  return new MalformedFrame(`${codec}: unpacks to more than ${bytesMax} bytes`);
}

// Snappy. Kafka's clients wrap raw blocks in the framing of xerial's Java library: a header, then blocks with their lengths. Some send one raw block.

const xerialMagic = Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0x00]);
const xerialHeaderBytes = 16;
const xerialVersion = 1;
/** The Java client's block size. */
const xerialBlockBytes = 32 * 1024;

function isXerial(packed: Buffer): boolean {
  return packed.length >= xerialHeaderBytes && packed.subarray(0, xerialMagic.length).equals(xerialMagic);
}

function writeXerial(plain: Buffer): Buffer {
  const header = Buffer.alloc(xerialHeaderBytes);
  xerialMagic.copy(header);
  header.writeInt32BE(xerialVersion, 8);
  header.writeInt32BE(xerialVersion, 12); // lowest version that can read it
  const pieces: Buffer[] = [header];
  for (let at = 0; at < plain.length; at += xerialBlockBytes) {
    const block = snappyCompress(plain.subarray(at, at + xerialBlockBytes));
    const length = Buffer.alloc(4);
    length.writeInt32BE(block.length);
    pieces.push(length, block);
  }
  return Buffer.concat(pieces);
}

function readXerial(packed: Buffer, bytesMax: number): Buffer {
  const pieces: Buffer[] = [];
  let room = bytesMax;
  for (let at = xerialHeaderBytes; at < packed.length; ) {
    if (packed.length - at < 4) throw new MalformedFrame("snappy: block length is cut off");
    const length = packed.readInt32BE(at);
    at += 4;
    if (length < 0 || length > packed.length - at)
      throw new MalformedFrame(`snappy: block of ${length} bytes with ${packed.length - at} left`);
    const piece = readSnappyBlock(packed.subarray(at, at + length), room);
    room -= piece.length;
    pieces.push(piece);
    at += length;
  }
  return pieces.length === 1 ? (pieces[0] as Buffer) : Buffer.concat(pieces);
}

function readSnappyBlock(block: Buffer, bytesMax: number): Buffer {
  // the block begins with the plain length; the library allocates that much before it looks further
  let length = 0;
  let at = 0;
  for (let scale = 1; ; scale *= 128) {
    const byte = block[at++];
    if (byte === undefined || at > 5) throw new MalformedFrame("snappy: no length");
    length += (byte & 0x7f) * scale;
    if (byte < 0x80) break;
  }
  if (length > bytesMax) throw tooLarge("snappy", bytesMax);
  return snappyUncompress(block) as Buffer;
}

// LZ4, in its frame format. The library has no bound on what it makes, so the frame's structure is walked first.

const lz4Magic = 0x184d2204;
/** Each input byte of a block makes at most this many. */
const lz4RatioMax = 255;

function readLz4Frames(packed: Buffer, bytesMax: number): Buffer {
  const pieces: Buffer[] = [];
  let room = bytesMax;
  let at = 0;
  do {
    const { endPosition, bytesAtMost } = walkLz4Frame(packed, at);
    const frame = packed.subarray(at, endPosition);
    if (bytesAtMost > room && exactLz4Bytes(packed, at) > room) throw tooLarge("lz4", bytesMax);
    const piece = decompressFrameSync(frame);
    room -= piece.length;
    pieces.push(piece);
    at = endPosition;
  } while (at < packed.length);
  return pieces.length === 1 ? (pieces[0] as Buffer) : Buffer.concat(pieces);
}

interface Lz4Block {
  readonly start: number;
  readonly end: number;
  readonly isPlain: boolean;
}

interface Lz4Frame {
  readonly endPosition: number;
  readonly blockBytesMax: number;
  readonly blocks: readonly Lz4Block[];
  readonly bytesAtMost: number;
}

function walkLz4Frame(packed: Buffer, from: number): Lz4Frame {
  const need = (at: number, length: number) => {
    if (packed.length - at < length) throw new MalformedFrame("lz4: frame is cut off");
  };
  need(from, 7);
  if (packed.readUInt32LE(from) !== lz4Magic) throw new MalformedFrame("lz4: no frame");
  const flags = packed[from + 4] as number;
  const blockSizeId = ((packed[from + 5] as number) >> 4) & 7;
  if (flags >> 6 !== 1 || blockSizeId < 4) throw new MalformedFrame("lz4: unknown frame version or block size");
  const blockBytesMax = 2 ** (8 + 2 * blockSizeId);
  const blockChecksumBytes = (flags & 0x10) !== 0 ? 4 : 0;
  let at = from + 7 + ((flags & 0x08) !== 0 ? 8 : 0) + ((flags & 0x01) !== 0 ? 4 : 0);
  const blocks: Lz4Block[] = [];
  let bytesAtMost = 0;
  for (;;) {
    need(at, 4);
    const field = packed.readUInt32LE(at);
    at += 4;
    if (field === 0) break;
    const length = field & 0x7fffffff;
    const isPlain = field >= 2 ** 31;
    need(at, length + blockChecksumBytes);
    if (length > blockBytesMax) throw new MalformedFrame(`lz4: block of ${length} bytes, at most ${blockBytesMax}`);
    blocks.push({ start: at, end: at + length, isPlain });
    bytesAtMost += isPlain ? length : Math.min(blockBytesMax, length * lz4RatioMax);
    at += length + blockChecksumBytes;
  }
  const contentChecksumBytes = (flags & 0x04) !== 0 ? 4 : 0;
  need(at, contentChecksumBytes);
  return { endPosition: at + contentChecksumBytes, blockBytesMax, blocks, bytesAtMost };
}

/** Adds up the lengths in the blocks' sequences without copying anything. Only for frames whose structure leaves it open whether they fit. */
function exactLz4Bytes(packed: Buffer, from: number): number {
  let total = 0;
  for (const { start, end, isPlain } of walkLz4Frame(packed, from).blocks) {
    total += isPlain ? end - start : lz4BlockBytes(packed, start, end);
  }
  return total;
}

function lz4BlockBytes(packed: Buffer, start: number, end: number): number {
  let total = 0;
  let at = start;
  const extended = (nibble: number): number => {
    let length = nibble;
    if (nibble === 15) {
      for (let byte = 255; byte === 255; ) {
        if (at >= end) throw new MalformedFrame("lz4: sequence is cut off");
        byte = packed[at++] as number;
        length += byte;
      }
    }
    return length;
  };
  while (at < end) {
    const token = packed[at++] as number;
    const literals = extended(token >> 4);
    at += literals;
    total += literals;
    if (at >= end) break; // the last sequence has literals only
    at += 2; // where the match is
    total += extended(token & 15) + 4;
  }
  return total;
}
