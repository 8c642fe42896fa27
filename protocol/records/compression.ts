import { promisify } from "node:util";
// as a whole: of a name that this Node does not have, an old Node says so before anything can tell what is missing
import zlib, { type InputType, type ZlibOptions, type ZstdOptions } from "node:zlib";
import { compressFrame, compressFrameSync, decompressFrame, decompressFrameSync } from "lz4-napi";
import { uncompress as snappyUncompress, uncompressSync as snappyUncompressSync } from "snappy";
import { unreachable } from "../base/invariant.ts";
import { MalformedFrame } from "../wire/reader.ts";
import type { CompressionCodec } from "./batch-header.ts";
import type { RecordCompressor, RecordCompressorAside, RecordDecompressor, RecordDecompressorAside } from "./codec.ts";
import { unpackGzip } from "./codecs/gzip.ts";
import { unpackLz4 } from "./codecs/lz4.ts";
import { packSnappy, packSnappyAside, unpackSnappy } from "./codecs/snappy.ts";
import {
  callCostBytes,
  type UnpackCall,
  type UnpackedPiece,
  type Unpacking,
  type UnpackingBudget,
  UnpacksToTooMuch,
} from "./codecs/unpacking.ts";
import { unpackZstd } from "./codecs/zstd.ts";

/** Every codec of the protocol. In a file of its own: a program that never reads compressed batches need not load native code. */
export const compressRecords: RecordCompressor = (codec, plain, level) => {
  switch (codec) {
    case "none":
      return plain;
    case "gzip":
      return zlib.gzipSync(plain, level === undefined ? {} : { level });
    case "snappy":
      return packSnappy(plain);
    case "lz4":
      return compressFrameSync(plain);
    case "zstd":
      return zlib.zstdCompressSync(plain, level === undefined ? {} : { params: { [zlib.constants.ZSTD_c_compressionLevel]: level } });
    default:
      return unreachable(codec);
  }
};

/** The same, with the work done by other threads. */
export const compressRecordsAside: RecordCompressorAside = async (codec, plain, level) => {
  switch (codec) {
    case "none":
      return plain;
    case "gzip":
      return gzipAside(plain, level === undefined ? {} : { level });
    case "snappy":
      return packSnappyAside(plain);
    case "lz4":
      return compressFrame(plain);
    case "zstd":
      return zstdPackAside(plain, level === undefined ? {} : { params: { [zlib.constants.ZSTD_c_compressionLevel]: level } });
    default:
      return unreachable(codec);
  }
};

const gzipAside = promisify<InputType, ZlibOptions, Buffer>(zlib.gzip);
const zstdPackAside = promisify<InputType, ZstdOptions, Buffer>(zlib.zstdCompress);

/**
 * Never produces more than `bytesMax` bytes, however small the input is: throws UnpacksToTooMuch. Throws MalformedFrame for damaged input,
 * and for input that Kafka's Java client cannot read: a record packed in such a way would be lost to it for ever.
 */
export const decompressRecords: RecordDecompressor = (codec, packed, bytesMax) => {
  if (codec === "none") return packed;
  try {
    const unpacking = unpack(codec, packed, bytesMax);
    for (let step = unpacking.next(); ; ) {
      if (step.done) return step.value;
      step = unpacking.next(callNow(step.value));
    }
  } catch (error) {
    throw asMalformed(codec, bytesMax, error);
  }
};

/**
 * What the calls for one batch may cost within a turn: some milliseconds, 64 of the most expensive. A batch has one piece or, as Java's
 * client packs with snappy, one per 32 KiB.
 */
const callsCostBytesMax = 4 * 1024 * 1024;

/**
 * The same for one turn of the event loop, within the turn's remaining budget, which is charged for it. Null: the batch has so many pieces
 * that it takes longer than that.
 */
export function decompressRecordsWithin(budget: UnpackingBudget, codec: CompressionCodec, packed: Buffer, bytesMax: number): Buffer | null {
  if (codec === "none") return packed;
  try {
    const unpacking = unpack(codec, packed, bytesMax);
    let step = unpacking.next();
    for (let costLeft = callsCostBytesMax; !step.done; ) {
      costLeft -= callCostBytes[step.value.library];
      if (costLeft < 0) return null;
      step = unpacking.next(callWithin(budget, step.value));
    }
    return step.value;
  } catch (error) {
    throw asMalformed(codec, bytesMax, error);
  }
}

