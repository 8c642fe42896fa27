import type { BrokerId } from "../../protocol/base/ids.ts";
import type { Random } from "../../protocol/base/random.ts";
import type { KafkaError } from "../../protocol/errors/kafka-errors.ts";
import { assign, continuingStart, type Place, type Replicas, randomStart } from "./assignment.ts";
import type { PartitionsCreation, TopicCreation } from "./contract.ts";

/** What may be created: the assignment by partition number, or what is wrong with the request. */
export type Planned =
  | { readonly error: null; readonly assignment: readonly Replicas[] }
  | { readonly error: KafkaError; readonly message: string };

/** What a plan is made from. */
export interface PlanInput {
  /** Brokers that new partitions may be placed on. */
  readonly places: readonly Place[];
  readonly limits: CreationLimits;
  readonly random: Random;
}

export interface CreationLimits {
  /** Where a request leaves it open (-1). */
  readonly numPartitions: number;
  readonly defaultReplicationFactor: number;
  /** Partitions of one request's topic; also keeps what one creation allocates within bounds. */
  readonly partitionsPerTopicMax: number;
}

const topicNameLengthMax = 249;

/** Why a topic cannot be called so, or null. Names are folder names too. */
export function topicNameFault(name: string): string | null {
  if (name === "") return "The topic's name is empty.";
  if (name === "." || name === "..") return `A topic cannot be called "${name}".`;
  if (name.length > topicNameLengthMax) return `The topic's name has ${name.length} characters; at most ${topicNameLengthMax} are allowed.`;
  if (!/^[a-zA-Z0-9._-]+$/.test(name))
    return `The topic name ${JSON.stringify(name)} may only hold ASCII letters, digits, ".", "_" and "-".`;
  return null;
}

/** Metric names do not tell `.` from `_`: topics that differ in nothing else are refused, as Kafka does. */
export function collidingTopic(name: string, existing: Iterable<string>): string | null {
  const folded = (text: string) => text.replaceAll(".", "_");
  for (const other of existing) if (other !== name && folded(other) === folded(name)) return other;
  return null;
}

export function planTopic(creation: TopicCreation, { places, limits, random }: PlanInput): Planned {
  if (creation.assignments.length > 0) {
    if (creation.numPartitions !== -1 || creation.replicationFactor !== -1)
      return refused("INVALID_REQUEST", "With an explicit assignment, partition count and replication factor must be -1.");
    const sorted = [...creation.assignments].sort((a, b) => a.partition - b.partition);
    if (sorted.length > limits.partitionsPerTopicMax) return tooManyPartitions(sorted.length, limits);
    if (sorted.some(({ partition }, index) => partition !== index))
      return refused("INVALID_REPLICA_ASSIGNMENT", "The assigned partitions must be numbered from 0, each once.");
    return checkedAssignment(
      sorted.map(({ brokerIds }) => brokerIds),
      sorted[0]!.brokerIds.length,
      places,
    );
  }
  const count = creation.numPartitions === -1 ? limits.numPartitions : creation.numPartitions;
  const replicationFactor = creation.replicationFactor === -1 ? limits.defaultReplicationFactor : creation.replicationFactor;
  if (count < 1) return refused("INVALID_PARTITIONS", `A topic needs at least 1 partition, not ${count}.`);
  if (count > limits.partitionsPerTopicMax) return tooManyPartitions(count, limits);
  const fault = replicationFault(replicationFactor, places.length);
  if (fault !== null) return refused("INVALID_REPLICATION_FACTOR", fault);
  return { error: null, assignment: assign(places, { count, replicationFactor }, randomStart(random, places.length)) };
}

/** `assignment` of the result: of the new partitions only. */
export function planPartitions(creation: PartitionsCreation, existing: readonly Replicas[], { places, limits }: PlanInput): Planned {
  const added = creation.count - existing.length;
  if (added === 0) return refused("INVALID_PARTITIONS", `The topic already has ${existing.length} partitions.`);
  if (added < 0)
    return refused(
      "INVALID_PARTITIONS",
      `The topic has ${existing.length} partitions, which is more than the ${creation.count} asked for; partitions cannot be taken away.`,
    );
  if (creation.count > limits.partitionsPerTopicMax) return tooManyPartitions(creation.count, limits);
  // another tool may have written a topic that has none
  const replicationFactor = existing[0]?.length ?? limits.defaultReplicationFactor;
  if (creation.assignments !== null) {
    if (creation.assignments.length !== added)
      return refused(
        "INVALID_REPLICA_ASSIGNMENT",
        `${added} partitions are to be added, but replicas are assigned for ${creation.assignments.length}.`,
      );
    return checkedAssignment(creation.assignments, replicationFactor, places);
  }
  const fault = replicationFault(replicationFactor, places.length);
  if (fault !== null) return refused("INVALID_REPLICATION_FACTOR", fault);
  return { error: null, assignment: assign(places, { count: added, replicationFactor }, continuingStart(places, existing)) };
}

function replicationFault(replicationFactor: number, live: number): string | null {
  if (replicationFactor < 1) return `The replication factor must be at least 1, not ${replicationFactor}.`;
  if (replicationFactor > live) return `A replication factor of ${replicationFactor} needs as many live brokers; there are ${live}.`;
  return null;
}

function checkedAssignment(assignment: readonly Replicas[], replicationFactor: number, places: readonly Place[]): Planned {
  const live = new Set<BrokerId>(places.map(({ id }) => id));
  for (const [index, replicas] of assignment.entries()) {
    if (replicas.length === 0) return refused("INVALID_REPLICA_ASSIGNMENT", `Entry ${index} of the assignment names no broker.`);
    if (new Set(replicas).size !== replicas.length)
      return refused("INVALID_REPLICA_ASSIGNMENT", `Entry ${index} of the assignment names a broker twice: ${replicas.join(", ")}.`);
    if (replicas.length !== replicationFactor)
      return refused(
        "INVALID_REPLICA_ASSIGNMENT",
        `All partitions of a topic need the same number of replicas: entry ${index} of the assignment has ${replicas.length}, not ${replicationFactor}.`,
      );
    const unknown = replicas.filter((id) => !live.has(id));
    if (unknown.length > 0)
      return refused(
        "INVALID_REPLICA_ASSIGNMENT",
        `Entry ${index} of the assignment names brokers that are not alive: ${unknown.join(", ")}.`,
      );
  }
  return { error: null, assignment };
}

function tooManyPartitions(count: number, { partitionsPerTopicMax }: CreationLimits): Planned {
  return refused("INVALID_PARTITIONS", `${count} partitions are more than one topic may have here (${partitionsPerTopicMax}).`);
}

function refused(error: KafkaError, message: string): Planned {
  return { error, message };
}
