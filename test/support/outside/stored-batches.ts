import type { BatchInfo } from "../../../protocol/records/batch-header.ts";
import { scanBatches } from "../../../protocol/records/validate-batches.ts";
import type { TestCluster } from "../cluster.ts";

/** What a broker has in its files for a partition; fails unless every byte of it is a sound batch. */
export async function storedBatches(cluster: TestCluster, id: number, topic: string, partition: number): Promise<readonly BatchInfo[]> {
  const bytes = await cluster.logBytes(id, topic, partition);
  if (bytes === null) throw new Error(`broker ${id} has no copy of ${topic}-${partition}`);
  const { batches, tail } = scanBatches(bytes);
  if (tail.kind !== "clean") throw new Error(`${topic}-${partition} on broker ${id} ends ${tail.kind}`);
  return batches;
}
