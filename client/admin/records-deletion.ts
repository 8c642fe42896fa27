import type { TopicPartition } from "../../protocol/base/ids.ts";
import { apis } from "../../protocol/messages/apis.ts";
import { KafkaProtocolError } from "../base/errors.ts";
import { answeredFor, askLeaders, byTopic } from "../metadata/ask-leaders.ts";
import type { Cluster } from "../metadata/cluster.ts";
import type { ItemResult } from "./admin-types.ts";

export interface RecordsToDelete extends TopicPartition {
  /** The first record to keep; `"all"`: none of those that are committed now. */
  readonly before: number | "all";
}

export interface DeletedRecords extends TopicPartition {
  /** Where the partition begins now. */
  readonly startOffset: number;
}

/** In the order of the queries. `brokerTimeoutMs`: how long a leader may wait for the other replicas. */
export async function deleteRecords(
  cluster: Cluster,
  wanted: readonly RecordsToDelete[],
  { deadlineMs, brokerTimeoutMs }: { readonly deadlineMs: number; readonly brokerTimeoutMs: number },
): Promise<readonly ItemResult<DeletedRecords>[]> {
  const answers = await askLeaders<RecordsToDelete, DeletedRecords>(cluster, wanted, deadlineMs, {
    waitMs: brokerTimeoutMs,
    async ask(connection, asked, signal) {
      const topics = byTopic(asked, ({ partition, before }) => ({ partitionIndex: partition, offset: before === "all" ? -1 : before }));
      const answer = await connection.request(apis.deleteRecords, () => ({ topics, timeoutMs: brokerTimeoutMs }), { signal });
      return asked.map(({ topic, partition }) => {
        const found = answeredFor(answer.topics, { topic, partition }, "deleting records of");
        return found instanceof KafkaProtocolError ? found : { topic, partition, startOffset: found.lowWatermark };
      });
    },
  });
  return answers.map((answer, i): ItemResult<DeletedRecords> => {
    if (!(answer instanceof KafkaProtocolError)) return { ...answer, error: null };
    const { topic, partition } = wanted[i] as RecordsToDelete;
    return { topic, partition, error: answer };
  });
}
