import type { KafkaError, KafkaErrorCode } from "../../protocol/errors/kafka-errors.ts";
import {
  commitByIdsVersion,
  type OffsetCommitRequest,
  type OffsetCommitResponse,
  offsetCommitRequest,
  offsetCommitResponse,
} from "../../protocol/messages/offset-commit.ts";
import type { ClusterImage, ImageSource } from "../cluster/contract.ts";
import { allTopics, type TopicErrors } from "../group/offset-requests.ts";
import type { Api } from "./api.ts";
import type { GroupService } from "./group-context.ts";
import { partitionRecord } from "./leader-hints.ts";
import { byTopicAgain, inTurns, topicSlices } from "./slices.ts";

type TopicRequest = OffsetCommitRequest["topics"][number];
type PartitionResponse = OffsetCommitResponse["topics"][number]["partitions"][number];

/**
 * Behavior: keeps positions of a group; answered when they are committed to the in-sync replicas. Partitions that do not exist are UNKNOWN_TOPIC_OR_PARTITION and do not disturb the others. Many are kept in slices: see `inTurns`.
 * Version notes: 0 is always from outside the group, and goes where the others go, not to ZooKeeper; a time of the commit in 1; a retention of its own from 2 to 4; leader epochs since 6 (KIP-320); static members since 7 (KIP-345); the generation may be a member epoch since 9 (KIP-848);
 * topics by their ids since 10, where one that is no more is UNKNOWN_TOPIC_ID, also when there is another of its name.
 */
export function offsetCommitApi(
  groups: Pick<GroupService, "run" | "runEvenUnnamed">,
  images: Pick<ImageSource, "current">,
): Api<OffsetCommitRequest, OffsetCommitResponse> {
  const commit = async (request: OffsetCommitRequest, topics: readonly TopicRequest[], apiVersion: number) => {
    const { groupId, generationIdOrMemberEpoch } = request;
    const run = generationIdOrMemberEpoch < 0 ? groups.runEvenUnnamed.bind(groups) : groups.run.bind(groups);
    const ran = await run<readonly TopicErrors[]>(groupId, (machine, now) =>
      machine.commitOffsets(groupId, { ...request, topics, apiVersion }, now),
    );
    return ran.error === null ? ran.value : allTopics(topics, commitError(ran.error));
  };
  return {
    request: offsetCommitRequest,
    response: offsetCommitResponse,
    async handle(request, { apiVersion, meter }) {
      const commitSlice = async (slice: readonly TopicRequest[]): Promise<readonly PartitionResponse[]> => {
        const image = images.current;
        const named = slice.map((topic) => ({ ...topic, name: apiVersion < commitByIdsVersion ? topic.name : nameOf(image, topic) }));
        const exists = (topic: string, partition: number) => partitionRecord(image, { topic, partition }) !== undefined;
        const known = named
          .map((topic) => ({ ...topic, partitions: topic.partitions.filter((one) => exists(topic.name, one.partitionIndex)) }))
          .filter(({ partitions }) => partitions.length > 0);
        const committed = known.length === 0 ? [] : await commit(request, known, apiVersion);
        const remaining = committed.flatMap(({ partitions }) => partitions).values();
        // every partition keeps its place in the answer; those that exist were answered in their order
        const answerFor = (name: string, partitionIndex: number): PartitionResponse =>
          exists(name, partitionIndex)
            ? remaining.next().value!
            : { partitionIndex, errorCode: name === noName ? "UNKNOWN_TOPIC_ID" : "UNKNOWN_TOPIC_OR_PARTITION" };
        return named.flatMap(({ name, partitions }) => partitions.map(({ partitionIndex }) => answerFor(name, partitionIndex)));
      };
      const answers = await inTurns(topicSlices(request.topics), meter, commitSlice);
      const topics = byTopicAgain(request.topics, answers.flat());
      return { throttleTimeMs: 0, topics: topics.map((topic, i) => ({ ...topic, topicId: request.topics[i]!.topicId })) };
    },
  };
}

/** No topic can be called so; clients that name topics may say it all the same, and are told that there is no such partition. */
const noName = "\0";

function nameOf({ topicNames }: ClusterImage, { topicId }: TopicRequest): string {
  return topicNames.get(topicId) ?? noName;
}

function commitError(error: KafkaError): KafkaErrorCode {
  return error === "MESSAGE_TOO_LARGE" ? "INVALID_COMMIT_OFFSET_SIZE" : error;
}
