import type { File } from "../../runtime/files.ts";
import type { AbortedTransaction } from "./aborted-index.ts";
import type { GrowingIndex, OffsetEntry, TimeEntry } from "./index-file.ts";

/** What a segment has while it is the log's active one. */
export interface Growing {
  readonly file: File;
  readonly offsets: GrowingIndex<OffsetEntry>;
  readonly times: GrowingIndex<TimeEntry>;
  readonly aborted: GrowingIndex<AbortedTransaction>;
  /** As of what was written. */
  readonly maxTimestampMs: number;
  readonly offsetOfMaxTimestamp: number;
}

/** Sizes of a segment's index files. */
export interface IndexBytes {
  readonly index: number;
  readonly timeindex: number;
  readonly txnindex: number;
}
