import { MalformedFrame } from "../../wire/reader.ts";
import { Pieces, type Unpacking } from "./unpacking.ts";

const magic = 0x184d2204;
const flag = {
  versionMask: 0xc0,
  version1: 0x40,
  independent: 0x20,
  blockChecksum: 0x10,
  contentSize: 0x08,
  contentChecksum: 0x04,
  unknown: 0x03,
} as const;
/** Each input byte of a block unpacks to this many bytes at most. */
const ratioMax = 255;

/**
 * The first frame, as Kafka's own Lz4BlockInputStream reads it: blocks that do not refer to each other, no dictionary; what follows the
 * frame is ignored. The library reads more than that: linked blocks, and frame after frame; a Java consumer would never see those records.
 * It has no bound on its output, so the frame's structure is walked first.
 */
export function* unpackLz4(packed: Buffer, bytesMax: number): Unpacking {
  const pieces = new Pieces("lz4", bytesMax, 1);
  const frame = walkFrame(packed);
  const bytesExpected = frame.bytesAtMost <= bytesMax ? frame.bytesAtMost : exactBytes(packed);
  pieces.expect(bytesExpected);
  const input = packed.subarray(0, frame.endPosition);
  pieces.add((yield { library: "lz4-frame", input, bytesMax, bytesExpected }).bytes);
  return pieces.whole();
}

interface Frame {
  readonly endPosition: number;
  /** By the blocks' lengths; their contents were not read. */
  readonly bytesAtMost: number;
}

function walkFrame(packed: Buffer, visit: (start: number, end: number, isPlain: boolean) => void = () => undefined): Frame {
  const need = (at: number, length: number) => {
    if (packed.length - at < length) throw new MalformedFrame("lz4: frame is cut off");
  };
  need(0, 7);
  if (packed.readUInt32LE(0) !== magic) throw new MalformedFrame("lz4: no frame");
  const flags = packed[4] as number;
  if ((flags & flag.versionMask) !== flag.version1) throw new MalformedFrame("lz4: unknown frame version");
  if ((flags & flag.unknown) !== 0) throw new MalformedFrame("lz4: a dictionary, or a flag that is reserved");
  if ((flags & flag.independent) === 0) throw new MalformedFrame("lz4: linked blocks, which Kafka's Java client does not read");
  const blockSizeId = (packed[5] as number) >> 4;
  if (blockSizeId < 4 || blockSizeId > 7) throw new MalformedFrame("lz4: unknown block size");
  const blockBytesMax = 2 ** (8 + 2 * blockSizeId);
  const blockChecksumBytes = (flags & flag.blockChecksum) !== 0 ? 4 : 0;
  let at = 7 + ((flags & flag.contentSize) !== 0 ? 8 : 0);
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
    visit(at, at + length, isPlain);
    bytesAtMost += isPlain ? length : Math.min(blockBytesMax, length * ratioMax);
    at += length + blockChecksumBytes;
  }
  const contentChecksumBytes = (flags & flag.contentChecksum) !== 0 ? 4 : 0;
  need(at, contentChecksumBytes);
  return { endPosition: at + contentChecksumBytes, bytesAtMost };
}

/**
 * Adds up the lengths in the blocks' sequences without copying anything. Only for frames whose structure does not tell whether they fit.
 */
function exactBytes(packed: Buffer): number {
  let total = 0;
  walkFrame(packed, (start, end, isPlain) => {
    total += isPlain ? end - start : blockBytes(packed, start, end);
  });
  return total;
}

function blockBytes(packed: Buffer, start: number, end: number): number {
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
    at += 2; // the match's offset
    total += extended(token & 15) + 4;
  }
  return total;
}
