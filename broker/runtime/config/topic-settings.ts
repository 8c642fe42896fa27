import { boolean, type Definition, double, int, intMax, list, long, longMax, oneOf, restricted, string } from "./definition.ts";
import { other, readByOthers, same, type TopicValues, topicSetting, unlimitedElse, withoutEffect } from "./setting.ts";
import { isReplicaList, throttledReplicas } from "./throttled-replicas.ts";

const hourMs = 3_600_000;
const minuteMs = 60_000;

// Where a topic falls back on a broker's setting, one row declares both. Names, units and defaults as in Kafka 3.9.

/** On the reference page these are listed with the broker's settings for topics. */
const topicDefaults = {
  minInsyncReplicas: topicSetting(
    "min.insync.replicas",
    int(
      1,
      "In-sync replicas without which a produce with acks=all is refused (NOT_ENOUGH_REPLICAS); of a topic with fewer copies, all of them.",
      { min: 1 },
    ),
    [same("min.insync.replicas")],
  ),
  uncleanLeaderElectionEnable: topicSetting(
    "unclean.leader.election.enable",
    boolean(false, "Whether a replica that is not in sync may lead when no other is left. Acknowledged records may then be lost."),
    [same("unclean.leader.election.enable")],
  ),
  /** Bytes. */
  maxMessageBytes: topicSetting(
    "max.message.bytes",
    int(1048588, "The largest record batch accepted, as compressed by the client.", { min: 0, unit: "bytes" }),
    [same("message.max.bytes")],
  ),
  compressionType: topicSetting(
    "compression.type",
    oneOf(
      ["producer", "uncompressed", "gzip", "snappy", "lz4", "zstd"],
      "producer",
      "The codec that batches are stored with: their producer's, or this one, and then the leader recompresses those that come with another.",
    ),
    [same("compression.type", "The codec that topics are set to: see the topic's setting.")],
  ),
};

/** -1 is never, and nothing is kept for no time at all. A topic's own setting may be 0. */
const notZero = <T extends number | null>(base: Definition<T>, max: number | typeof longMax) =>
  restricted(base, `-1 or a whole number from 1 to ${max}`, (age) => age !== 0);

const logs = {
  segmentBytes: topicSetting(
    "segment.bytes",
    int(1073741824, "Size at which the log starts a new segment file.", { min: 14, unit: "bytes" }),
    [same("log.segment.bytes", "Size at which a log starts a new segment file.")],
  ),
  segmentMs: topicSetting(
    "segment.ms",
    long(604800000, "Age at which the log starts a new segment file.", { min: 1, unit: "milliseconds" }),
    [
      other(
        "log.roll.ms",
        long(null, "Age at which a log starts a new segment file; without it, `log.roll.hours`.", {
          min: 1,
          unit: "milliseconds",
          update: "per-broker",
        }),
      ),
      other("log.roll.hours", int(168, "Age at which a log starts a new segment file.", { min: 1, unit: "hours" }), hourMs),
    ],
  ),
  /** Another random part for each segment. */
  segmentJitterMs: topicSetting(
    "segment.jitter.ms",
    long(0, "Largest random part taken off `segment.ms`, so that logs do not roll together.", { min: 0, unit: "milliseconds" }),
    [
      other(
        "log.roll.jitter.ms",
        long(null, "Largest random part taken off a segment's age; without it, `log.roll.jitter.hours`.", {
          min: 0,
          unit: "milliseconds",
          update: "per-broker",
        }),
      ),
      other(
        "log.roll.jitter.hours",
        int(0, "Largest random part taken off a segment's age, so that logs do not roll together.", { min: 0, unit: "hours" }),
        hourMs,
      ),
    ],
  ),
  preallocate: withoutEffect(
    topicSetting("preallocate", boolean(false, "Whether a new segment file gets its full size at once."), [same("log.preallocate")]),
    "Files grow as they are written.",
  ),
  indexIntervalBytes: topicSetting(
    "index.interval.bytes",
    int(4096, "Bytes of records between two entries of the offset index.", { min: 0, unit: "bytes" }),
    [same("log.index.interval.bytes", "Bytes of records between two entries of an offset index.")],
  ),
  segmentIndexBytes: topicSetting(
    "segment.index.bytes",
    int(10485760, "The largest index file; a full one starts a new segment.", { min: 4, unit: "bytes" }),
    [same("log.index.size.max.bytes")],
  ),
  flushMessages: topicSetting(
    "flush.messages",
    long(
      longMax,
      "Records that may wait to be forced to disk. A write that brings more is acknowledged once it is on the disk: with 1, every one is. Producers that write at the same time share one fsync.",
      { min: 1 },
    ),
    [
      same(
        "log.flush.interval.messages",
        "Records that may wait to be forced to disk; with 1, what is acknowledged is on the disk. Durability comes from replication; forcing is rarely needed.",
      ),
    ],
  ),
  flushMs: topicSetting(
    "flush.ms",
    long(longMax, "Longest time until a record is forced to disk. Nothing waits for it.", { min: 0, unit: "milliseconds" }),
    [
      other(
        "log.flush.interval.ms",
        long(null, "Longest time until a record is forced to disk; without it, `log.flush.scheduler.interval.ms`.", {
          min: 0,
          unit: "milliseconds",
          update: "per-broker",
        }),
      ),
      other(
        "log.flush.scheduler.interval.ms",
        long(
          longMax,
          "Longest time until a record is forced to disk, where `log.flush.interval.ms` is not set. Logs are not looked over at intervals: each one has its own timer.",
          { min: 0, unit: "milliseconds" },
        ),
      ),
    ],
  ),
  /** -1: for ever. */
  retentionMs: topicSetting(
    "retention.ms",
    long(604800000, "Age at which records are deleted, a segment at a time: when its newest record is that old; -1: never.", {
      min: -1,
      unit: "milliseconds",
    }),
    [
      other(
        "log.retention.ms",
        notZero(
          long(null, "Age at which records are deleted; -1: never. Without it, `log.retention.minutes`.", {
            min: -1,
            unit: "milliseconds",
            update: "per-broker",
          }),
          longMax,
        ),
      ),
      other(
        "log.retention.minutes",
        notZero(int(null, "Age at which records are deleted; without it, `log.retention.hours`.", { min: -1, unit: "minutes" }), intMax),
        minuteMs,
      ),
      other(
        "log.retention.hours",
        notZero(int(168, "Age at which records are deleted; -1: never.", { min: -1, unit: "hours" }), intMax),
        hourMs,
      ),
    ],
  ),
  /** -1: no limit. */
  retentionBytes: topicSetting(
    "retention.bytes",
    long(-1, "Size of a partition's log above which its oldest segments are deleted; below 0: no limit.", { unit: "bytes" }),
    [same("log.retention.bytes")],
    (bytes) => Math.max(bytes, -1),
  ),
  cleanupPolicy: topicSetting(
    "cleanup.policy",
    list("delete", "What happens to old records: `delete` them, `compact` to the last of each key, or both.", {
      choices: ["compact", "delete"],
    }),
    [same("log.cleanup.policy")],
    cleanupPolicy,
  ),
  messageTimestampType: topicSetting(
    "message.timestamp.type",
    oneOf(["CreateTime", "LogAppendTime"], "CreateTime", "Whether records keep their producer's timestamp or get the broker's."),
    [same("log.message.timestamp.type")],
  ),
  /** How long a removed segment's files stay, renamed. */
  fileDeleteDelayMs: topicSetting(
    "file.delete.delay.ms",
    long(60000, "How long a deleted file stays on disk, so that readers of it can finish.", { min: 0, unit: "milliseconds" }),
    [same("log.segment.delete.delay.ms")],
  ),
};

