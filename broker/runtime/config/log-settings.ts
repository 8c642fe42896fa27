import { boolean, double, int, long, longMax } from "./definition.ts";
import { brokerSetting, withoutEffect } from "./setting.ts";

/** More at once would only keep more files open. */
const recoveriesMax = 1024;

/** Of the log directories as a whole; what differs by topic is in `topic-settings.ts`. */
export const logSettings = {
  checkpointIntervalMs: brokerSetting(
    "log.flush.offset.checkpoint.interval.ms",
    int(60000, "How often the recovery points are written to disk.", { min: 0, unit: "milliseconds" }),
  ),
  startOffsetCheckpointIntervalMs: withoutEffect(
    brokerSetting(
      "log.flush.start.offset.checkpoint.interval.ms",
      int(60000, "How often the log start offsets are written to disk.", { min: 0, unit: "milliseconds" }),
    ),
    "They are written with the recovery points.",
  ),
  retentionCheckMs: brokerSetting(
    "log.retention.check.interval.ms",
    long(300000, "How often logs are looked over for segments to delete.", { min: 1, unit: "milliseconds" }),
  ),
  producerExpirationMs: brokerSetting(
    "producer.id.expiration.ms",
    int(86400000, "How long a log remembers an idempotent producer that is silent.", {
      min: 1,
      unit: "milliseconds",
      update: "per-broker",
    }),
  ),
  producerExpirationCheckMs: brokerSetting(
    "producer.id.expiration.check.interval.ms",
    int(600000, "How often logs are looked over for producers to forget.", { min: 1, unit: "milliseconds" }),
  ),
  recoveriesAtOnce: brokerSetting(
    "num.recovery.threads.per.data.dir",
    int(
      1,
      "Logs recovered at the same time after a crash, in each log directory; above 1024 as with 1024. That is while the broker starts, which goes by what it is started with: a value set at run time is kept and shown, and nothing goes by it. Changed at run time, it can be halved or doubled at most.",
      { min: 1, update: "per-broker", isStepped: true },
    ),
    (threads) => Math.min(threads, recoveriesMax),
  ),
  batchUnpackedBytesMax: brokerSetting(
    "ottla.batch.unpacked.max.bytes",
    int(
      67108864,
      "What the records of a compressed batch may come to when they are unpacked; a producer's batch beyond it is refused with INVALID_RECORD. Whoever reads the batch needs that much memory: our consumer unpacks 64 MiB unless it is told otherwise.",
      { min: 1048576, unit: "bytes" },
    ),
  ),
  directWritesEnabled: brokerSetting(
    "ottla.log.direct.writes.enable",
    boolean(
      true,
      "Hand appends to the kernel on the main thread, as long as it takes them at once: less CPU, sooner done. After a write that had to wait for the disk, and while a sync takes long, they go through other threads for a while. Not done with more than one log directory, so that one disk does not hold up the logs on the others.",
    ),
  ),
  tailCacheBytesMax: brokerSetting(
    "ottla.log.tail.cache.max.bytes",
    long(
      67108864,
      "Memory for the newest records of all logs together: followers and consumers that keep up are served from it, without the disk.",
      { min: 0, unit: "bytes" },
    ),
  ),
  indexCacheBytesMax: brokerSetting(
    "ottla.log.index.cache.max.bytes",
    long(33554432, "Memory for the indexes of closed segments.", { min: 0, unit: "bytes" }),
  ),
  producersMax: brokerSetting(
    "ottla.log.producers.max",
    int(
      1000000,
      "Idempotent producers that all logs together remember, each in each log that it writes to; at about 300 bytes. A log that wants more forgets those that wrote to it least recently. One log remembers 100000 at most: they are written down in one piece whenever it rolls a segment.",
      { min: 1 },
    ),
  ),
  moveBytesPerSecondMax: brokerSetting(
    "replica.alter.log.dirs.io.max.bytes.per.second",
    long(longMax, "Bytes a second that a log is copied with when it moves to another directory of the broker. 0: it waits.", {
      min: 0,
      update: "per-broker",
      unit: "bytes",
    }),
  ),
  scrubBytesPerSecondMax: brokerSetting(
    "ottla.log.scrub.max.bytes.per.second",
    long(
      1048576,
      "Bytes that the broker reads in a second, over all log directories, to find damage in records that nobody reads, such as a follower's; 0: it does not.",
      { min: 0, unit: "bytes" },
    ),
  ),
  scrubIntervalMs: brokerSetting(
    "ottla.log.scrub.interval.ms",
    long(604800000, "How long a log is left alone that was read for damage.", { min: 1, unit: "milliseconds" }),
  ),
  checkedRememberMs: brokerSetting(
    "ottla.log.checked.remember.ms",
    long(
      3600000,
      "How long the broker trusts the disk with records that it has written or checked: until then it sends them to consumers without checking them again. Followers get only what was checked for them. 0: all that is read is checked.",
      { min: 0, unit: "milliseconds" },
    ),
  ),
  /** -1: for ever. */
  strayRetentionMs: brokerSetting(
    "ottla.log.stray.retention.ms",
    long(
      -1,
      "How long a log is kept that was set aside because the cluster does not assign it to this broker any more, though no deletion of its topic is on record, and the removal of its replica was not seen; -1: until a person removes it.",
      { min: -1, unit: "milliseconds" },
    ),
  ),
  openFilesMax: brokerSetting(
    "ottla.log.open.files.max",
    int(256, "Files held open for reading. Every log has one more, for writing.", { min: 1 }),
  ),
};

/** Kafka's bound, for each of `log.cleaner.threads`. */
export const dedupeBytesPerThreadMin = 1024 * 1024;

/** Of the cleaner itself. */
export const cleanerSettings = {
  enabled: brokerSetting("log.cleaner.enable", boolean(true, "Whether logs are compacted at all.")),
  threads: withoutEffect(
    brokerSetting(
      "log.cleaner.threads",
      int(1, "Logs compacted at the same time. Changed at run time, it can be halved or doubled at most.", {
        min: 1,
        update: "per-broker",
        isStepped: true,
      }),
    ),
    "Each log directory compacts one log at a time.",
  ),
  backoffMs: brokerSetting(
    "log.cleaner.backoff.ms",
    long(15000, "Pause before logs are looked over again when none was worth compacting.", {
      min: 0,
      unit: "milliseconds",
      update: "per-broker",
    }),
  ),
  dedupeBytesMax: brokerSetting(
    "log.cleaner.dedupe.buffer.size",
    long(
      134217728,
      "Memory for the keys of one round of compaction, over all of the cleaner's threads: at least 1 MiB for each of `log.cleaner.threads`.",
      { min: dedupeBytesPerThreadMin, unit: "bytes", update: "per-broker" },
    ),
  ),
  mapLoadFactor: brokerSetting(
    "log.cleaner.io.buffer.load.factor",
    double(0.9, "How full the memory for keys may become.", { update: "per-broker" }),
    (share) => Math.min(Math.max(share, 0.1), 0.95),
  ),
  bufferBytes: withoutEffect(
    brokerSetting(
      "log.cleaner.io.buffer.size",
      int(524288, "Memory for reading and writing, over all of the cleaner's threads.", { min: 0, unit: "bytes", update: "per-broker" }),
    ),
    "A segment is read a quarter of a mebibyte at a time, more where one batch is larger.",
  ),
  bytesPerSecondMax: brokerSetting(
    "log.cleaner.io.max.bytes.per.second",
    double("1.7976931348623157E308", "Bytes that the cleaner reads and writes in a second at most.", {
      unit: "bytes",
      update: "per-broker",
    }),
  ),
};
