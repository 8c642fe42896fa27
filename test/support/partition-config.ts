import type { PartitionConfig } from "../../broker/partition/environment.ts";
import type { ReplicationConfig } from "../../broker/replication/replication-config.ts";
import { decompressedBytesMaxDefault } from "../../protocol/records/decode-batch.ts";

export const testPartitionConfig: PartitionConfig = {
  brokerId: 1,
  replicaLagTimeMaxMs: 30_000,
  suspectLagMs: 750,
  appendWaitersMax: 100_000,
  highWatermarkCheckpointMs: 5_000,
  retentionCheckMs: 300_000,
  reassignedAtOnceMax: 100,
  strayRetentionMs: -1,
  producerExpirationCheckMs: 600_000,
  producerExpirationMs: () => 86_400_000,
  batchUnpackedBytesMax: decompressedBytesMaxDefault,
};

export const testReplicationConfig: ReplicationConfig = {
  fetchWaitMaxMs: 500,
  fetchMinBytes: 1,
  fetchMaxBytes: 1024 * 1024,
  fetchResponseMaxBytes: 10 * 1024 * 1024,
  fetchBackoffMs: 1000,
  fetchTimeoutMs: 10_000,
};
