import type { KafkaError, KafkaErrorCode } from "../../protocol/errors/kafka-errors.ts";
import {
  commitByIdsVersion,
  type OffsetCommitRequest,
  type OffsetCommitResponse,
  offsetCommitRequest,
  offsetCommitResponse,
} from "../../protocol/messages/offset-commit.ts";
import type { ClusterImage, ImageSource } from "../cluster/cluster-image.ts";
import { PositionBytes } from "../group/group-records.ts";
import type { TopicErrors } from "../group/offset-requests.ts";
import { AppendRoom } from "../state-machine/append-room.ts";
import type { Ran } from "../state-machine/ticket.ts";
import type { Api, RequestContext } from "./api.ts";
import type { GroupService } from "./group-context.ts";
import { partitionRecord } from "./leader-hints.ts";
import { inAllPlaces, inTurns, lastOfEach, type TopicSlice, takesLong, topicSlices } from "./slices.ts";

type TopicRequest = OffsetCommitRequest["topics"][number];
type PartitionRequest = TopicRequest["partitions"][number];
type PartitionResponse = OffsetCommitResponse["topics"][number]["partitions"][number];

/**
 * Behavior: commits positions of a group; answered when the in-sync replicas have them. Partitions that do not exist are
 * UNKNOWN_TOPIC_OR_PARTITION and do not affect the others. If a partition is named more than once, the last position counts, and its answer
 * is given in all places. Many are committed in slices: see `inTurns`. If a request would append far more than its own size, nothing is
 * committed: INVALID_COMMIT_OFFSET_SIZE.
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
  const commit = (request: OffsetCommitRequest, topics: readonly TopicRequest[], { apiVersion, origin }: RequestContext) => {
    const { groupId, generationIdOrMemberEpoch } = request;
    const run = generationIdOrMemberEpoch < 0 ? groups.runEvenUnnamed.bind(groups) : groups.run.bind(groups);
    const committing = { ...request, topics, apiVersion };
    return run<readonly TopicErrors[]>(groupId, (machine, now) => machine.commitOffsets(groupId, committing, now), origin);
  };
  return {
    request: offsetCommitRequest,
    response: offsetCommitResponse,
    async handle(request, context) {
      const { apiVersion, meter } = context;
      const isByName = apiVersion < commitByIdsVersion;
      const keyOf = ({ name, topicId }: TopicRequest): string => (isByName ? name : topicId);
      const named = (image: ClusterImage, topics: readonly TopicRequest[]) =>
        isByName ? topics : topics.map((topic) => ({ ...topic, name: nameOf(image, topic) }));
      const commitSlice = async (slice: Slice): Promise<Ran<readonly PartitionResponse[]>> => {
        const image = images.current;
        const topics = named(image, slice.topics);
        const known = topics
          .map((topic) => ({ ...topic, partitions: topic.partitions.filter((one) => exists(image, topic, one)) }))
          .filter(({ partitions }) => partitions.length > 0);
        const ran = known.length === 0 ? noneKnown : await commit(request, known, context);
        if (ran.error !== null) return ran;
        // those that exist were answered in their order
        const remaining = ran.value.flatMap(({ partitions }) => partitions).values();
        return { error: null, value: answersFor(image, topics, () => remaining.next().value!.errorCode) };
      };
      // most requests are small, and are started in the turn in which they came
      const isLong = takesLong(request.topics);
      if (isLong) await meter.pause();
      const topics = lastOfEach(request.topics, keyOf);
      if (isLong) await meter.pause();
      const slices = topicSlices(named(images.current, topics), appendedBytes(request, images.current));
      if (isLong) await meter.pause();
      const ran = isOutOfProportion(request, slices)
        ? slices.map(() => outOfProportion)
        : await inTurns(slices, { meter, room }, commitSlice);
      const answers = slices.flatMap((slice, i) => {
        const one = ran[i]!;
        if (one.error === null) return one.value;
        const errorCode = commitError(one.error);
        return answersFor(images.current, named(images.current, slice.topics), () => errorCode);
      });
      if (isLong) await meter.pause();
      const partitions = inAllPlaces(request.topics, topics, keyOf, answers);
      return { throttleTimeMs: 0, topics: request.topics.map(({ name, topicId }, i) => ({ name, topicId, partitions: partitions[i]! })) };
    },
  };
}

type Slice = TopicSlice<TopicRequest>;
const noneKnown: Ran<readonly TopicErrors[]> = { error: null, value: [] };

/**
 * What a request may append, in bytes: a full batch, as in Kafka, and much more when the request is large. Race: (1) a group's id is 32,000
 * bytes long; (2) it is in the key of every record, so 20 bytes about a partition become 32,000; (3) a request of two megabytes is three
 * gigabytes of log, which the followers must fetch, and every reader of the log when the coordinator moves. With ids and names of a hundred
 * bytes the records are at most 20 times the request's entries, however many partitions there are.
 */
const proportionMax = 20;
const alwaysMaxBytes = 1024 * 1024;
const outOfProportion: Ran<readonly PartitionResponse[]> = { error: "MESSAGE_TOO_LARGE" };
/** The smallest entry of a partition, in bytes. */
const saidBytes = 18;

function isOutOfProportion({ groupId }: OffsetCommitRequest, slices: readonly Slice[]): boolean {
  const bytes = slices.reduce((sum, slice) => sum + slice.bytes, 0);
  if (bytes <= alwaysMaxBytes) return false;
  let said = groupId.length;
  for (const { topics } of slices)
    for (const { partitions } of topics)
      for (const { committedMetadata } of partitions) said += saidBytes + (committedMetadata?.length ?? 0);
  return bytes > said * proportionMax;
}

function appendedBytes({ groupId }: OffsetCommitRequest, image: ClusterImage): (topic: TopicRequest, one: PartitionRequest) => number {
  const positions = new PositionBytes(groupId);
  return (topic, one) => (exists(image, topic, one) ? positions.of(topic.name, one.committedMetadata) : 0);
}

function exists(image: ClusterImage, { name }: TopicRequest, { partitionIndex }: PartitionRequest): boolean {
  return partitionRecord(image, { topic: name, partition: partitionIndex }) !== undefined;
}

/** Every partition keeps its place. */
function answersFor(image: ClusterImage, topics: readonly TopicRequest[], errorOf: () => KafkaErrorCode): PartitionResponse[] {
  return topics.flatMap((topic) =>
    topic.partitions.map((one) => ({
      partitionIndex: one.partitionIndex,
      errorCode: exists(image, topic, one) ? errorOf() : topic.name === noName ? "UNKNOWN_TOPIC_ID" : "UNKNOWN_TOPIC_OR_PARTITION",
    })),
  );
}

/** No topic can have this name. Clients that name topics may send it all the same, and are told that there is no such partition. */
const noName = "\0";

function nameOf({ topicNames }: ClusterImage, { topicId }: TopicRequest): string {
  return topicNames.get(topicId) ?? noName;
}

function commitError(error: KafkaError): KafkaErrorCode {
  return error === "MESSAGE_TOO_LARGE" ? "INVALID_COMMIT_OFFSET_SIZE" : error;
}
