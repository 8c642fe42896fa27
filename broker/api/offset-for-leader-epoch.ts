import {
  type OffsetForLeaderEpochRequest,
  type OffsetForLeaderEpochResponse,
  offsetForLeaderEpochRequest,
  offsetForLeaderEpochResponse,
} from "../../protocol/messages/offset-for-leader-epoch.ts";
import type { ImageSource } from "../cluster/contract.ts";
import type { PartitionService } from "../partition/contract.ts";
import type { Api } from "./api.ts";
import { asMetadataSays } from "./leader-hints.ts";

/**
 * Behavior: of the largest leader epoch not above the one asked for: that epoch and where it ends, so that a consumer can tell whether its log was truncated under it (KIP-320).
 * Version notes: the epoch is in the answer since 1; since 2 the client's own leader epoch is checked; `replicaId` (3) is ignored: our followers use the brokers' protocol.
 */
export function offsetForLeaderEpochApi(
  partitions: Pick<PartitionService, "endOffsetForEpoch">,
  images: Pick<ImageSource, "current">,
): Api<OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse> {
  return {
    request: offsetForLeaderEpochRequest,
    response: offsetForLeaderEpochResponse,
    async handle(request) {
      const topics = request.topics.map(({ topic, partitions: asked }) => ({
        topic,
        partitions: asked.map(({ partition, currentLeaderEpoch, leaderEpoch }) => {
          const ref = { topic, partition };
          const found = partitions.endOffsetForEpoch(ref, currentLeaderEpoch, leaderEpoch);
          return found.error === null
            ? ({ errorCode: "NONE", partition, leaderEpoch: found.epoch, endOffset: found.endOffset } as const)
            : { errorCode: asMetadataSays(images.current, ref, found.error), partition, leaderEpoch: -1, endOffset: -1 };
        }),
      }));
      return { throttleTimeMs: 0, topics };
    },
  };
}
