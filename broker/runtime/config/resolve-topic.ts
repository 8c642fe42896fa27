import { invariant } from "../../../protocol/base/invariant.ts";
import type { TopicSettings } from "../topic-settings.ts";
import { type BrokerConfigLayers, type ConfigTexts, topicText } from "./resolve.ts";
import { type TopicSettingName, type TopicValues, topicSettingDefinitions } from "./topic-setting-definitions.ts";

/**
 * A topic's settings in force on a broker: its own, else the broker's (set at run time, then at its start), else Kafka's. A value that is
 * no longer acceptable is passed over.
 */
export function topicSettings(topic: ConfigTexts, layers: BrokerConfigLayers): TopicSettings {
  const value = <K extends TopicSettingName>(name: K): TopicValues[K] => {
    const parsed = topicSettingDefinitions[name].parse(topicText(topic, layers, name).text);
    invariant("value" in parsed, "a topic setting's text was checked", () => ({ name }));
    return parsed.value as TopicValues[K];
  };
  const timestampDifferenceMaxMs = value("message.timestamp.difference.max.ms");
  const timestampBound = (boundMs: number) => (boundMs === Number.MAX_SAFE_INTEGER ? timestampDifferenceMaxMs : boundMs);
  return {
    cleanupPolicy: cleanupPolicy(value("cleanup.policy")),
    compressionType: value("compression.type"),
    compressionGzipLevel: value("compression.gzip.level"),
    compressionZstdLevel: value("compression.zstd.level"),
    deleteRetentionMs: value("delete.retention.ms"),
    fileDeleteDelayMs: value("file.delete.delay.ms"),
    flushMessages: value("flush.messages"),
    flushMs: value("flush.ms"),
    indexIntervalBytes: value("index.interval.bytes"),
    maxMessageBytes: value("max.message.bytes"),
    minCompactionLagMs: value("min.compaction.lag.ms"),
    maxCompactionLagMs: value("max.compaction.lag.ms"),
    minCleanableDirtyRatio: value("min.cleanable.dirty.ratio"),
    messageTimestampBeforeMaxMs: timestampBound(value("message.timestamp.before.max.ms")),
    messageTimestampAfterMaxMs: timestampBound(value("message.timestamp.after.max.ms")),
    messageTimestampType: value("message.timestamp.type"),
    minInsyncReplicas: value("min.insync.replicas"),
    retentionBytes: Math.max(value("retention.bytes"), -1),
    retentionMs: value("retention.ms"),
    segmentBytes: value("segment.bytes"),
    segmentIndexBytes: value("segment.index.bytes"),
    segmentJitterMs: value("segment.jitter.ms"),
    segmentMs: value("segment.ms"),
    uncleanLeaderElectionEnable: value("unclean.leader.election.enable"),
  };
}

function cleanupPolicy(policies: readonly string[]): TopicSettings["cleanupPolicy"] {
  if (!policies.includes("compact")) return "delete";
  return policies.includes("delete") ? "compact,delete" : "compact";
}