function cleanupPolicy(policies: readonly string[]): "delete" | "compact" | "compact,delete" {
  if (!policies.includes("compact")) return "delete";
  return policies.includes("delete") ? "compact,delete" : "compact";
}

/** Kafka's releases up to the one whose names are used here; their interim versions end in -IV and a digit. */
const releases = /^(0\.8\.[0-2]|0\.9\.0|0\.10\.[0-2]|0\.11\.0|1\.[01]|2\.[0-8]|3\.[0-9]|4\.0)(-IV\d|\.\d+)?$/;

const messageFormatVersion = restricted(
  string("3.0-IV1", "The format of records: there is one here, format 2, whatever this says."),
  "a release of Kafka such as 3.0 or 3.0-IV1",
  (version) => releases.test(version),
);

const timestampDifference = readByOthers(
  topicSetting(
    "message.timestamp.difference.max.ms",
    long(longMax, "Kafka's former name for both bounds of timestamps: each of them that is at its default takes this one.", {
      min: 0,
      unit: "milliseconds",
    }),
    [same("log.message.timestamp.difference.max.ms")],
  ),
);

const messages = {
  /** -1: gzip's own choice. */
  compressionGzipLevel: topicSetting(
    "compression.gzip.level",
    restricted(
      int(-1, "How hard gzip compresses where the broker does it, 1 to 9; -1: gzip's own choice."),
      "a whole number from 1 to 9, or -1",
      (level) => level === -1 || (level >= 1 && level <= 9),
    ),
    [same("compression.gzip.level")],
  ),
  compressionLz4Level: withoutEffect(
    topicSetting(
      "compression.lz4.level",
      int(9, "How hard lz4 compresses where the broker does it. The codec used here has one level.", { min: 1, max: 17 }),
      [same("compression.lz4.level")],
    ),
  ),
  compressionZstdLevel: topicSetting(
    "compression.zstd.level",
    int(3, "How hard zstd compresses where the broker does it.", { min: -131072, max: 22 }),
    [same("compression.zstd.level")],
  ),
  messageTimestampAfterMaxMs: unlimitedElse(
    topicSetting(
      "message.timestamp.after.max.ms",
      long(longMax, "How far in the future a record's timestamp may be: else INVALID_TIMESTAMP. Not with LogAppendTime.", {
        min: 0,
        unit: "milliseconds",
      }),
      [same("log.message.timestamp.after.max.ms", "How far in the future a record's timestamp may be.")],
    ),
    timestampDifference,
  ),
  messageTimestampBeforeMaxMs: unlimitedElse(
    topicSetting(
      "message.timestamp.before.max.ms",
      long(longMax, "How far in the past a record's timestamp may be: else INVALID_TIMESTAMP. Not with LogAppendTime.", {
        min: 0,
        unit: "milliseconds",
      }),
      [same("log.message.timestamp.before.max.ms", "How far in the past a record's timestamp may be.")],
    ),
    timestampDifference,
  ),
  timestampDifference,
  messageDownconversionEnable: withoutEffect(
    topicSetting(
      "message.downconversion.enable",
      boolean(true, "Whether old clients get older formats: there is one format here, so nobody does."),
      [same("log.message.downconversion.enable")],
    ),
  ),
  messageFormatVersion: withoutEffect(
    topicSetting("message.format.version", messageFormatVersion, [other("log.message.format.version", messageFormatVersion)]),
  ),
};

