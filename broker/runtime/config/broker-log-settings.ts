import { boolean, int, intMax, list, long, longMax, oneOf, restricted, type Setting } from "./setting.ts";

/** -1 is never, and nothing is kept for no time at all. A topic's own setting may be 0. */
const retention = <T extends number | null>(base: Setting<T>, max: number | typeof longMax) =>
  restricted(base, `-1 or a whole number from 1 to ${max}`, (age) => age !== 0);

/** The broker's settings for logs: most of them are what topics fall back on. */
export const brokerLogSettings = {
  "log.segment.bytes": int(1073741824, "Size at which a log starts a new segment file.", { min: 14, unit: "bytes", update: "per-broker" }),
  "log.roll.ms": long(null, "Age at which a log starts a new segment file; without it, `log.roll.hours`.", {
    min: 1,
    unit: "milliseconds",
    update: "per-broker",
  }),
  "log.roll.hours": int(168, "Age at which a log starts a new segment file.", { min: 1, unit: "hours" }),
  "log.roll.jitter.ms": long(null, "Largest random part taken off a segment's age; without it, `log.roll.jitter.hours`.", {
    min: 0,
    unit: "milliseconds",
    update: "per-broker",
  }),
  "log.roll.jitter.hours": int(0, "Largest random part taken off a segment's age, so that logs do not roll together.", {
    min: 0,
    unit: "hours",
  }),
  "log.preallocate": boolean(false, "Whether a new segment file gets its full size at once.", {
    update: "per-broker",
    withoutEffect: true,
  }),
  "log.index.interval.bytes": int(4096, "Bytes of records between two entries of an offset index.", {
    min: 0,
    unit: "bytes",
    update: "per-broker",
  }),
  "log.index.size.max.bytes": int(10485760, "The largest index file; a full one starts a new segment.", {
    min: 4,
    unit: "bytes",
    update: "per-broker",
  }),
  "log.flush.interval.messages": long(
    longMax,
    "Records that may wait to be forced to disk; with 1, what is acknowledged is on the disk. Durability comes from replication; forcing is rarely needed.",
    { min: 1, update: "per-broker" },
  ),
  "log.flush.interval.ms": long(null, "Longest time until a record is forced to disk; without it, `log.flush.scheduler.interval.ms`.", {
    min: 0,
    unit: "milliseconds",
    update: "per-broker",
  }),
  "log.flush.scheduler.interval.ms": long(
    longMax,
    "Longest time until a record is forced to disk, where `log.flush.interval.ms` is not set. Logs are not looked over at intervals: each one has its own timer.",
    { min: 0, unit: "milliseconds" },
  ),
  "log.flush.offset.checkpoint.interval.ms": int(60000, "How often the recovery points are written to disk.", {
    min: 0,
    unit: "milliseconds",
  }),
  "log.flush.start.offset.checkpoint.interval.ms": int(60000, "How often the log start offsets are written to disk.", {
    min: 0,
    unit: "milliseconds",
    withoutEffect: true,
  }),
  "log.retention.ms": retention(
    long(null, "Age at which records are deleted; -1: never. Without it, `log.retention.minutes`.", {
      min: -1,
      unit: "milliseconds",
      update: "per-broker",
    }),
    longMax,
  ),
  "log.retention.minutes": retention(
    int(null, "Age at which records are deleted; without it, `log.retention.hours`.", { min: -1, unit: "minutes" }),
    intMax,
  ),
  "log.retention.hours": retention(int(168, "Age at which records are deleted; -1: never.", { min: -1, unit: "hours" }), intMax),
  "log.retention.bytes": long(-1, "Size of a partition's log above which its oldest segments are deleted; below 0: no limit.", {
    unit: "bytes",
    update: "per-broker",
  }),
  "log.retention.check.interval.ms": long(300000, "How often logs are looked over for segments to delete.", {
    min: 1,
    unit: "milliseconds",
  }),
  "log.cleanup.policy": list("delete", "What happens to old records: `delete` them, `compact` to the last of each key, or both.", {
    choices: ["compact", "delete"],
    update: "per-broker",
  }),
  "log.message.timestamp.type": oneOf(
    ["CreateTime", "LogAppendTime"],
    "CreateTime",
    "Whether records keep their producer's timestamp or get the broker's.",
    { update: "per-broker" },
  ),
  "log.segment.delete.delay.ms": long(60000, "How long a deleted file stays on disk, so that readers of it can finish.", {
    min: 0,
    unit: "milliseconds",
    update: "per-broker",
  }),
  "producer.id.expiration.ms": int(86400000, "How long a log remembers an idempotent producer that is silent.", {
    min: 1,
    unit: "milliseconds",
    update: "per-broker",
  }),
  "producer.id.expiration.check.interval.ms": int(600000, "How often logs are looked over for producers to forget.", {
    min: 1,
    unit: "milliseconds",
  }),
  "num.recovery.threads.per.data.dir": int(
    1,
    "Logs recovered at the same time after a crash, in each log directory; above 1024 as with 1024. That is while the broker starts, which goes by what it is started with: a value set at run time is kept and shown, and nothing goes by it. Changed at run time, it can be halved or doubled at most.",
    { min: 1, update: "per-broker" },
  ),
  "ottla.batch.unpacked.max.bytes": int(
    67108864,
    "What the records of a compressed batch may come to when they are unpacked; a producer's batch beyond it is refused with INVALID_RECORD. Whoever reads the batch needs that much memory: our consumer unpacks 64 MiB unless it is told otherwise.",
    { min: 1048576, unit: "bytes" },
  ),
  "ottla.log.tail.cache.max.bytes": long(
    67108864,
    "Memory for the newest records of all logs together: followers and consumers that keep up are served from it, without the disk.",
    { min: 0, unit: "bytes" },
  ),
  "ottla.log.index.cache.max.bytes": long(33554432, "Memory for the indexes of closed segments.", { min: 0, unit: "bytes" }),
  "ottla.log.producers.max": int(
    1000000,
    "Idempotent producers that all logs together remember, each in each log that it writes to; at about 300 bytes. A log that wants more forgets those that wrote to it least recently. One log remembers 100000 at most: they are written down in one piece whenever it rolls a segment.",
    { min: 1 },
  ),
  "ottla.log.scrub.max.bytes.per.second": long(
    1048576,
    "Bytes that the broker reads in a second, over all log directories, to find damage in records that nobody reads, such as a follower's; 0: it does not.",
    { min: 0, unit: "bytes" },
  ),
  "ottla.log.scrub.interval.ms": long(604800000, "How long a log is left alone that was read for damage.", {
    min: 1,
    unit: "milliseconds",
  }),
  "ottla.log.stray.retention.ms": long(
    -1,
    "How long a log is kept that was set aside because the cluster does not know it any more, though no deletion of its topic is on record; -1: until a person removes it.",
    { min: -1, unit: "milliseconds" },
  ),
  "ottla.log.open.files.max": int(256, "Files held open for reading. Every log has one more, for writing.", { min: 1 }),
} as const;
