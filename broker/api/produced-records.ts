import type { Outcome } from "../../protocol/errors/kafka-errors.ts";
import { attributeBits, batchHeaderBytes, currentMagic, fieldAt } from "../../protocol/records/batch-header.ts";

/** Kafka's number for zstd in a batch's attributes. */
const zstdCodec = 4;

/** Produce versions before this one know no zstd (KIP-110). */
const zstdSinceVersion = 7;

/**
 * The checks of a partition's records that need the request: that there are any, and that the request's version allows their codec.
 * Everything else about the batch, damage included, is checked by the partition.
 */
export function recordsProblem(records: readonly Buffer[] | null, version: number): Outcome<{ readonly batch: Buffer }> {
  const [batch] = records ?? [];
  if (records === null || batch === undefined || batch.length === 0)
    return { error: "INVALID_RECORD", message: "a partition without a record batch" };
  const whole = records.length === 1 ? batch : Buffer.concat(records);
  if (version < zstdSinceVersion && isZstd(whole))
    return { error: "UNSUPPORTED_COMPRESSION_TYPE", message: "zstd needs Produce version 7" };
  return { error: null, batch: whole };
}

function isZstd(batch: Buffer): boolean {
  if (batch.length < batchHeaderBytes || batch.readInt8(fieldAt.magic) !== currentMagic) return false;
  return (batch.readInt16BE(fieldAt.attributes) & attributeBits.codecMask) === zstdCodec;
}
