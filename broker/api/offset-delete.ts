import type { KafkaErrorCode } from "../../protocol/errors/kafka-errors.ts";
import {
  type OffsetDeleteRequest,
  type OffsetDeleteResponse,
  offsetDeleteRequest,
  offsetDeleteResponse,
} from "../../protocol/messages/offset-delete.ts";
import type { ImageSource } from "../cluster/contract.ts";
import type { OffsetsDeleted, TopicErrors } from "../group/offset-requests.ts";
import type { Api } from "./api.ts";
import { type GroupService, memberError } from "./group-context.ts";
import { partitionRecord } from "./leader-hints.ts";
import { byTopicAgain, inTurns, topicSlices } from "./slices.ts";

/** Behavior: forgets committed offsets of topics that no member of the group consumes (KIP-496). Many are forgotten in slices (see `inTurns`); an error of the group is the answer also where some are forgotten by then. */
export function offsetDeleteApi(
  groups: Pick<GroupService, "run">,
  images: Pick<ImageSource, "current">,
): Api<OffsetDeleteRequest, OffsetDeleteResponse> {
  return {
    request: offsetDeleteRequest,
    response: offsetDeleteResponse,
    async handle({ groupId, topics }, { meter }) {
      const slices = await inTurns(topicSlices(topics), meter, async (slice) => {
        const ran = await groups.run<OffsetsDeleted>(groupId, (machine) => machine.deleteOffsets(groupId, slice));
        return ran.error === null ? ran.value : ran;
      });
      const deleted: TopicErrors["partitions"][] = [];
      for (const slice of slices) {
        if (slice.error !== null) return { errorCode: memberError(slice.error), throttleTimeMs: 0, topics: [] };
        deleted.push(slice.topics.flatMap(({ partitions }) => partitions));
      }
      const image = images.current;
      const answers = byTopicAgain(topics, deleted.flat()).map(({ name, partitions }) => ({
        name,
        partitions: partitions.map(({ partitionIndex, errorCode }) => {
          const exists = partitionRecord(image, { topic: name, partition: partitionIndex }) !== undefined;
          return { partitionIndex, errorCode: exists ? errorCode : ("UNKNOWN_TOPIC_OR_PARTITION" satisfies KafkaErrorCode) };
        }),
      }));
      return { errorCode: "NONE", throttleTimeMs: 0, topics: answers };
    },
  };
}
