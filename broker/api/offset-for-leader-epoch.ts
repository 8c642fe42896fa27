import {
  type OffsetForLeaderEpochRequest,
  type OffsetForLeaderEpochResponse,
  offsetForLeaderEpochRequest,
  offsetForLeaderEpochResponse,
} from "../../protocol/messages/offset-for-leader-epoch.ts";
import type { ImageSource } from "../cluster/cluster-image.ts";
import type { EpochLeader, LeaderLookup } from "../partition/client-contract.ts";
import type { Api } from "./api.ts";
import { asMetadataSays } from "./leader-hints.ts";
import { answerEach, countedAlready } from "./request-meter.ts";

type TopicRequest = OffsetForLeaderEpochRequest["topics"][number];
type PartitionRequest = TopicRequest["partitions"][number];
type PartitionAnswer = OffsetForLeaderEpochResponse["topics"][number]["partitions"][number];

/**
 * Behavior: the largest leader epoch not above the requested one, and its end offset, so that a consumer can tell whether its log was
 * truncated (KIP-320).
 * Version notes: the epoch is in the answer since 1; since 2 the client's own leader epoch is checked; `replicaId` (3) is ignored: our
 * followers use the brokers' protocol.
 */
export function offsetForLeaderEpochApi(
  partitions: LeaderLookup<EpochLeader>,
  images: Pick<ImageSource, "current">,
): Api<OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse> {
  return {
    request: offsetForLeaderEpochRequest,
    response: offsetForLeaderEpochResponse,
    async handle(request, { meter }) {
      const answerFor = (topic: string, { partition, currentLeaderEpoch, leaderEpoch }: PartitionRequest): PartitionAnswer => {
        const ref = { topic, partition };
        const leader = partitions.leader(ref);
        const found = typeof leader === "string" ? { error: leader } : leader.endOffsetForEpoch(currentLeaderEpoch, leaderEpoch);
        return found.error === null
          ? { errorCode: "NONE", partition, leaderEpoch: found.epoch, endOffset: found.endOffset }
          : { errorCode: asMetadataSays(images.current, ref, found.error), partition, leaderEpoch: -1, endOffset: -1 };
      };
      const ofTopic = async ({ topic, partitions: asked }: TopicRequest) => ({
        topic,
        partitions: await answerEach(asked, meter, (one) => answerFor(topic, one)),
      });
      const topics = await answerEach(request.topics, meter, ofTopic, countedAlready);
      return { throttleTimeMs: 0, topics };
    },
  };
}
