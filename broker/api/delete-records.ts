import type { TopicPartition } from "../../protocol/base/ids.ts";
import type { KafkaErrorCode } from "../../protocol/errors/kafka-errors.ts";
import {
  type DeleteRecordsRequest,
  type DeleteRecordsResponse,
  deleteRecordsRequest,
  deleteRecordsResponse,
} from "../../protocol/messages/delete-records.ts";
import type { ImageSource } from "../cluster/cluster-image.ts";
import type { DeletingLeader, LeaderLookup } from "../partition/client-contract.ts";
import { isInternalTopic } from "../runtime/topic-names.ts";
import { type Api, boundedWaitMs } from "./api.ts";
import { asMetadataSays } from "./leader-hints.ts";

type PartitionAnswer = DeleteRecordsResponse["topics"][number]["partitions"][number];

/**
 * Behavior: deletes the records below an offset; the answer is the lowest log start offset of the live replicas then. Served by the
 * leaders. An offset below the log start offset changes nothing and is no error; one above the high watermark is OFFSET_OUT_OF_RANGE; a
 * topic that is only compacted answers POLICY_VIOLATION, an internal topic INVALID_TOPIC_EXCEPTION. If not every live replica has followed
 * in time, REQUEST_TIMED_OUT: the leader has deleted, and the others will.
 * Version notes: 1 is the same as 0; flexible since 2.
 */
export function deleteRecordsApi(
  partitions: LeaderLookup<DeletingLeader>,
  images: Pick<ImageSource, "current">,
): Api<DeleteRecordsRequest, DeleteRecordsResponse> {
  const answerFor = async (ref: TopicPartition, offset: number, timeoutMs: number): Promise<PartitionAnswer> => {
    const refused = (errorCode: KafkaErrorCode) => ({ partitionIndex: ref.partition, lowWatermark: -1, errorCode });
    if (isInternalTopic(ref.topic)) return refused("INVALID_TOPIC_EXCEPTION");
    const leader = partitions.leader(ref);
    const deleted = typeof leader === "string" ? { error: leader } : await leader.deleteRecords(offset, timeoutMs);
    if (deleted.error !== null) return refused(asMetadataSays(images.current, ref, deleted.error));
    return { partitionIndex: ref.partition, lowWatermark: deleted.lowWatermark, errorCode: "NONE" };
  };
  return {
    request: deleteRecordsRequest,
    response: deleteRecordsResponse,
    async handle({ topics: asked, timeoutMs }) {
      const waitMs = boundedWaitMs(timeoutMs);
      const topics = await Promise.all(
        [...offsetsByTopic(asked)].map(async ([name, offsets]) => ({
          name,
          partitions: await Promise.all([...offsets].map(([partition, offset]) => answerFor({ topic: name, partition }, offset, waitMs))),
        })),
      );
      return { throttleTimeMs: 0, topics };
    },
  };
}

/** If a partition is named more than once, the last offset counts. */
function offsetsByTopic(topics: DeleteRecordsRequest["topics"]): ReadonlyMap<string, ReadonlyMap<number, number>> {
  const byTopic = new Map<string, Map<number, number>>();
  for (const { name, partitions } of topics) {
    const offsets = byTopic.get(name) ?? new Map();
    for (const { partitionIndex, offset } of partitions) offsets.set(partitionIndex, offset);
    byTopic.set(name, offsets);
  }
  return byTopic;
}
