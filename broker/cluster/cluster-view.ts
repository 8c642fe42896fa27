import type { BrokerId } from "../../protocol/base/ids.ts";
import type { ClusterView } from "../partition/contract.ts";
import type { ImageSource } from "./contract.ts";

export interface ClusterViewParts {
  readonly images: ImageSource;
  readonly membership: { readonly epoch: number };
  /** The coordinator session's. */
  readonly session: { readonly provedUntilMs: number };
}

/** What partitions see of the cluster. */
export function clusterView({ images, membership, session }: ClusterViewParts): ClusterView {
  return {
    // one that is being shut down counts as gone: it may not join an in-sync set again
    brokerEpoch: (id: BrokerId) => (images.current.leavingBrokers.has(id) ? null : (images.current.brokers.get(id)?.epoch ?? null)),
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
