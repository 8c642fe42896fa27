/** The topic that groups and committed offsets are kept in. */
export const offsetsTopic = "__consumer_offsets";

/** Which partition a group belongs to: Java's `abs(groupId.hashCode()) % partitions`, as every Kafka tool counts. */
export function partitionOfGroup(groupId: string, partitions: number): number {
  let hash = 0;
  for (let i = 0; i < groupId.length; i++) hash = (Math.imul(hash, 31) + groupId.charCodeAt(i)) | 0;
  // Kafka's Utils.abs: the smallest integer has no positive counterpart and counts as 0
  return (hash === -(2 ** 31) ? 0 : Math.abs(hash)) % partitions;
}