const compaction = {
  /** How long compaction keeps a tombstone. */
  deleteRetentionMs: topicSetting(
    "delete.retention.ms",
    long(86400000, "How long compaction keeps a key's tombstone.", { min: 0, unit: "milliseconds" }),
    [same("log.cleaner.delete.retention.ms")],
  ),
  /** A record older than this makes its log due. */
  maxCompactionLagMs: topicSetting(
    "max.compaction.lag.ms",
    long(longMax, "Longest time that a record may stay uncompacted. Not below `min.compaction.lag.ms`.", {
      min: 1,
      unit: "milliseconds",
    }),
    [same("log.cleaner.max.compaction.lag.ms", "Longest time that a record may stay uncompacted.")],
  ),
  minCompactionLagMs: topicSetting(
    "min.compaction.lag.ms",
    long(0, "Shortest time that a record stays uncompacted.", { min: 0, unit: "milliseconds" }),
    [same("log.cleaner.min.compaction.lag.ms")],
  ),
  /** Of a log, in bytes; 0 to 1. */
  minCleanableDirtyRatio: topicSetting(
    "min.cleanable.dirty.ratio",
    double(0.5, "Share of a log that must be new before it is compacted.", { min: 0, max: 1 }),
    [same("log.cleaner.min.cleanable.ratio")],
  ),
};

const throttled = (name: string, documentation: string) =>
  topicSetting(
    name,
    restricted(list("", documentation, { emptyAllowed: true }), "a comma-separated list of partition:broker, or *", isReplicaList),
    [],
    throttledReplicas,
  );

export const throttledByMoves =
  "A note of `ottla … --throttle`: what it has added to the settings of throttled replicas, and what was there before. It removes the one and restores the other when the moves are over.";

const noTieredStorage = "There is no tiered storage.";
const never = restricted(boolean(false, "Tiered storage, which there is not here."), "false: there is no tiered storage here", (on) => !on);

/** Brokers have no setting for these. Those of tiered storage are here so that clients may set them to their defaults. */
const ofTopicsOnly = {
  followerThrottledReplicas: throttled(
    "follower.replication.throttled.replicas",
    "Replicas, as `partition:broker`, or `*`: as long as it is not in sync, what the replica fetches counts against its broker's `follower.replication.throttled.rate`.",
  ),
  leaderThrottledReplicas: throttled(
    "leader.replication.throttled.replicas",
    "Replicas, as `partition:broker`, or `*`: what the replica as a leader sends to replicas that are not in sync counts against its broker's `leader.replication.throttled.rate`.",
  ),
  throttledByMoves: withoutEffect(topicSetting("ottla.throttled.by.moves", list("", throttledByMoves, { emptyAllowed: true }), [])),
  remoteStorageEnable: withoutEffect(topicSetting("remote.storage.enable", never, [])),
  localRetentionBytes: withoutEffect(
    topicSetting(
      "local.retention.bytes",
      long(-2, "With tiered storage: size above which segments are kept remotely only.", { min: -2, unit: "bytes" }),
      [],
    ),
    noTieredStorage,
  ),
  localRetentionMs: withoutEffect(
    topicSetting(
      "local.retention.ms",
      long(-2, "With tiered storage: age above which segments are kept remotely only.", { min: -2, unit: "milliseconds" }),
      [],
    ),
    noTieredStorage,
  ),
  remoteLogCopyDisable: withoutEffect(
    topicSetting("remote.log.copy.disable", boolean(false, "With tiered storage: whether nothing more is copied."), []),
    noTieredStorage,
  ),
  remoteLogDeleteOnDisable: withoutEffect(
    topicSetting("remote.log.delete.on.disable", boolean(false, "With tiered storage: whether disabling it deletes what is remote."), []),
    noTieredStorage,
  ),
};

/** Every setting of topics, grouped as the reference page shows the broker's settings behind them. */
export const topicSettingGroups = { topicDefaults, logs, messages, compaction, ofTopicsOnly };

/** Every setting of topics, by the name under which the code reads it. */
export const topicSettingRows = { ...topicDefaults, ...logs, ...messages, ...compaction, ...ofTopicsOnly };

/** A topic's settings in force: the topic's own, else the broker's, else Kafka's. */
export type TopicSettings = TopicValues<typeof topicSettingRows>;
