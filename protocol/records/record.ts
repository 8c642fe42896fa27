/** A record's header: application metadata. Keys may repeat. */
export interface RecordHeader {
  readonly key: string;
  readonly value: Buffer | null;
}

/**
 * A record may have so many. Kafka has no bound; whoever reads makes an object of each, so that a batch of a few kilobytes could cost its
 * readers gigabytes. A broker takes no record that has more, a producer sends none, and whoever reads them throws MalformedFrame.
 */
export const recordHeadersMax = 65_536;

/** What a batch keeps of a record. */
export interface RecordToEncode {
  readonly key: Buffer | null;
  /** Null is a tombstone: under compaction it deletes the key. */
  readonly value: Buffer | null;
  readonly headers?: readonly RecordHeader[];
  /** Milliseconds since 1970; -1: none. */
  readonly timestampMs: number;
}

/** A record read from a batch. Its buffers are views on the batch (or on what it unpacked to): copy what is kept for long. */
export interface DecodedRecord {
  readonly offset: number;
  readonly timestampMs: number;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers: readonly RecordHeader[];
}
