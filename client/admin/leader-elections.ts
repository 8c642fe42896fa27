import type { TopicPartition } from "../../protocol/base/ids.ts";
import { apis } from "../../protocol/messages/apis.ts";
import { KafkaProtocolError } from "../base/errors.ts";
import { byTopic } from "../group/partition-assignor.ts";
import type { AdminRequests } from "./admin-requests.ts";
import type { ItemResult } from "./admin-types.ts";

export async function electLeaders(
  requests: AdminRequests,
  type: "preferred" | "unclean",
  partitions: readonly TopicPartition[] | null,
): Promise<readonly ItemResult<TopicPartition>[]> {
  const topicPartitions = partitions === null ? null : byTopic(partitions);
  const timeoutMs = requests.brokerTimeoutMs();
  const answer = await requests.retrying(async () => {
    const answer = await requests.ask(apis.electLeaders, () => ({
      electionType: type === "preferred" ? 0 : 1,
      topicPartitions,
      timeoutMs,
    }));
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
