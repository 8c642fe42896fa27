import { zeroTopicId } from "../../protocol/base/ids.ts";
import {
  type DescribeTopicPartitionsRequest,
  type DescribeTopicPartitionsResponse,
  describeTopicPartitionsRequest,
  describeTopicPartitionsResponse,
} from "../../protocol/messages/describe-topic-partitions.ts";
import type { ClusterImage, ImageSource, TopicImage } from "../cluster/cluster-image.ts";
import { isInternalTopic, topicNameFault } from "../runtime/topic-names.ts";
import type { Api } from "./api.ts";
import { allTopicOperations } from "./authorized-operations.ts";
import { listPartition } from "./partition-listing.ts";

type TopicResponse = DescribeTopicPartitionsResponse["topics"][number];
type Cursor = DescribeTopicPartitionsResponse["nextCursor"];

/** `max.request.partition.size.limit`: the most partitions in one response, whatever the client allows. */
const partitionsMax = 2000;

/**
 * Behavior: topics in the order of their names with their partitions, at most `responsePartitionLimit` of them; `nextCursor` says where to
 * continue (KIP-966). No topics in the request means all. A cursor with a negative partition is INVALID_REQUEST. There are no eligible
 * leader replicas: those lists are empty.
 * Version notes: 0 only.
 */
export function describeTopicPartitionsApi(
  images: Pick<ImageSource, "current">,
): Api<DescribeTopicPartitionsRequest, DescribeTopicPartitionsResponse> {
  return {
    request: describeTopicPartitionsRequest,
    response: describeTopicPartitionsResponse,
    async handle({ topics, cursor, responsePartitionLimit }, { listener }) {
      const image = images.current;
      if (cursor !== null && cursor.partitionIndex < 0)
        return { throttleTimeMs: 0, topics: [unknownTopic(cursor.topicName, "INVALID_REQUEST")], nextCursor: null };
      const names = namesFrom(topics.length === 0 ? image.topics.keys() : topics.map(({ name }) => name), cursor);
      const limit = Math.max(1, Math.min(partitionsMax, responsePartitionLimit));
      return { throttleTimeMs: 0, ...page(image, listener, { names, cursor, limit, namedByClient: topics.length > 0 }) };
    },
  };
}

/** The names from the cursor on, sorted by code unit, each once; including the cursor's own, although that topic may be gone. */
function namesFrom(names: Iterable<string>, cursor: Cursor): string[] {
  const wanted = new Set(names);
  if (cursor === null) return [...wanted].sort();
  wanted.add(cursor.topicName);
  return [...wanted].filter((name) => name >= cursor.topicName).sort();
}

interface PageOptions {
  readonly names: readonly string[];
  readonly cursor: Cursor;
  readonly limit: number;
  /** False: all topics were requested, so a topic that was deleted meanwhile is no error. */
  readonly namedByClient: boolean;
}

function page(
  image: ClusterImage,
  listener: string,
  { names, cursor, limit, namedByClient }: PageOptions,
): Pick<DescribeTopicPartitionsResponse, "topics" | "nextCursor"> {
  const topics: TopicResponse[] = [];
  let remaining = limit;
  for (const name of names) {
    if (remaining === 0) return { topics, nextCursor: { topicName: name, partitionIndex: 0 } };
    const topic = image.topics.get(name);
    if (topic === undefined) {
      if (namedByClient)
        topics.push(unknownTopic(name, topicNameFault(name) === null ? "UNKNOWN_TOPIC_OR_PARTITION" : "INVALID_TOPIC_EXCEPTION"));
      continue;
    }
    const start = cursor?.topicName === name ? cursor.partitionIndex : 0;
    const end = Math.min(topic.partitions.length, start + remaining);
    topics.push(describeTopic(image, listener, topic, start, end));
    if (end < topic.partitions.length) return { topics, nextCursor: { topicName: name, partitionIndex: end } };
    remaining -= Math.max(0, end - start);
  }
  return { topics, nextCursor: null };
}

function describeTopic(image: ClusterImage, listener: string, topic: TopicImage, start: number, end: number): TopicResponse {
  return {
    errorCode: "NONE",
    name: topic.name,
    topicId: topic.id,
    isInternal: isInternalTopic(topic.name),
    partitions: topic.partitions.slice(start, end).map((record) => ({
      ...listPartition(image, listener, topic.id, record, { onlyReachable: false, listenerErrors: true }),
      errorCode: "NONE", // a missing leader is shown by its id; the other fields are valid all the same
      eligibleLeaderReplicas: [],
      lastKnownElr: [],
    })),
    topicAuthorizedOperations: allTopicOperations,
  };
}

function unknownTopic(name: string, errorCode: TopicResponse["errorCode"]): TopicResponse {
  return {
    errorCode,
    name,
    topicId: zeroTopicId,
    isInternal: isInternalTopic(name),
    partitions: [],
    topicAuthorizedOperations: allTopicOperations,
  };
}
