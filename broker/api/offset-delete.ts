import type { KafkaErrorCode } from "../../protocol/errors/kafka-errors.ts";
import {
  type OffsetDeleteRequest,
  type OffsetDeleteResponse,
  offsetDeleteRequest,
  offsetDeleteResponse,
} from "../../protocol/messages/offset-delete.ts";
import type { ImageSource } from "../cluster/cluster-image.ts";
import { PositionBytes } from "../group/group-records.ts";
import type { OffsetsDeleted, TopicErrors } from "../group/offset-requests.ts";
import { AppendRoom } from "../state-machine/append-room.ts";
import type { Ran } from "../state-machine/ticket.ts";
import type { Api } from "./api.ts";
import { type GroupService, memberError } from "./group-context.ts";
import { partitionRecord } from "./leader-hints.ts";
import { inAllPlaces, inTurns, lastOfEach, topicSlices } from "./slices.ts";

/**
 * Behavior: deletes committed offsets of topics that no member of the group consumes (KIP-496). Many are deleted in slices (see `inTurns`);
 * an error of the group is the answer even if some are deleted by then. What is appended is less than what was appended to commit them, so
 * it has no bound of its own.
 */
export function offsetDeleteApi(
  groups: Pick<GroupService, "run">,
  images: Pick<ImageSource, "current">,
  room = new AppendRoom(),
): Api<OffsetDeleteRequest, OffsetDeleteResponse> {
  return {
    request: offsetDeleteRequest,
    response: offsetDeleteResponse,
    async handle({ groupId, topics: asked }, { meter, origin }) {
      const topics = lastOfEach(asked, keyOf);
      const positions = new PositionBytes(groupId);
      const slices = topicSlices(topics, ({ name }) => positions.of(name));
      const ran = await inTurns(slices, { meter, room }, async (slice): Promise<Ran<readonly TopicErrors[]>> => {
        const outcome = await groups.run<OffsetsDeleted>(groupId, (machine) => machine.deleteOffsets(groupId, slice.topics), origin);
        if (outcome.error !== null) return outcome;
        return outcome.value.error !== null ? { error: outcome.value.error } : { error: null, value: outcome.value.topics };
      });
      const deleted: TopicErrors["partitions"][] = [];
      for (const slice of ran) {
        if (slice.error !== null) return { errorCode: memberError(slice.error), throttleTimeMs: 0, topics: [] };
        deleted.push(slice.value.flatMap(({ partitions }) => partitions));
      }
      const image = images.current;
      const answers = inAllPlaces(asked, topics, keyOf, deleted.flat()).map((partitions, i) => ({
        name: asked[i]!.name,
        partitions: partitions.map(({ partitionIndex, errorCode }) => {
          const exists = partitionRecord(image, { topic: asked[i]!.name, partition: partitionIndex }) !== undefined;
          return { partitionIndex, errorCode: exists ? errorCode : ("UNKNOWN_TOPIC_OR_PARTITION" satisfies KafkaErrorCode) };
        }),
      }));
      return { errorCode: "NONE", throttleTimeMs: 0, topics: answers };
    },
  };
}

function keyOf({ name }: { readonly name: string }): string {
  return name;
}
