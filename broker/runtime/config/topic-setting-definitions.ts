import type { BrokerSettingName } from "./broker-settings.ts";
import { gzipLevel, lz4Level, messageFormatVersion, zstdLevel } from "./message-settings.ts";
import { boolean, double, int, list, long, longMax, oneOf, restricted, type Setting, type SettingValue } from "./setting.ts";

const throttledReplicas = (documentation: string) =>
  restricted(
    list("", documentation, { emptyAllowed: true, withoutEffect: true }),
    "a comma-separated list of partition:broker, or *",
    (replicas) => (replicas.length === 1 && replicas[0] === "*") || replicas.every((replica) => /^\d+:\d+$/.test(replica)),
  );

/** Settings of topics, by Kafka's names. */
export const topicSettingDefinitions = {
  "cleanup.policy": list("delete", "What happens to old records: `delete` them, `compact` to the last of each key, or both.", {
    choices: ["compact", "delete"],
  }),
  "compression.type": oneOf(
    ["producer", "uncompressed", "gzip", "snappy", "lz4", "zstd"],
    "producer",
    "The codec that batches are stored with: their producer's, or this one, and then the leader compresses those that come with another anew.",
  ),
  "flush.messages": long(
    longMax,
    "Records that may wait to be forced to disk. A write that brings more is acknowledged once it is on the disk: with 1, every one is. Producers that write at the same time share one fsync.",
    { min: 1 },
  ),
  "flush.ms": long(longMax, "Longest time until a record is forced to disk. Nothing waits for it.", { min: 0, unit: "milliseconds" }),
  "index.interval.bytes": int(4096, "Bytes of records between two entries of the offset index.", { min: 0, unit: "bytes" }),
  "max.message.bytes": int(1048588, "The largest record batch accepted, as compressed by the client.", { min: 0, unit: "bytes" }),
  "message.timestamp.type": oneOf(
    ["CreateTime", "LogAppendTime"],
    "CreateTime",
    "Whether records keep their producer's timestamp or get the broker's.",
  ),
  "min.insync.replicas": int(
    1,
    "In-sync replicas without which a produce with acks=all is refused (NOT_ENOUGH_REPLICAS); of a topic with fewer copies, all of them.",
    { min: 1 },
  ),
  "retention.bytes": long(-1, "Size of a partition's log above which its oldest segments are deleted; below 0: no limit.", {
    unit: "bytes",
  }),
  "retention.ms": long(604800000, "Age at which records are deleted, a segment at a time: when its newest record is that old; -1: never.", {
    min: -1,
    unit: "milliseconds",
  }),
  "segment.bytes": int(1073741824, "Size at which the log starts a new segment file.", { min: 14, unit: "bytes" }),
  "segment.index.bytes": int(10485760, "The largest index file; a full one starts a new segment.", { min: 4, unit: "bytes" }),
  "segment.ms": long(604800000, "Age at which the log starts a new segment file.", { min: 1, unit: "milliseconds" }),
  "unclean.leader.election.enable": boolean(
    false,
    "Whether a replica that is not in sync may lead when no other is left. Acknowledged records may then be lost.",
  ),
  "delete.retention.ms": long(86400000, "How long compaction keeps a key's tombstone.", {
    min: 0,
    unit: "milliseconds",
  }),
  "file.delete.delay.ms": long(60000, "How long a deleted file stays on disk, so that readers of it can finish.", {
    min: 0,
    unit: "milliseconds",
  }),
  "max.compaction.lag.ms": long(longMax, "Longest time that a record may stay uncompacted. Not below `min.compaction.lag.ms`.", {
    min: 1,
    unit: "milliseconds",
  }),
  "min.compaction.lag.ms": long(0, "Shortest time that a record stays uncompacted.", { min: 0, unit: "milliseconds" }),
  "min.cleanable.dirty.ratio": double(0.5, "Share of a log that must be new before it is compacted.", {
    min: 0,
    max: 1,
  }),
  "message.timestamp.after.max.ms": long(
    longMax,
    "How far in the future a record's timestamp may be: else INVALID_TIMESTAMP. Not with LogAppendTime.",
    {
      min: 0,
      unit: "milliseconds",
    },
  ),
  "message.timestamp.before.max.ms": long(
    longMax,
    "How far in the past a record's timestamp may be: else INVALID_TIMESTAMP. Not with LogAppendTime.",
    {
      min: 0,
      unit: "milliseconds",
    },
  ),
  "message.timestamp.difference.max.ms": long(
    longMax,
    "Kafka's former name for both bounds of timestamps: each of them that is at its default takes this one.",
    { min: 0, unit: "milliseconds" },
  ),
  "compression.gzip.level": gzipLevel(),
  "compression.lz4.level": lz4Level(),
  "compression.zstd.level": zstdLevel(),
  "segment.jitter.ms": long(0, "Largest random part taken off `segment.ms`, so that logs do not roll together.", {
    min: 0,
    unit: "milliseconds",
  }),
  preallocate: boolean(false, "Whether a new segment file gets its full size at once.", { withoutEffect: true }),
  "follower.replication.throttled.replicas": throttledReplicas("Replicas whose following is slowed, `partition:broker`, or `*`."),
  "leader.replication.throttled.replicas": throttledReplicas("Replicas whose leading is slowed, `partition:broker`, or `*`."),
  // formerly: what they chose between is gone
  "message.downconversion.enable": boolean(true, "Whether old clients get older formats: there is one format here, so nobody does.", {
    withoutEffect: true,
  }),
  "message.format.version": messageFormatVersion,
  // tiered storage: Kafka's names, so that what sets them to their defaults goes through
  "remote.storage.enable": restricted(
    boolean(false, "Tiered storage, which there is not here.", { withoutEffect: true }),
    "false: there is no tiered storage here",
    (value) => !value,
  ),
  "local.retention.bytes": long(-2, "With tiered storage: size above which segments are kept remotely only.", {
    min: -2,
    unit: "bytes",
    withoutEffect: true,
  }),
  "local.retention.ms": long(-2, "With tiered storage: age above which segments are kept remotely only.", {
    min: -2,
    unit: "milliseconds",
    withoutEffect: true,
  }),
  "remote.log.copy.disable": boolean(false, "With tiered storage: whether nothing more is copied.", { withoutEffect: true }),
  "remote.log.delete.on.disable": boolean(false, "With tiered storage: whether disabling it deletes what is remote.", {
    withoutEffect: true,
  }),
} as const satisfies Record<string, Setting<unknown>>;

