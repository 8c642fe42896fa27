import { boolean, int, long, longMax, restricted, type SettingOptions, string } from "./setting.ts";

export const gzipLevel = (options: SettingOptions = {}) =>
  restricted(
    int(-1, "How hard gzip compresses where the broker does it, 1 to 9; -1: gzip's own choice.", options),
    "a whole number from 1 to 9, or -1",
    (level) => level === -1 || (level >= 1 && level <= 9),
  );
export const lz4Level = (options: SettingOptions = {}) =>
  int(9, "How hard lz4 compresses where the broker does it. The codec used here has one level.", {
    min: 1,
    max: 17,
    withoutEffect: true,
    ...options,
  });
export const zstdLevel = (options: SettingOptions = {}) =>
  int(3, "How hard zstd compresses where the broker does it.", { min: -131072, max: 22, ...options });

/** Kafka's releases up to the one whose names are used here; their interim versions end in -IV and a digit. */
const releases = /^(0\.8\.[0-2]|0\.9\.0|0\.10\.[0-2]|0\.11\.0|1\.[01]|2\.[0-8]|3\.[0-9]|4\.0)(-IV\d|\.\d+)?$/;

export const messageFormatVersion = restricted(
  string("3.0-IV1", "The format of records: there is one here, format 2, whatever this says.", { withoutEffect: true }),
  "a release of Kafka such as 3.0 or 3.0-IV1",
  (version) => releases.test(version),
);

/** The broker's settings for the messages of topics: what topics fall back on. */
export const brokerMessageSettings = {
  "compression.gzip.level": gzipLevel({ update: "per-broker" }),
  "compression.lz4.level": lz4Level({ update: "per-broker" }),
  "compression.zstd.level": zstdLevel({ update: "per-broker" }),
  "log.message.timestamp.after.max.ms": long(longMax, "How far in the future a record's timestamp may be.", {
    min: 0,
    unit: "milliseconds",
    update: "per-broker",
  }),
  "log.message.timestamp.before.max.ms": long(longMax, "How far in the past a record's timestamp may be.", {
    min: 0,
    unit: "milliseconds",
    update: "per-broker",
  }),
  "log.message.timestamp.difference.max.ms": long(
    longMax,
    "Kafka's former name for both bounds of timestamps: each of them that is at its default takes this one.",
    { min: 0, unit: "milliseconds", update: "per-broker" },
  ),
  "log.message.downconversion.enable": boolean(true, "Whether old clients get older formats: there is one format here, so nobody does.", {
    update: "per-broker",
    withoutEffect: true,
  }),
  "log.message.format.version": messageFormatVersion,
} as const;
