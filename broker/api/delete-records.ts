import type { KafkaErrorCode } from "../../protocol/errors/kafka-errors.ts";
import {
  type DeleteRecordsRequest,
  type DeleteRecordsResponse,
  deleteRecordsRequest,
  deleteRecordsResponse,
} from "../../protocol/messages/delete-records.ts";
import type { ImageSource } from "../cluster/cluster-image.ts";
import type { PartitionRef, PartitionService } from "../partition/contract.ts";
import { isInternalTopic } from "../runtime/topic-names.ts";
import type { Api } from "./api.ts";
import { boundedWaitMs } from "./bounded-wait.ts";
import { asMetadataSays } from "./leader-hints.ts";

type PartitionAnswer = DeleteRecordsResponse["topics"][number]["partitions"][number];

/**
 * Behavior: the records below an offset are deleted, and answered is where the live replicas' logs begin then. Asked of the leaders. An
 * offset below a log's start changes nothing and is fine; one above the high watermark is OFFSET_OUT_OF_RANGE; a topic that is only
 * compacted answers POLICY_VIOLATION, one of the brokers' own INVALID_TOPIC_EXCEPTION. When not every live replica has followed in time,
 * REQUEST_TIMED_OUT: the leader has deleted, and the others will.
 * Version notes: 1 is as 0; flexible since 2.
 */
export function deleteRecordsApi(
  partitions: Pick<PartitionService, "deleteRecords">,
  images: Pick<ImageSource, "current">,
): Api<DeleteRecordsRequest, DeleteRecordsResponse> {
  const answerFor = async (ref: PartitionRef, offset: number, timeoutMs: number): Promise<PartitionAnswer> => {
    const refused = (errorCode: KafkaErrorCode) => ({ partitionIndex: ref.partition, lowWatermark: -1, errorCode });
    if (isInternalTopic(ref.topic)) return refused("INVALID_TOPIC_EXCEPTION");
    const deleted = await partitions.deleteRecords(ref, offset, timeoutMs);
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

/** Of a partition that is named more than once, the last offset counts. */
function offsetsByTopic(topics: DeleteRecordsRequest["topics"]): ReadonlyMap<string, ReadonlyMap<number, number>> {
  const byTopic = new Map<string, Map<number, number>>();
  for (const { name, partitions } of topics) {
    const offsets = byTopic.get(name) ?? new Map();
    for (const { partitionIndex, offset } of partitions) offsets.set(partitionIndex, offset);
    byTopic.set(name, offsets);
  }
  return byTopic;
}
