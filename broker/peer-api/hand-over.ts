import type { Clock } from "../../protocol/base/clock.ts";
import type { TopicId } from "../../protocol/base/ids.ts";
import type { ImageSource } from "../cluster/cluster-image.ts";
import type { PeerHandler } from "../runtime/peer-port.ts";

export interface HandOverParts {
  readonly images: ImageSource;
  readonly clock: Clock;
  /** The leadership, or why there is none. */
  readonly leaderOf: (topicId: TopicId, partition: number) => YieldingLeader | string;
}

export interface YieldingLeader {
  readonly state: { readonly epoch: number };
  handOver(deadlineMs: number): Promise<boolean>;
}

/** A controller waits no longer than this. */
const waitMaxMs = 1_000;

/**
 * What the controller is about to give to others is handed over with all its records. Otherwise: (1) a leader tells a producer with acks=1
 * that its record is written; (2) before a follower has fetched it, another broker is made leader; (3) the record is gone.
 */
export function handOverHandler({ images, clock, leaderOf }: HandOverParts): PeerHandler<"hand-over"> {
  return async ({ controllerEpoch, maxWaitMs, partitions }) => {
    const known = images.current.controllerEpoch;
    if (controllerEpoch < known)
      return { body: { error: "STALE_CONTROLLER_EPOCH", message: `controller epoch ${known} is known, this is ${controllerEpoch}` } };
    const deadlineMs = clock.monotonicMs() + Math.min(maxWaitMs, waitMaxMs);
    const yielded = partitions.map(async ({ topicId, partition, leaderEpoch }) => {
      const leader = leaderOf(topicId, partition);
      return typeof leader !== "string" && leader.state.epoch === leaderEpoch && (await leader.handOver(deadlineMs));
    });
    const kept = (await Promise.all(yielded)).filter((handedOver) => !handedOver).length;
    if (kept === 0) return { body: { error: "NONE", message: "" } };
    const message = `of ${partitions.length} leaderships, ${kept} are not held here in that epoch, or in-sync replicas still lack records`;
    return { body: { error: "REQUEST_TIMED_OUT", message } };
  };
}