export type TopicSettingName = keyof typeof topicSettingDefinitions;
export type TopicValues = { readonly [K in TopicSettingName]: SettingValue<(typeof topicSettingDefinitions)[K]> };

/** A broker setting that a topic falls back on, and how many of the topic's units one of its units is. */
export interface Fallback {
  readonly name: BrokerSettingName;
  readonly factor: number;
}

const same = (name: BrokerSettingName): readonly Fallback[] => [{ name, factor: 1 }];
const hourMs = 3_600_000;
const minuteMs = 60_000;

/** What a topic without the setting takes: the first of these that the broker was given, else the last one's default. */
export const topicFallbacks: { readonly [K in TopicSettingName]?: readonly Fallback[] } = {
  "cleanup.policy": same("log.cleanup.policy"),
  "compression.type": same("compression.type"),
  "compression.gzip.level": same("compression.gzip.level"),
  "compression.lz4.level": same("compression.lz4.level"),
  "compression.zstd.level": same("compression.zstd.level"),
  "delete.retention.ms": same("log.cleaner.delete.retention.ms"),
  "flush.messages": same("log.flush.interval.messages"),
  "flush.ms": [...same("log.flush.interval.ms"), ...same("log.flush.scheduler.interval.ms")],
  "index.interval.bytes": same("log.index.interval.bytes"),
  "max.message.bytes": same("message.max.bytes"),
  "max.compaction.lag.ms": same("log.cleaner.max.compaction.lag.ms"),
  "message.downconversion.enable": same("log.message.downconversion.enable"),
  "message.format.version": same("log.message.format.version"),
  "message.timestamp.after.max.ms": same("log.message.timestamp.after.max.ms"),
  "message.timestamp.before.max.ms": same("log.message.timestamp.before.max.ms"),
  "message.timestamp.difference.max.ms": same("log.message.timestamp.difference.max.ms"),
  "message.timestamp.type": same("log.message.timestamp.type"),
  "min.cleanable.dirty.ratio": same("log.cleaner.min.cleanable.ratio"),
  "min.compaction.lag.ms": same("log.cleaner.min.compaction.lag.ms"),
  "min.insync.replicas": same("min.insync.replicas"),
  "retention.bytes": same("log.retention.bytes"),
  "retention.ms": [
    ...same("log.retention.ms"),
    { name: "log.retention.minutes", factor: minuteMs },
    { name: "log.retention.hours", factor: hourMs },
  ],
  "segment.bytes": same("log.segment.bytes"),
  "segment.index.bytes": same("log.index.size.max.bytes"),
  preallocate: same("log.preallocate"),
  "segment.jitter.ms": [...same("log.roll.jitter.ms"), { name: "log.roll.jitter.hours", factor: hourMs }],
  "segment.ms": [...same("log.roll.ms"), { name: "log.roll.hours", factor: hourMs }],
  "unclean.leader.election.enable": same("unclean.leader.election.enable"),
  "file.delete.delay.ms": same("log.segment.delete.delay.ms"),
};

export function isTopicSetting(name: string): name is TopicSettingName {
  return Object.hasOwn(topicSettingDefinitions, name);
}
