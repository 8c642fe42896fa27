import {
  batchHeaderBytes,
  batchPrefixBytes,
  type CompressionCodec,
  compressionCodecs,
  fieldAt,
  sealBatch,
} from "../../../../protocol/records/batch-header.ts";
import { encodeBatch } from "../../../../protocol/records/encode-batch.ts";
import { gzipShapes } from "./gzip-shapes.ts";
import { lz4Shapes } from "./lz4-shapes.ts";
import type { ShapeRow } from "./shape-row.ts";
import { snappyShapes } from "./snappy-shapes.ts";
import { zstdShapes } from "./zstd-shapes.ts";

/** One way in which records can be packed. */
export interface CodecShape {
  readonly codec: CompressionCodec;
  readonly name: string;
  readonly packed: Buffer;
  /** Whether the classes of Apache Kafka 3.9.1 read it, consumer and broker alike. */
  readonly kafka: "reads" | "refuses";
  /** Where it is not as Kafka: why it is refused. Nothing that Kafka refuses is read. */
  readonly refusedBecause?: string;
}

export const shapeRecords = Array.from({ length: 40 }, (_, i) => ({
  key: Buffer.from(`key-${i}`),
  value: Buffer.from(`the value of record ${i}, like that of others`),
  timestampMs: 1_700_000_000_000 + i,
}));

/** The records unpacked, and where the half of them ends. */
export const plain = encodeBatch(shapeRecords).subarray(batchHeaderBytes);

const uncompressedShapes: readonly ShapeRow[] = [
  ["as it should be", plain, "reads"],
  ["a byte behind the last record", Buffer.concat([plain, Buffer.of(0)]), "refuses"],
  ["a byte is missing", plain.subarray(0, -1), "refuses"],
];

const rowsOf: Readonly<Record<CompressionCodec, readonly ShapeRow[]>> = {
  none: uncompressedShapes,
  gzip: gzipShapes(plain),
  snappy: snappyShapes(plain),
  lz4: lz4Shapes(plain),
  zstd: zstdShapes(plain),
};

export const codecShapes: readonly CodecShape[] = compressionCodecs.flatMap((codec) =>
  rowsOf[codec].map(([name, packed, kafka, refusedBecause]) => ({
    codec,
    name,
    packed,
    kafka,
    ...(refusedBecause === undefined ? {} : { refusedBecause }),
  })),
);

/** The batch of `shapeRecords` with these bytes in the place of its records. */
export function batchOfShape({ codec, packed }: Pick<CodecShape, "codec" | "packed">): Buffer {
  const bytes = Buffer.concat([encodeBatch(shapeRecords).subarray(0, batchHeaderBytes), packed]);
  bytes.writeInt32BE(bytes.length - batchPrefixBytes, fieldAt.batchLength);
  bytes.writeInt16BE(compressionCodecs.indexOf(codec), fieldAt.attributes);
  sealBatch(bytes, 0, bytes.length);
  return bytes;
}
