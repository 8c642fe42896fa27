import type { BrokerSample } from "../../../cli/metrics/broker-sample.ts";
import type { MetricsRead } from "../../../cli/metrics/read-metrics.ts";
import type { BrokerMetadata, LogDirectoryDescription, PartitionMetadata, TopicDescription } from "../../../client/index.ts";

export const nowMs = 1_700_000_000_000;

export function aBroker(id: number, rack: string | null = null): BrokerMetadata {
  return { id, host: `b${id}`, port: 9092, rack };
}

export function aTopic(name: string, partitions: readonly Partial<PartitionMetadata>[], isInternal = false): TopicDescription {
  const whole = partitions.map((each, partition): PartitionMetadata => {
    const { replicas = [1, 2, 3] } = each;
    return { partition, leader: replicas[0] ?? -1, leaderEpoch: 0, replicas, isr: replicas, offlineReplicas: [], ...each };
  });
  return { name, topicId: "AAAAAAAAAAAAAAAAAAAAAA", isInternal, partitions: whole };
}

export function aDirectory(directory: string, used: number, more: Partial<LogDirectoryDescription> = {}): LogDirectoryDescription {
  return { directory, error: null, totalBytes: 1000, usableBytes: Math.round(1000 * (1 - used)), replicas: [], ...more };
}

export function aSample(brokerId: number, more: Partial<BrokerSample> = {}): BrokerSample {
  return {
    brokerId,
    clusterId: "c",
    startedAtSeconds: 1,
    cpuSeconds: 10,
    memoryBytes: 1e8,
    receivedBytes: new Map(),
    sentBytes: new Map(),
    replicationReceivedBytes: 0,
    replicationSentBytes: 0,
    loop: null,
    isReady: true,
    isRegistered: true,
    sessionState: "connected",
    sessionChanges: new Map(),
    diskStuckSeconds: 0,
    ...more,
  };
}

/** `aheadMs`: of the broker's clock. */
export function metricsRead(sample: BrokerSample, { aheadMs = 0, atMs = 0 } = {}): MetricsRead {
  const dateMs = Math.floor((nowMs + aheadMs) / 1000) * 1000;
  return { sample, scraped: { dateMs, askedAtMs: nowMs - 5, answeredAtMs: nowMs + 5 }, bytes: 100, atMs, why: null };
}
