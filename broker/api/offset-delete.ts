import type { KafkaErrorCode } from "../../protocol/errors/kafka-errors.ts";
import {
  type OffsetDeleteRequest,
  type OffsetDeleteResponse,
  offsetDeleteRequest,
  offsetDeleteResponse,
} from "../../protocol/messages/offset-delete.ts";
import type { ImageSource } from "../cluster/contract.ts";
import type { OffsetsDeleted } from "../group/offset-requests.ts";
import type { Api } from "./api.ts";
import { type GroupService, memberError } from "./group-context.ts";
import { partitionRecord } from "./leader-hints.ts";

/** Behavior: forgets committed offsets of topics that no member of the group consumes (KIP-496). */
export function offsetDeleteApi(
  groups: Pick<GroupService, "run">,
  images: Pick<ImageSource, "current">,
): Api<OffsetDeleteRequest, OffsetDeleteResponse> {
  return {
    request: offsetDeleteRequest,
    response: offsetDeleteResponse,
    async handle({ groupId, topics }) {
      const ran = await groups.run<OffsetsDeleted>(groupId, (machine) => machine.deleteOffsets(groupId, topics));
      const error = ran.error ?? ran.value.error;
      if (error !== null) return { errorCode: memberError(error), throttleTimeMs: 0, topics: [] };
      const deleted = ran.error === null && ran.value.error === null ? ran.value.topics : [];
      const image = images.current;
      const answers = deleted.map(({ name, partitions }) => ({
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
