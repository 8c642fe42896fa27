import {
  commitByIdsVersion,
  type OffsetCommitRequest,
  type OffsetCommitResponse,
  offsetCommitRequest,
  offsetCommitResponse,
} from "../../protocol/messages/offset-commit.ts";
import type { ImageSource } from "../cluster/cluster-image.ts";
import type { TopicErrors } from "../group/offset-requests.ts";
import { AppendRoom } from "../state-machine/append-room.ts";
import type { Api, RequestContext } from "./api.ts";
import { type CommittedTopic, commitPositions } from "./committing.ts";
import type { GroupService } from "./group-context.ts";

/**
 * Behavior: commits positions of a group; answered when the in-sync replicas have them (see `commitPositions`). Partitions that do not
 * exist are UNKNOWN_TOPIC_OR_PARTITION. If a request would append far more than its own size, nothing is committed:
 * INVALID_COMMIT_OFFSET_SIZE.
 * Version notes: 0 is always from outside the group, and is stored like the others, not in ZooKeeper; a time of the commit in 1; a
 * retention of its own from 2 to 4; leader epochs since 6 (KIP-320); static members since 7 (KIP-345); the generation may be a member epoch
 * since 9 (KIP-848); topics by their ids since 10, where a topic that no longer exists is UNKNOWN_TOPIC_ID, even if there is another of its
 * name.
 */
export function offsetCommitApi(
  groups: Pick<GroupService, "run" | "runEvenUnnamed">,
  images: Pick<ImageSource, "current">,
  room = new AppendRoom(),
): Api<OffsetCommitRequest, OffsetCommitResponse> {
  const commit = (request: OffsetCommitRequest, topics: readonly CommittedTopic[], { apiVersion, origin }: RequestContext) => {
    const { groupId, generationIdOrMemberEpoch } = request;
    const run = generationIdOrMemberEpoch < 0 ? groups.runEvenUnnamed.bind(groups) : groups.run.bind(groups);
    const committing = { ...request, topics, apiVersion };
    return run<readonly TopicErrors[]>(groupId, (machine, now) => machine.commitOffsets(groupId, committing, now), origin);
  };
  return {
    request: offsetCommitRequest,
    response: offsetCommitResponse,
    async handle(request, context) {
      const positions = { ...request, isByName: context.apiVersion < commitByIdsVersion };
      const { meter } = context;
      const parts = { images, room, meter, commit: (topics: readonly CommittedTopic[]) => commit(request, topics, context) };
      const partitions = await commitPositions(positions, parts);
      return { throttleTimeMs: 0, topics: request.topics.map(({ name, topicId }, i) => ({ name, topicId, partitions: partitions[i]! })) };
    },
  };
}
