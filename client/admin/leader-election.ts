import type { TopicPartition } from "../../protocol/base/ids.ts";
import { apis, type MessagePair } from "../../protocol/messages/apis.ts";
import { KafkaProtocolError } from "../base/errors.ts";
import { byTopic } from "../group/partition-assignor.ts";
import type { ItemResult } from "./admin-types.ts";

/** One attempt. Null: every partition. */
export async function electLeaders(
  ask: <Req, Res>(api: MessagePair<Req, Res>, build: () => Req) => Promise<Res>,
  type: "preferred" | "unclean",
  partitions: readonly TopicPartition[] | null,
  timeoutMs: number,
): Promise<readonly ItemResult<TopicPartition>[]> {
  const topicPartitions = partitions === null ? null : byTopic(partitions);
  const request = { electionType: type === "preferred" ? 0 : 1, topicPartitions, timeoutMs };
  const answer = await ask(apis.electLeaders, () => request);
  if (answer.errorCode !== "NONE") throw new KafkaProtocolError(answer.errorCode, "electing leaders");
  return answer.replicaElectionResults.flatMap(({ topic, partitionResult }) =>
    partitionResult.map(({ partitionId, errorCode, errorMessage }) => {
      const which = { topic, partition: partitionId };
      if (errorCode === "NONE") return { ...which, error: null };
      return { ...which, error: new KafkaProtocolError(errorCode, `electing a leader of ${topic}-${partitionId}`, errorMessage) };
    }),
  );
}
