import type { CompressionCodec } from "./batch-header.ts";

/** Packs the records of a batch. `level` as the codec counts; snappy and lz4 have none. */
export type RecordCompressor = (codec: CompressionCodec, plain: Buffer, level?: number) => Buffer;

/** As above, without blocking the calling thread. The bytes must not change meanwhile. */
export type RecordCompressorAside = (codec: CompressionCodec, plain: Buffer, level?: number) => Promise<Buffer>;

/** Unpacks them. Throws MalformedFrame when they are damaged or would take more than `bytesMax`. */
export type RecordDecompressor = (codec: CompressionCodec, packed: Buffer, bytesMax: number) => Buffer;

/** As above, without blocking the calling thread. */
export type RecordDecompressorAside = (codec: CompressionCodec, packed: Buffer, bytesMax: number) => Promise<Buffer>;

/** A batch is compressed, and its reader or writer has no codecs. */
export class CompressionUnavailable extends Error {
  override readonly name = "CompressionUnavailable";
}

/** For parts that never touch compressed records. */
export const uncompressedOnly = (codec: CompressionCodec, bytes: Buffer): Buffer => {
  if (codec !== "none") throw new CompressionUnavailable(`records are compressed with ${codec}`);
  return bytes;
};
