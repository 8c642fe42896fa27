import type { ReplicaIdentity } from "./environment.ts";
import type { FollowedPartition, FollowingChange } from "./replication-contract.ts";

/** What is followed otherwise than before, told once for many: what that costs grows with what changed, not with what is followed. */
export class FollowingNews {
  readonly #followedNow: (identity: ReplicaIdentity) => FollowedPartition | null;
  readonly #listeners = new Set<(changes: readonly FollowingChange[]) => void>();
  readonly #changed = new Set<ReplicaIdentity>();

  constructor(followedNow: (identity: ReplicaIdentity) => FollowedPartition | null) {
    this.#followedNow = followedNow;
  }

  onTold(listener: (changes: readonly FollowingChange[]) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  changed(identity: ReplicaIdentity): void {
    this.#changed.add(identity);
  }

  tell(): void {
    if (this.#changed.size === 0) return;
    const changes = [...this.#changed].map((identity) => {
      const { topicId, partition } = identity;
      return { topicId, partition, followed: this.#followedNow(identity) };
    });
    this.#changed.clear();
    for (const listener of this.#listeners) listener(changes);
  }
}
