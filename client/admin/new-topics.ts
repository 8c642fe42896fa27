import type { NewPartitions, NewTopic } from "./admin-types.ts";

/** As CreateTopics has it. Where the replicas are given, so are their numbers. */
export function wireTopic({ name, partitions = -1, replicationFactor = -1, assignment = [], configs = {} }: NewTopic) {
  return {
    name,
    numPartitions: assignment.length > 0 ? -1 : partitions,
    replicationFactor: assignment.length > 0 ? -1 : replicationFactor,
    assignments: assignment.map((brokerIds, partitionIndex) => ({ partitionIndex, brokerIds })),
    configs: Object.entries(configs).map(([key, value]) => ({ name: key, value })),
  };
}

/** As CreatePartitions has it. */
export function wirePartitions({ topic, count, assignment }: NewPartitions) {
  return { name: topic, count, assignments: assignment?.map((brokerIds) => ({ brokerIds })) ?? null };
}
