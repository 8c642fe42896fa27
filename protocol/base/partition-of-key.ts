import { invariant } from "./invariant.ts";

/** Which partition a key belongs to: Java's `abs(key.hashCode()) % partitions`, as every Kafka tool counts. */
export function partitionOfKey(key: string, partitions: number): number {
  invariant(partitions > 0, "a key belongs to one of the partitions there are");
  let hash = 0;
  for (let i = 0; i < key.length; i++) hash = (Math.imul(hash, 31) + key.charCodeAt(i)) | 0;
  // Kafka's Utils.abs: the smallest integer has no positive counterpart and counts as 0
  return (hash === -(2 ** 31) ? 0 : Math.abs(hash)) % partitions;
}
