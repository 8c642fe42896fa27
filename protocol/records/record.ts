/** A record's header: application metadata. Keys may repeat. */
export interface RecordHeader {
  readonly key: string;
  readonly value: Buffer | null;
}

/**
 * A record may have this many headers. Kafka has no bound; but readers make an object of each, so a batch of a few kilobytes could cost
 * them gigabytes. A broker accepts no record that has more, a producer sends none, and readers throw MalformedFrame.
 */
export const recordHeadersMax = 65_536;

/** What a batch stores of a record. */
export interface RecordToEncode {
  readonly key: Buffer | null;
  /** Null is a tombstone: under compaction it deletes the key. */
  readonly value: Buffer | null;
  readonly headers?: readonly RecordHeader[];
  /** Milliseconds since 1970; -1: none. */
  readonly timestampMs: number;
}

/** A record read from a batch. Its buffers are views on the batch (or on the unpacked bytes): copy what is kept for long. */
export interface DecodedRecord {
  readonly offset: number;
  readonly timestampMs: number;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers: readonly RecordHeader[];
}
