import { MalformedFrame } from "../../wire/reader.ts";
import { Pieces, type Unpacking } from "./unpacking.ts";

const magic = 0xfd2fb528;
const skippableMagic = 0x184d2a50;
const skippableMask = 0xfffffff0;
const framesMax = 1024;
const blockBytesMax = 128 * 1024;

interface ZstdFrame {
  readonly endPosition: number;
  readonly isSkippable: boolean;
  /** The most bytes it unpacks to, by its blocks. */
  readonly bytesAtMost: number;
}

/**
 * Frame after frame, to the last byte. The library's one-shot call ends after the first frame, and reports neither what follows nor that
 * the frame was cut off. So the structure is walked here, and the library gets one whole frame at a time.
 */
export function* unpackZstd(packed: Buffer, bytesMax: number): Unpacking {
  const pieces = new Pieces("zstd", bytesMax, framesMax);
  let at = 0;
  do {
    const { endPosition, isSkippable, bytesAtMost } = walkFrame(packed, at);
    pieces.expect(0);
    if (!isSkippable) {
      const input = at === 0 && endPosition === packed.length ? packed : packed.subarray(at, endPosition);
      pieces.add((yield { library: "zstd", input, bytesMax: pieces.room, bytesExpected: bytesAtMost }).bytes);
    }
    at = endPosition;
  } while (at < packed.length);
  return pieces.whole();
}

function walkFrame(packed: Buffer, from: number): ZstdFrame {
  const need = (at: number, bytes: number) => {
    if (packed.length - at < bytes) throw new MalformedFrame("zstd: frame is cut off");
  };
  need(from, 5);
  const word = packed.readUInt32LE(from);
  if ((word & skippableMask) >>> 0 === skippableMagic) {
    need(from, 8);
    const bytes = packed.readUInt32LE(from + 4);
    need(from + 8, bytes);
    return { endPosition: from + 8 + bytes, isSkippable: true, bytesAtMost: 0 };
  }
  if (word !== magic) throw new MalformedFrame("zstd: no frame");
  const descriptor = packed[from + 4] as number;
  const isSingleSegment = (descriptor & 0x20) !== 0;
  const windowBytes = isSingleSegment ? 0 : 1;
  const dictionaryBytes = [0, 1, 2, 4][descriptor & 3] as number;
  const sizeBytes = [isSingleSegment ? 1 : 0, 2, 4, 8][descriptor >> 6] as number;
  let at = from + 5 + windowBytes + dictionaryBytes + sizeBytes;
  let bytesAtMost = 0;
  for (let isLast = false; !isLast; ) {
    need(at, 3);
    const head = packed.readUIntLE(at, 3);
    isLast = (head & 1) !== 0;
    const [kind, size] = [(head >> 1) & 3, head >> 3];
    // 0 raw, 1 one byte repeated, 2 compressed
    if (kind === 3) throw new MalformedFrame("zstd: reserved kind of block");
    bytesAtMost += kind === 2 ? blockBytesMax : size;
    at += 3 + (kind === 1 ? 1 : size);
  }
  const checksumBytes = (descriptor & 0x04) !== 0 ? 4 : 0;
  need(at, checksumBytes);
  return { endPosition: at + checksumBytes, isSkippable: false, bytesAtMost };
}
