import { boolean, double, int, long, longMax } from "./setting.ts";

/** Kafka's bound, for each of `log.cleaner.threads`. */
export const dedupeBytesPerThreadMin = 1024 * 1024;

/** The broker's settings for compaction: of the cleaner itself, and what topics fall back on. */
export const cleanerSettings = {
  "log.cleaner.enable": boolean(true, "Whether logs are compacted at all."),
  "log.cleaner.threads": int(1, "Logs compacted at the same time. Changed at run time, it can be halved or doubled at most.", {
    min: 1,
    update: "per-broker",
    withoutEffect: true,
  }),
  "log.cleaner.backoff.ms": long(15000, "Pause before logs are looked over again when none was worth compacting.", {
    min: 0,
    unit: "milliseconds",
    update: "per-broker",
  }),
  "log.cleaner.dedupe.buffer.size": long(
    134217728,
    "Memory for the keys of one round of compaction, over all of the cleaner's threads: at least 1 MiB for each of `log.cleaner.threads`.",
    { min: dedupeBytesPerThreadMin, unit: "bytes", update: "per-broker" },
  ),
  "log.cleaner.io.buffer.load.factor": double(0.9, "How full the memory for keys may become.", {
    update: "per-broker",
  }),
  "log.cleaner.io.buffer.size": int(524288, "Memory for reading and writing, over all of the cleaner's threads.", {
    min: 0,
    unit: "bytes",
    update: "per-broker",
    withoutEffect: true,
  }),
  "log.cleaner.io.max.bytes.per.second": double("1.7976931348623157E308", "Bytes that the cleaner reads and writes in a second at most.", {
    unit: "bytes",
    update: "per-broker",
  }),
  "log.cleaner.delete.retention.ms": long(86400000, "How long compaction keeps a key's tombstone.", {
    min: 0,
    unit: "milliseconds",
    update: "per-broker",
  }),
  "log.cleaner.max.compaction.lag.ms": long(longMax, "Longest time that a record may stay uncompacted.", {
    min: 1,
    unit: "milliseconds",
    update: "per-broker",
  }),
  "log.cleaner.min.compaction.lag.ms": long(0, "Shortest time that a record stays uncompacted.", {
    min: 0,
    unit: "milliseconds",
    update: "per-broker",
  }),
  "log.cleaner.min.cleanable.ratio": double(0.5, "Share of a log that must be new before it is compacted.", {
    min: 0,
    max: 1,
    update: "per-broker",
  }),
} as const;
