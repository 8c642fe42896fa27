import type { BrokerValues } from "./broker-settings.ts";

/** The group coordinator's settings as code uses them; the setting behind each is told by its name. */
export interface GroupConfig {
  readonly sessionTimeoutMinMs: number;
  readonly sessionTimeoutMaxMs: number;
  readonly initialRebalanceDelayMs: number;
  readonly groupMaxSize: number;
  readonly offsetMetadataMaxBytes: number;
  readonly offsetsRetentionMs: number;
  readonly offsetsRetentionCheckIntervalMs: number;
  readonly offsetsCommitTimeoutMs: number;
  readonly offsetsLoadBufferBytes: number;
  readonly offsetsTopicPartitions: number;
  readonly offsetsTopicReplicationFactor: number;
  readonly offsetsTopicSegmentBytes: number;
}

export function groupConfig(values: BrokerValues): GroupConfig {
  return {
    sessionTimeoutMinMs: values["group.min.session.timeout.ms"],
    sessionTimeoutMaxMs: values["group.max.session.timeout.ms"],
    initialRebalanceDelayMs: values["group.initial.rebalance.delay.ms"],
    groupMaxSize: values["group.max.size"],
    offsetMetadataMaxBytes: values["offset.metadata.max.bytes"],
    offsetsRetentionMs: values["offsets.retention.minutes"] * 60_000,
    offsetsRetentionCheckIntervalMs: values["offsets.retention.check.interval.ms"],
    offsetsCommitTimeoutMs: values["offsets.commit.timeout.ms"],
    offsetsLoadBufferBytes: values["offsets.load.buffer.size"],
    offsetsTopicPartitions: values["offsets.topic.num.partitions"],
    offsetsTopicReplicationFactor: values["offsets.topic.replication.factor"],
    offsetsTopicSegmentBytes: values["offsets.topic.segment.bytes"],
  };
}
