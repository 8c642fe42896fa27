import { CatchUpTurns } from "./catch-up-turns.ts";
import type { ReplicaIdentity } from "./environment.ts";
import type { FollowedPartition, FollowingChange } from "./replication-contract.ts";

/** As it is followed here. */
export interface Followed extends FollowedPartition {
  /** A reassignment adds it, and does not give it up, and it is not in sync. */
  readonly isNewcomer: boolean;
}

/** What is followed otherwise than before, told once for many: what that costs grows with what changed, not with what is followed. */
export class FollowingNews {
  readonly #followedNow: (identity: ReplicaIdentity) => Followed | null;
  readonly #turns: CatchUpTurns;
  readonly #listeners = new Set<(changes: readonly FollowingChange[]) => void>();
  readonly #changed = new Map<string, ReplicaIdentity>();
  /** Newcomers that wait for their turn to be fetched. */
  readonly #waiting = new Map<string, ReplicaIdentity>();

  constructor(followedNow: (identity: ReplicaIdentity) => Followed | null, newcomersMax: number) {
    this.#followedNow = followedNow;
    this.#turns = new CatchUpTurns(newcomersMax);
  }

  onTold(listener: (changes: readonly FollowingChange[]) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  changed(identity: ReplicaIdentity): void {
    this.#changed.set(idOf(identity), identity);
  }

  tell(): void {
    if (this.#changed.size === 0) return;
    for (const [key, identity] of [...this.#changed]) {
      this.#waiting.set(key, identity);
      for (const begun of this.#turns.note(key, this.#followedNow(identity)?.isNewcomer === true)) {
        this.#changed.set(begun, this.#waiting.get(begun)!);
        this.#waiting.delete(begun);
      }
      if (!this.#turns.hasToWait(key)) this.#waiting.delete(key);
    }
    const changes = [...this.#changed.values()].map((identity) => {
      const { topicId, partition } = identity;
      return { topicId, partition, followed: this.isFetched(identity) ? this.#followedNow(identity) : null };
    });
    this.#changed.clear();
    for (const listener of this.#listeners) listener(changes);
  }

  /** If it is followed. */
  isFetched(identity: Pick<ReplicaIdentity, "topicId" | "partition">): boolean {
    return !this.#turns.hasToWait(idOf(identity));
  }
}

function idOf({ topicId, partition }: Pick<ReplicaIdentity, "topicId" | "partition">): string {
  return `${topicId}:${partition}`;
}
