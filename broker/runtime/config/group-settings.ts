import { int, intMax, long, short } from "./setting.ts";

/** Settings of the group coordinator. */
export const groupSettings = {
  "group.min.session.timeout.ms": int(6000, "The shortest session timeout that a member of a group may ask for.", {
    min: 0,
    unit: "milliseconds",
  }),
  "group.max.session.timeout.ms": int(1800000, "The longest session timeout that a member of a group may ask for.", {
    min: 0,
    unit: "milliseconds",
  }),
  "group.initial.rebalance.delay.ms": int(
    3000,
    "How long a group waits for more members before its first rebalance, and again for each that comes, up to its rebalance timeout. Each rebalance saved is worth the wait.",
    { min: 0, unit: "milliseconds" },
  ),
  "group.max.size": int(intMax, "Members of a classic group; more are refused (GROUP_MAX_SIZE_REACHED).", { min: 1 }),
  "offset.metadata.max.bytes": int(4096, "The longest text that may be committed with an offset.", { min: 0, unit: "bytes" }),
  "offsets.retention.minutes": int(
    10080,
    "How long committed offsets are kept after their group lost its last member, or after they were committed when there never was one.",
    { min: 1, unit: "minutes" },
  ),
  "offsets.retention.check.interval.ms": long(600000, "How often expired offsets are looked for.", { min: 1, unit: "milliseconds" }),
  "offsets.commit.timeout.ms": int(
    5000,
    "How long an answer of the group coordinator waits for the in-sync replicas; then COORDINATOR_NOT_AVAILABLE, though the change may still come about.",
    { min: 1, unit: "milliseconds" },
  ),
  "offsets.load.buffer.size": int(5242880, "Bytes read at a time when groups are loaded from their log.", { min: 1, unit: "bytes" }),
  "offsets.topic.num.partitions": int(
    50,
    "Partitions of `__consumer_offsets`, which is made when the first group is. Not to be changed afterwards.",
    {
      min: 1,
    },
  ),
  "offsets.topic.replication.factor": short(
    3,
    "Copies of `__consumer_offsets`; as many as there are brokers when the topic is made, if those are fewer.",
    { min: 1, max: 32767 },
  ),
  "offsets.topic.segment.bytes": int(
    104857600,
    "Segment size of `__consumer_offsets`: small, so that it is compacted and loaded quickly.",
    {
      min: 1,
      unit: "bytes",
    },
  ),
} as const;
