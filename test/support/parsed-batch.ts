import { type ParsedBatch, readBatchInfo } from "../../protocol/records/batch-header.ts";

/** One batch as a producer sends it, parsed as a broker hands it to its log. */
export function parsedBatch(bytes: Buffer): ParsedBatch {
  const header = readBatchInfo(bytes, 0);
  if (header === null || header.sizeInBytes !== bytes.length) throw new Error("not one batch that can be parsed");
  return { bytes, header };
}
