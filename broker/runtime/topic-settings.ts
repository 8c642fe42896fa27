/** A topic's settings, resolved: the topic's own, else the broker's default, else Kafka's. Names, units and defaults as in Kafka 3.9. */
export interface TopicSettings {
  readonly cleanupPolicy: "delete" | "compact" | "compact,delete";
  readonly compressionType: "producer" | "uncompressed" | "gzip" | "snappy" | "lz4" | "zstd";
  /** Messages between forced fsyncs. */
  readonly flushMessages: number;
  readonly flushMs: number;
  readonly indexIntervalBytes: number;
  /** Largest batch accepted, bytes. */
  readonly maxMessageBytes: number;
  readonly messageTimestampType: "CreateTime" | "LogAppendTime";
  readonly minInsyncReplicas: number;
  readonly retentionBytes: number;
  readonly retentionMs: number;
  readonly segmentBytes: number;
  readonly segmentIndexBytes: number;
  readonly segmentMs: number;
  readonly uncleanLeaderElectionEnable: boolean;
}
