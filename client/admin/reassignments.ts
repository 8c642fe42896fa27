import { type BrokerId, partitionKey, type TopicPartition } from "../../protocol/base/ids.ts";
import { apis, type MessagePair } from "../../protocol/messages/apis.ts";
import { KafkaProtocolError } from "../base/errors.ts";
import { byTopic } from "../metadata/ask-leaders.ts";
import type { ItemAnswer } from "./item-answer.ts";

export interface ReplicasWanted extends TopicPartition {
  /** The preferred leader first; null: those that it had before the reassignment under way. */
  readonly replicas: readonly BrokerId[] | null;
}

/** A reassignment that is under way. */
export interface PartitionReassignment extends TopicPartition {
  /** All that there are now: those that are wanted, then those being removed. */
  readonly replicas: readonly BrokerId[];
  readonly adding: readonly BrokerId[];
  readonly removing: readonly BrokerId[];
}

type Ask = <Req, Res>(api: MessagePair<Req, Res>, build: () => Req) => Promise<Res>;

/** One attempt. */
export async function alterReassignments(
  ask: Ask,
  wanted: readonly ReplicasWanted[],
  options: { readonly timeoutMs: number; readonly allowReplicationFactorChange: boolean },
): Promise<readonly ItemAnswer<TopicPartition>[]> {
  const topics = byTopic(wanted, ({ partition, replicas }) => ({ partitionIndex: partition, replicas }));
  const answer = await ask(apis.alterPartitionReassignments, () => ({ ...options, topics }));
  // an error of the whole request is one of each of its partitions
  const whole = answer.errorCode === "NONE" ? null : { errorCode: answer.errorCode, errorMessage: answer.errorMessage };
  const found = new Map(
    answer.responses.flatMap(({ name, partitions }) => partitions.map((one) => [partitionKey(name, one.partitionIndex), one] as const)),
  );
  return wanted.map(({ topic, partition }) => {
    const key = partitionKey(topic, partition);
    const { errorCode, errorMessage } = whole ?? found.get(key) ?? { errorCode: "UNKNOWN_SERVER_ERROR" as const, errorMessage: null };
    return { key, errorCode, errorMessage, value: { topic, partition } };
  });
}

/** One attempt. */
export async function listReassignments(
  ask: Ask,
  partitions: readonly TopicPartition[] | null,
  timeoutMs: number,
): Promise<readonly PartitionReassignment[]> {
  const asked = partitions === null ? null : byTopic(partitions, ({ partition }) => partition);
  const topics = asked?.map(({ name, partitions: partitionIndexes }) => ({ name, partitionIndexes })) ?? null;
  const answer = await ask(apis.listPartitionReassignments, () => ({ timeoutMs, topics }));
  if (answer.errorCode !== "NONE") throw new KafkaProtocolError(answer.errorCode, "listing reassignments", answer.errorMessage);
  return answer.topics.flatMap(({ name: topic, partitions: underWay }) =>
    underWay.map(({ partitionIndex: partition, replicas, addingReplicas: adding, removingReplicas: removing }) => ({
      topic,
      partition,
      replicas,
      adding,
      removing,
    })),
  );
}