/** The same, with the work done by other threads. For batches that would block this one. */
export const decompressRecordsAside: RecordDecompressorAside = async (codec, packed, bytesMax) => {
  if (codec === "none") return packed;
  try {
    const unpacking = unpack(codec, packed, bytesMax);
    for (let step = unpacking.next(); ; ) {
      if (step.done) return step.value;
      step = unpacking.next(await callAside(step.value));
    }
  } catch (error) {
    throw asMalformed(codec, bytesMax, error);
  }
};

/** Both, for callers that get them injected. When the threads are done is decided neither by a clock nor by a simulator. */
export const codecsAside = { pack: compressRecordsAside, unpack: decompressRecordsAside } as const;

function unpack(codec: Exclude<CompressionCodec, "none">, packed: Buffer, bytesMax: number): Unpacking {
  switch (codec) {
    case "gzip":
      return unpackGzip(packed, bytesMax);
    case "snappy":
      return unpackSnappy(packed, bytesMax);
    case "lz4":
      return unpackLz4(packed, bytesMax);
    case "zstd":
      return unpackZstd(packed, bytesMax);
    default:
      return unreachable(codec);
  }
}

function callNow(call: UnpackCall): UnpackedPiece {
  const { library, input } = call;
  switch (library) {
    case "inflate-raw":
      return inflated(zlib.inflateRawSync(input, { ...outputOf(call), info: true }));
    case "zstd":
      return whole(input, zlib.zstdDecompressSync(input, outputOf(call)));
    case "snappy":
      return whole(input, snappyUncompressSync(input) as Buffer);
    case "lz4-frame":
      return whole(input, decompressFrameSync(input));
    default:
      return unreachable(library);
  }
}

function callWithin(budget: UnpackingBudget, call: UnpackCall): UnpackedPiece {
  budget.unpackedBytesLeft -= callCostBytes[call.library];
  let madeBytes = call.bytesMax;
  try {
    const piece = callNow(call);
    madeBytes = Math.max(piece.bytes.length - piece.consumedBytes, 0);
    return piece;
  } finally {
    budget.unpackedBytesLeft -= madeBytes;
  }
}

const inflateRawAside = promisify<InputType, ZlibOptions, Buffer>(zlib.inflateRaw);
const zstdAside = promisify<InputType, ZstdOptions, Buffer>(zlib.zstdDecompress);

/**
 * In one chunk, where the length is known: otherwise this thread would join the chunks, all 64 MiB of them. Memory that is not written to
 * is not used.
 */
async function callAside(call: UnpackCall): Promise<UnpackedPiece> {
  const { library, input, bytesMax } = call;
  switch (library) {
    case "inflate-raw":
      return inflated(await inflateRawAside(input, { ...outputOf(call, bytesMax, chunkAsideBytesMin), info: true }));
    case "zstd":
      return whole(input, await zstdAside(input, outputOf(call, bytesMax, chunkAsideBytesMin)));
    case "snappy":
      return whole(input, (await snappyUncompress(input)) as Buffer);
    case "lz4-frame":
      return whole(input, await decompressFrame(input));
    default:
      return unreachable(library);
  }
}

function whole(input: Buffer, bytes: Buffer): UnpackedPiece {
  return { bytes, consumedBytes: input.length };
}

/** What zlib returns when called with `info`; the types declare only the bytes. */
function inflated(answer: unknown): UnpackedPiece {
  const { buffer, engine } = answer as { readonly buffer: Buffer; readonly engine: { readonly bytesWritten: number } };
  return { bytes: buffer, consumedBytes: engine.bytesWritten };
}

/** zlib's library allocates its output a chunk at a time, each with a call of its own. */
const chunkBytesMin = 1024;
const chunkBytesMax = 256 * 1024;
/** Each chunk goes to another thread and back. The expected size may be much less than the real one. */
const chunkAsideBytesMin = 64 * 1024;

function outputOf(
  { bytesMax, bytesExpected }: UnpackCall,
  chunkMax = chunkBytesMax,
  chunkMin = chunkBytesMin,
): { readonly maxOutputLength: number; readonly chunkSize: number } {
  const chunkSize = Math.max(Math.min(bytesExpected, bytesMax, chunkMax), chunkMin);
  // it rejects a limit of 0
  return { maxOutputLength: Math.max(bytesMax, 1), chunkSize };
}

function asMalformed(codec: CompressionCodec, bytesMax: number, error: unknown): Error {
  if (error instanceof MalformedFrame) return error;
  if (error instanceof RangeError && (error as NodeJS.ErrnoException).code === "ERR_BUFFER_TOO_LARGE")
    return new UnpacksToTooMuch(codec, bytesMax);
  return new MalformedFrame(`${codec}: ${error instanceof Error ? error.message : String(error)}`);
}
