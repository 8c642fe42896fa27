import type { TopicPartition } from "../../protocol/base/ids.ts";
import { apis, type MessagePair } from "../../protocol/messages/apis.ts";
import { KafkaProtocolError } from "../base/errors.ts";
import { byTopic } from "../group/partition-assignor.ts";
import type { ItemResult } from "./admin-types.ts";

export interface ElectionParts {
  readonly ask: <Req, Res>(api: MessagePair<Req, Res>, build: (version: number) => Req) => Promise<Res>;
  readonly retrying: <T>(attempt: () => Promise<T>) => Promise<T>;
  readonly brokerTimeoutMs: number;
}

export async function electLeaders(
  { ask, retrying, brokerTimeoutMs: timeoutMs }: ElectionParts,
  type: "preferred" | "unclean",
  partitions: readonly TopicPartition[] | null,
): Promise<readonly ItemResult<TopicPartition>[]> {
  const topicPartitions = partitions === null ? null : byTopic(partitions);
  const answer = await retrying(async () => {
    const answer = await ask(apis.electLeaders, () => ({ electionType: type === "preferred" ? 0 : 1, topicPartitions, timeoutMs }));
    if (answer.errorCode !== "NONE") throw new KafkaProtocolError(answer.errorCode, "electing leaders");
    return answer;
  });
  return answer.replicaElectionResults.flatMap(({ topic, partitionResult }) =>
    partitionResult.map(({ partitionId, errorCode, errorMessage }) => {
      const which = { topic, partition: partitionId };
      if (errorCode === "NONE") return { ...which, error: null };
      return { ...which, error: new KafkaProtocolError(errorCode, `electing a leader of ${topic}-${partitionId}`, errorMessage) };
    }),
  );
}
