import type { BrokerId } from "../../protocol/base/ids.ts";
import type { ClusterView } from "./cluster-contract.ts";
import type { ReplicaIdentity } from "./environment.ts";
import type { LeaderEvent, LeaderState } from "./leader-state.ts";

/** What the metadata says of the brokers with replicas of one partition, as its leader needs it. */
export class Members {
  readonly #cluster: ClusterView;
  readonly #ownId: BrokerId;
  readonly #identity: ReplicaIdentity;

  constructor(cluster: ClusterView, ownId: BrokerId, identity: ReplicaIdentity) {
    this.#cluster = cluster;
    this.#ownId = ownId;
    this.#identity = identity;
  }

  get areWeStopping(): boolean {
    return this.#cluster.stopsAsWeDo(this.#ownId, this.#identity);
  }

  isAlive(id: BrokerId): boolean {
    return this.#cluster.hasReplica(id, this.#identity.topicId, this.#identity.partition);
  }

  /** Consumers may be sent there. */
  isReadable(id: BrokerId): boolean {
    return this.isAlive(id) && !this.#cluster.isSuspected(id);
  }

  /** What is to be known of the members for a look at who lags. */
  standings(state: LeaderState, endOffset: number): Pick<LeaderEvent & { readonly kind: "tick" }, "isAlive" | "isSuspected" | "isSilent"> {
    return {
      isAlive: (id) => this.mayStay(id, state, endOffset),
      isSuspected: (id) => this.#cluster.isSuspected(id),
      isSilent: (id) => this.#cluster.isSilent(id),
    };
  }

  /** Or it stops together with us, and has all of our log: see `stopsAsWeDo`. */
  mayStay(id: BrokerId, { followers }: LeaderState, endOffset: number): boolean {
    if (this.isAlive(id)) return true;
    return this.#cluster.stopsAsWeDo(id, this.#identity) && (followers.get(id)?.fetchOffset ?? -1) >= endOffset;
  }
}
