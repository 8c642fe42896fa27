import { readInt64, writeInt64 } from "../../../protocol/records/batch-header.ts";
import type { IndexFormat } from "./index-file.ts";

/** A transaction that was aborted, by its marker in the log. */
export interface AbortedTransaction {
  readonly producerId: number;
  readonly firstOffset: number;
  /** Of the marker. */
  readonly offset: number;
  /** Up to there every transaction had its marker when this one got its own. */
  readonly lastStableOffset: number;
}

const version = 0;
const at = { version: 0, producerId: 2, firstOffset: 10, lastOffset: 18, lastStableOffset: 26 } as const;

/**
 * `.txnindex`: of each segment, the aborted transactions whose markers are in it, in their order. Kafka's: version int16, producer id
 * int64, first offset int64, the marker's offset int64, last stable offset int64. A segment without any has no such file.
 */
export const abortedIndexFormat: IndexFormat<AbortedTransaction> = {
  entryBytes: 34,
  keyAt: (bytes, from) => readInt64(bytes, from + at.lastOffset),
  secondaryAt: (bytes, from) => readInt64(bytes, from + at.lastOffset),
  read: (bytes, from) => ({
    producerId: readInt64(bytes, from + at.producerId),
    firstOffset: readInt64(bytes, from + at.firstOffset),
    offset: readInt64(bytes, from + at.lastOffset),
    lastStableOffset: readInt64(bytes, from + at.lastStableOffset),
  }),
  write: (bytes, from, { producerId, firstOffset, offset, lastStableOffset }) => {
    bytes.writeInt16BE(version, from + at.version);
    writeInt64(bytes, from + at.producerId, producerId);
    writeInt64(bytes, from + at.firstOffset, firstOffset);
    writeInt64(bytes, from + at.lastOffset, offset);
    writeInt64(bytes, from + at.lastStableOffset, lastStableOffset);
  },
};
