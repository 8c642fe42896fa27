import type { ConsumerMetrics } from "../base/client-metrics.ts";
import type { AssignedPartition } from "../fetch/assigned-partition.ts";
import type { AssignmentState } from "./consumer-options.ts";

type PartitionMetrics = Pick<ConsumerMetrics, "bufferBytes" | "partitionsAssigned" | "lag" | "lagMax" | "partitionsWithoutLag">;

/** How far behind the consumer is, and what it holds. */
export function partitionMetrics(partitions: Iterable<AssignedPartition>, states: readonly AssignmentState[]): PartitionMetrics {
  let bufferBytes = 0;
  for (const { bufferedBytes } of partitions) bufferBytes += bufferedBytes;
  const metrics = { bufferBytes, partitionsAssigned: states.length, lag: 0, lagMax: 0, partitionsWithoutLag: 0 };
  for (const { lag } of states) {
    if (lag < 0) metrics.partitionsWithoutLag++;
    metrics.lag += Math.max(lag, 0);
    metrics.lagMax = Math.max(metrics.lagMax, lag);
  }
  return metrics;
}
