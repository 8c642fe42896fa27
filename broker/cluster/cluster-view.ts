import { type BrokerId, partitionKey } from "../../protocol/base/ids.ts";
import type { ClusterView } from "../partition/cluster-contract.ts";
import type { ImageSource } from "./contract.ts";

export interface ClusterViewParts {
  readonly brokerId: BrokerId;
  readonly images: ImageSource;
  readonly membership: { readonly epoch: number };
  /** The coordinator session's. */
  readonly session: { readonly provedUntilMs: number };
}

/** What partitions see of the cluster. */
export function clusterView({ brokerId, images, membership, session }: ClusterViewParts): ClusterView {
  // one that is being shut down counts as gone: it may not join an in-sync set again
  const stays = (id: BrokerId) => images.current.brokers.has(id) && !images.current.leavingBrokers.has(id);
  return {
    brokerEpoch: (id: BrokerId) => (stays(id) ? (images.current.brokers.get(id)?.epoch ?? null) : null),
    hasReplica: (id, topicId, partition) => {
      const { brokers, offlineReplicas } = images.current;
      // a view that lacks even us was not filled yet, and says nothing about the others
      return !brokers.has(brokerId) || (stays(id) && offlineReplicas.get(id)?.has(partitionKey(topicId, partition)) !== true);
    },
    registration: (id: BrokerId) => images.current.brokers.get(id)?.epoch ?? null,
    peerAddress: (id: BrokerId) => images.current.brokers.get(id)?.peer ?? null,
    get ownEpoch() {
      return membership.epoch;
    },
    get sessionProvedUntilMs() {
      // without a registration there is nothing that a session could prove
      return membership.epoch < 0 ? Number.NEGATIVE_INFINITY : session.provedUntilMs;
    },
  };
}
