import type { TopicPartition } from "../../protocol/base/ids.ts";
import type { KafkaErrorCode } from "../../protocol/errors/kafka-errors.ts";
import {
  type ListOffsetsRequest,
  type ListOffsetsResponse,
  listOffsetsRequest,
  listOffsetsResponse,
} from "../../protocol/messages/list-offsets.ts";
import type { ImageSource } from "../cluster/cluster-image.ts";
import type { LeaderLookup, ListingLeader, OffsetTarget } from "../partition/client-contract.ts";
import type { Api } from "./api.ts";
import { asMetadataSays } from "./leader-hints.ts";
import { answerEach, countedAlready } from "./request-meter.ts";

type PartitionRequest = ListOffsetsRequest["topics"][number]["partitions"][number];
type PartitionResponse = ListOffsetsResponse["topics"][number]["partitions"][number];

/**
 * Behavior: the offset for a timestamp, in each partition: the latest (the high watermark), the earliest, that of the largest timestamp, or
 * of the first record at or after a time (offset -1 when there is none). A partition that is named twice is INVALID_REQUEST. For read
 * committed the last stable offset takes the place of the high watermark.
 * Version notes: 0 answers with a list, which has one offset at most (Kafka's may have the starts of segments as well), and for a time
 * after all records with the log end offset; leader epochs since 4; before 5 OFFSET_NOT_AVAILABLE was unknown and is LEADER_NOT_AVAILABLE;
 * timestamp -3 since 7 (KIP-734), -4 since 8, -5 since 9. Nothing is tiered: -4 answers as -2 does, -5 answers that there is none.
 */
export function listOffsetsApi(
  partitions: LeaderLookup<ListingLeader>,
  images: Pick<ImageSource, "current">,
): Api<ListOffsetsRequest, ListOffsetsResponse> {
  const answerFor = async (
    ref: TopicPartition,
    asked: PartitionRequest,
    { version, committedOnly }: AskedHow,
  ): Promise<PartitionResponse> => {
    const wanted = offsetTarget(asked.timestamp, version);
    if (wanted === null) return refused(asked, "UNSUPPORTED_VERSION");
    const leader = partitions.leader(ref);
    const found =
      typeof leader === "string" ? { error: leader } : await leader.listOffset(wanted.target, asked.currentLeaderEpoch, committedOnly);
    if (found.error !== null) return refused(asked, errorInVersion(asMetadataSays(images.current, ref, found.error), version));
    if (!wanted.isKept) return refused(asked, "NONE");
    const { offset, timestampMs, leaderEpoch } = found;
    return { ...refused(asked, "NONE"), timestamp: timestampMs, offset, leaderEpoch };
  };
  const oldStyleAnswerFor = async (ref: TopicPartition, asked: PartitionRequest, how: AskedHow): Promise<PartitionResponse> => {
    const found = await answerFor(ref, asked, how);
    const answer = found.errorCode === "NONE" && found.offset < 0 ? await answerFor(ref, { ...asked, timestamp: -1 }, how) : found;
    return { ...answer, oldStyleOffsets: answer.errorCode === "NONE" && asked.maxNumOffsets > 0 ? [answer.offset] : [] };
  };
  return {
    request: listOffsetsRequest,
    response: listOffsetsResponse,
    async handle(request, { apiVersion, meter }) {
      const duplicated = duplicates(request);
      const answerOne = apiVersion === 0 ? oldStyleAnswerFor : answerFor;
      const how = { version: apiVersion, committedOnly: request.isolationLevel === 1 };
      const ofTopic = async ({ name, partitions: asked }: ListOffsetsRequest["topics"][number]) => ({
        name,
        partitions: await answerEach(asked, meter, (one) =>
          duplicated.get(name)?.has(one.partitionIndex)
            ? refused(one, "INVALID_REQUEST")
            : answerOne({ topic: name, partition: one.partitionIndex }, one, how),
        ),
      });
      const topics = await answerEach(request.topics, meter, ofTopic, countedAlready);
      return { throttleTimeMs: 0, topics };
    },
  };
}

interface AskedHow {
  readonly version: number;
  /** `read_committed` */
  readonly committedOnly: boolean;
}

interface WantedOffset {
  readonly target: OffsetTarget;
  /** False: there is no tiered data; the partition is asked all the same, so that its errors are answered. */
  readonly isKept: boolean;
}

/** What a timestamp means; null: nothing in this version. */
export function offsetTarget(timestamp: number, version: number): WantedOffset | null {
  if (timestamp >= 0) return { target: { kind: "timestamp", timestampMs: timestamp }, isKept: true };
  if (timestamp === -1) return { target: { kind: "latest" }, isKept: true };
  if (timestamp === -2 || (timestamp === -4 && version >= 8)) return { target: { kind: "earliest" }, isKept: true };
  if (timestamp === -3 && version >= 7) return { target: { kind: "max-timestamp" }, isKept: true };
  if (timestamp === -5 && version >= 9) return { target: { kind: "latest" }, isKept: false };
  return null;
}

function errorInVersion(error: KafkaErrorCode, version: number): KafkaErrorCode {
  return error === "OFFSET_NOT_AVAILABLE" && version < 5 ? "LEADER_NOT_AVAILABLE" : error;
}

function refused({ partitionIndex }: PartitionRequest, errorCode: KafkaErrorCode): PartitionResponse {
  return { partitionIndex, errorCode, oldStyleOffsets: [], timestamp: -1, offset: -1, leaderEpoch: -1 };
}

function duplicates({ topics }: ListOffsetsRequest): ReadonlyMap<string, ReadonlySet<number>> {
  const seen = new Map<string, Set<number>>();
  const twice = new Map<string, Set<number>>();
  for (const { name, partitions } of topics) {
    const seenHere = setOf(seen, name);
    for (const { partitionIndex } of partitions) {
      if (seenHere.has(partitionIndex)) setOf(twice, name).add(partitionIndex);
      seenHere.add(partitionIndex);
    }
  }
  return twice;
}

function setOf(sets: Map<string, Set<number>>, name: string): Set<number> {
  const known = sets.get(name);
  if (known !== undefined) return known;
  const added = new Set<number>();
  sets.set(name, added);
  return added;
}
