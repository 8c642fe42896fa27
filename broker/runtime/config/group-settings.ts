import { int, intMax, list, long, short } from "./definition.ts";
import { brokerSetting } from "./setting.ts";

const minuteMs = 60_000;

/** Of the group coordinator. */
export const groupSettings = {
  sessionTimeoutMinMs: brokerSetting(
    "group.min.session.timeout.ms",
    int(6000, "The shortest session timeout that a member of a group may ask for.", { min: 0, unit: "milliseconds" }),
  ),
  sessionTimeoutMaxMs: brokerSetting(
    "group.max.session.timeout.ms",
    int(1800000, "The longest session timeout that a member of a group may ask for.", { min: 0, unit: "milliseconds" }),
  ),
  initialRebalanceDelayMs: brokerSetting(
    "group.initial.rebalance.delay.ms",
    int(
      3000,
      "How long a group waits for more members before its first rebalance, and again for each that comes, up to its rebalance timeout. Each rebalance saved is worth the wait.",
      { min: 0, unit: "milliseconds" },
    ),
  ),
  groupMaxSize: brokerSetting(
    "group.max.size",
    int(intMax, "Members of a classic group; more are refused (GROUP_MAX_SIZE_REACHED).", { min: 1 }),
  ),
  offsetMetadataMaxBytes: brokerSetting(
    "offset.metadata.max.bytes",
    int(4096, "The longest text that may be committed with an offset.", { min: 0, unit: "bytes" }),
  ),
  offsetsRetentionMs: brokerSetting(
    "offsets.retention.minutes",
    int(
      10080,
      "How long committed offsets are kept after their group lost its last member, or after they were committed when there never was one.",
      { min: 1, unit: "minutes" },
    ),
    (minutes) => minutes * minuteMs,
  ),
  offsetsRetentionCheckIntervalMs: brokerSetting(
    "offsets.retention.check.interval.ms",
    long(600000, "How often expired offsets are looked for.", { min: 1, unit: "milliseconds" }),
  ),
  commitTimeoutMs: brokerSetting(
    "offsets.commit.timeout.ms",
    int(
      5000,
      "How long an answer of the group coordinator waits for the in-sync replicas; then COORDINATOR_NOT_AVAILABLE, though the change may still come about.",
      { min: 1, unit: "milliseconds" },
    ),
  ),
  loadBufferBytes: brokerSetting(
    "offsets.load.buffer.size",
    int(5242880, "Bytes read at a time when groups are loaded from their log.", { min: 1, unit: "bytes" }),
  ),
  offsetsTopicPartitions: brokerSetting(
    "offsets.topic.num.partitions",
    int(50, "Partitions of `__consumer_offsets`, which is made when the first group is. Not to be changed afterwards.", { min: 1 }),
  ),
  offsetsTopicReplicationFactor: brokerSetting(
    "offsets.topic.replication.factor",
    short(3, "Copies of `__consumer_offsets`; as many as there are brokers when the topic is made, if those are fewer.", {
      min: 1,
      max: 32767,
    }),
  ),
  offsetsTopicSegmentBytes: brokerSetting(
    "offsets.topic.segment.bytes",
    int(104857600, "Segment size of `__consumer_offsets`: small, so that it is compacted and loaded quickly.", { min: 1, unit: "bytes" }),
  ),
};

/** Kafka 3.9's default for the assignors is a list of classes; these are the names that its clients use for them. */
const consumerGroupAssignors = {
  uniform: "uniform",
  range: "range",
  "org.apache.kafka.coordinator.group.assignor.UniformAssignor": "uniform",
  "org.apache.kafka.coordinator.group.assignor.RangeAssignor": "range",
} as const;

export type ConsumerGroupAssignorName = (typeof consumerGroupAssignors)[keyof typeof consumerGroupAssignors];

function assignorNames(names: readonly string[]): readonly ConsumerGroupAssignorName[] {
  const known = new Map<string, ConsumerGroupAssignorName>(Object.entries(consumerGroupAssignors));
  return [...new Set(names.flatMap((name) => known.get(name) ?? []))];
}

/** Of groups that use the new protocol (KIP-848). */
export const consumerGroupSettings = {
  /** False: heartbeats of such groups are refused (UNSUPPORTED_VERSION). */
  enabled: brokerSetting(
    "group.coordinator.rebalance.protocols",
    list(
      "classic,consumer",
      "The kinds of group that are served: classic groups always; consumer groups (KIP-848) when `consumer` is in the list.",
      { choices: ["classic", "consumer"] },
    ),
    (kinds) => kinds.includes("consumer"),
  ),
  sessionTimeoutMs: brokerSetting(
    "group.consumer.session.timeout.ms",
    int(45000, "A member of a consumer group that has not been heard of for this long is removed, and its partitions go to others.", {
      min: 1,
      unit: "milliseconds",
    }),
  ),
  sessionTimeoutMinMs: brokerSetting(
    "group.consumer.min.session.timeout.ms",
    int(45000, "The lowest that `group.consumer.session.timeout.ms` may be.", { min: 1, unit: "milliseconds" }),
  ),
  sessionTimeoutMaxMs: brokerSetting(
    "group.consumer.max.session.timeout.ms",
    int(60000, "The highest that `group.consumer.session.timeout.ms` may be.", { min: 1, unit: "milliseconds" }),
  ),
  /** Sent to the members. */
  heartbeatIntervalMs: brokerSetting(
    "group.consumer.heartbeat.interval.ms",
    int(
      5000,
      "How often members of consumer groups are told to send heartbeats. They learn of a new assignment with one. Below `group.consumer.session.timeout.ms`.",
      { min: 1, unit: "milliseconds" },
    ),
  ),
  heartbeatIntervalMinMs: brokerSetting(
    "group.consumer.min.heartbeat.interval.ms",
    int(5000, "The lowest that `group.consumer.heartbeat.interval.ms` may be.", { min: 1, unit: "milliseconds" }),
  ),
  heartbeatIntervalMaxMs: brokerSetting(
    "group.consumer.max.heartbeat.interval.ms",
    int(15000, "The highest that `group.consumer.heartbeat.interval.ms` may be.", { min: 1, unit: "milliseconds" }),
  ),
  membersMax: brokerSetting(
    "group.consumer.max.size",
    int(intMax, "Members that a consumer group may have; further ones are refused (GROUP_MAX_SIZE_REACHED).", { min: 1 }),
  ),
  /** At least one; the first is for groups whose members request none. */
  assignors: brokerSetting(
    "group.consumer.assignors",
    list(
      "uniform,range",
      "The assignors that members of consumer groups may ask for, the default first. Kafka's class names for them are understood as well.",
      { choices: Object.keys(consumerGroupAssignors) },
    ),
    assignorNames,
  ),
};
