import type { KafkaError, KafkaErrorCode } from "../../protocol/errors/kafka-errors.ts";
import type { OffsetCommitRequest, OffsetCommitResponse } from "../../protocol/messages/offset-commit.ts";
import type { ClusterImage, ImageSource } from "../cluster/cluster-image.ts";
import { PositionBytes } from "../group/group-records.ts";
import type { TopicErrors } from "../group/offset-requests.ts";
import type { AppendRoom } from "../state-machine/append-room.ts";
import type { Ran } from "../state-machine/ticket.ts";
import { partitionRecord } from "./leader-hints.ts";
import type { RequestMeter } from "./request-meter.ts";
import { inAllPlaces, inTurns, lastOfEach, type TopicSlice, takesLong, topicSlices } from "./slices.ts";

export type CommittedTopic = OffsetCommitRequest["topics"][number];
type PartitionRequest = CommittedTopic["partitions"][number];
type PartitionResponse = OffsetCommitResponse["topics"][number]["partitions"][number];
type Slice = TopicSlice<CommittedTopic>;

/** Positions that a request commits for a group. */
export interface Positions {
  readonly groupId: string;
  readonly topics: readonly CommittedTopic[];
  /** Topics are named; otherwise they have ids. */
  readonly isByName: boolean;
}

export interface CommittingParts {
  readonly images: Pick<ImageSource, "current">;
  readonly room: AppendRoom;
  readonly meter: RequestMeter;
  /** Of partitions that exist, some at a time, in order. */
  readonly commit: (topics: readonly CommittedTopic[]) => Promise<Ran<readonly TopicErrors[]>>;
}

/**
 * Commits what exists, and answers for everything in its place, by topic. Partitions that do not exist do not affect the others. If a
 * partition is named more than once, the last position counts, and its answer is given in all places. Many are committed in slices: see
 * `inTurns`.
 */
export async function commitPositions(
  request: Positions,
  { images, room, meter, commit }: CommittingParts,
): Promise<PartitionResponse[][]> {
  const { isByName } = request;
  const keyOf = ({ name, topicId }: CommittedTopic): string => (isByName ? name : topicId);
  const named = (image: ClusterImage, topics: readonly CommittedTopic[]) =>
    isByName ? topics : topics.map((topic) => ({ ...topic, name: nameOf(image, topic) }));
  const commitSlice = async (slice: Slice): Promise<Ran<readonly PartitionResponse[]>> => {
    const image = images.current;
    const topics = named(image, slice.topics);
    const known = topics
      .map((topic) => ({ ...topic, partitions: topic.partitions.filter((one) => exists(image, topic, one)) }))
      .filter(({ partitions }) => partitions.length > 0);
    const ran = known.length === 0 ? noneKnown : await commit(known);
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
  const ran = isOutOfProportion(request, slices) ? slices.map(() => outOfProportion) : await inTurns(slices, { meter, room }, commitSlice);
  const answers = slices.flatMap((slice, i) => {
    const one = ran[i]!;
    if (one.error === null) return one.value;
    const errorCode = commitError(one.error);
    return answersFor(images.current, named(images.current, slice.topics), () => errorCode);
  });
  if (isLong) await meter.pause();
  return inAllPlaces(request.topics, topics, keyOf, answers);
}

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

function isOutOfProportion({ groupId }: Positions, slices: readonly Slice[]): boolean {
  const bytes = slices.reduce((sum, slice) => sum + slice.bytes, 0);
  if (bytes <= alwaysMaxBytes) return false;
  let said = groupId.length;
  for (const { topics } of slices)
    for (const { partitions } of topics)
      for (const { committedMetadata } of partitions) said += saidBytes + (committedMetadata?.length ?? 0);
  return bytes > said * proportionMax;
}

function appendedBytes({ groupId }: Positions, image: ClusterImage): (topic: CommittedTopic, one: PartitionRequest) => number {
  const positions = new PositionBytes(groupId);
  return (topic, one) => (exists(image, topic, one) ? positions.of(topic.name, one.committedMetadata) : 0);
}

function exists(image: ClusterImage, { name }: CommittedTopic, { partitionIndex }: PartitionRequest): boolean {
  return partitionRecord(image, { topic: name, partition: partitionIndex }) !== undefined;
}

/** Every partition keeps its place. */
function answersFor(image: ClusterImage, topics: readonly CommittedTopic[], errorOf: () => KafkaErrorCode): PartitionResponse[] {
  return topics.flatMap((topic) =>
    topic.partitions.map((one) => ({
      partitionIndex: one.partitionIndex,
      errorCode: exists(image, topic, one) ? errorOf() : topic.name === noName ? "UNKNOWN_TOPIC_ID" : "UNKNOWN_TOPIC_OR_PARTITION",
    })),
  );
}

/** No topic can have this name. Clients that name topics may send it all the same, and are told that there is no such partition. */
const noName = "\0";

function nameOf({ topicNames }: ClusterImage, { topicId }: CommittedTopic): string {
  return topicNames.get(topicId) ?? noName;
}

function commitError(error: KafkaError): KafkaErrorCode {
  return error === "MESSAGE_TOO_LARGE" ? "INVALID_COMMIT_OFFSET_SIZE" : error;
}
