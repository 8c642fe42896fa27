import type { PartitionMetadata, TopicDescription } from "../../client/index.ts";
import { noBroker } from "../../protocol/base/ids.ts";

export interface Health {
  readonly topics: number;
  readonly partitions: number;
  /** Some replica is not in sync. */
  readonly underReplicated: number;
  /** No leader. */
  readonly offline: number;
}

export function isOffline({ leader }: PartitionMetadata): boolean {
  return leader === noBroker;
}

/** Those that a reassignment adds or removes need not be in sync. */
export function isUnderReplicated({ isr, replicas, addingReplicas = [], removingReplicas = [] }: PartitionMetadata): boolean {
  const settled = replicas.filter((id) => !addingReplicas.includes(id) && !removingReplicas.includes(id));
  return settled.some((id) => !isr.includes(id));
}

/** Of the partition that has the most. */
export function copiesIn({ partitions }: Pick<TopicDescription, "partitions">): number {
  return Math.max(0, ...partitions.map(({ replicas }) => replicas.length));
}

export function healthOf(topics: readonly TopicDescription[]): Health {
  const partitions = topics.flatMap((topic) => topic.partitions);
  return {
    topics: topics.length,
    partitions: partitions.length,
    underReplicated: partitions.filter(isUnderReplicated).length,
    offline: partitions.filter(isOffline).length,
  };
}
