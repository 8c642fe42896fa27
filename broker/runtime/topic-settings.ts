/** A topic's settings, resolved: the topic's own, else the broker's default, else Kafka's. Names, units and defaults as in Kafka 3.9. */
export interface TopicSettings {
  readonly cleanupPolicy: "delete" | "compact" | "compact,delete";
  /** Where the broker compresses; gzip's -1 is its own choice. */
  readonly compressionGzipLevel: number;
  readonly compressionZstdLevel: number;
  /** How long compaction keeps a tombstone. */
  readonly deleteRetentionMs: number;
  /** How long a removed segment's files stay, renamed. */
  readonly fileDeleteDelayMs: number;
  readonly compressionType: "producer" | "uncompressed" | "gzip" | "snappy" | "lz4" | "zstd";
  /** Messages between forced fsyncs. */
  readonly flushMessages: number;
  readonly flushMs: number;
  readonly indexIntervalBytes: number;
  /** Largest batch accepted, bytes. */
  readonly maxMessageBytes: number;
  /** A record younger than this is not compacted; one older than the maximum makes its log due. */
  readonly minCompactionLagMs: number;
  readonly maxCompactionLagMs: number;
  /** Share of a log, in bytes, that must be new before it is compacted; 0 to 1. */
  readonly minCleanableDirtyRatio: number;
  /** How far a record's timestamp may lie before and after the broker's clock. */
  readonly messageTimestampBeforeMaxMs: number;
  readonly messageTimestampAfterMaxMs: number;
  readonly messageTimestampType: "CreateTime" | "LogAppendTime";
  readonly minInsyncReplicas: number;
  /** -1: no limit. */
  readonly retentionBytes: number;
  /** -1: for ever. */
  readonly retentionMs: number;
  readonly segmentBytes: number;
  readonly segmentIndexBytes: number;
  /** Largest random part taken off `segmentMs`, another one for each segment. */
  readonly segmentJitterMs: number;
  readonly segmentMs: number;
  readonly uncleanLeaderElectionEnable: boolean;
}
