import type { BrokerId } from "../../protocol/base/ids.ts";

interface Lease {
  readonly broker: BrokerId;
  /** Under another leader it means nothing. */
  readonly leaderEpoch: number;
  /** Monotonic. Then the leader is asked again: it may know of a better one. */
  readonly untilMs: number;
}

/**
 * The follower that a partition is read from (KIP-392): where its leader has sent us, until the lease is over, there is another leader, or
 * it fails. Then the leader is read, and for a while it is not told where we are: it may not have noticed yet, and would send us back.
 */
export class ReadReplica {
  #lease: Lease | null = null;
  #avoidUntilMs = Number.NEGATIVE_INFINITY;
  #failures = 0;

  /** Null: the leader. */
  brokerAt(nowMs: number, leaderEpoch: number): BrokerId | null {
    if (this.#lease !== null && (nowMs >= this.#lease.untilMs || leaderEpoch !== this.#lease.leaderEpoch)) this.#lease = null;
    return this.#lease?.broker ?? null;
  }

  get avoidUntilMs(): number {
    return this.#avoidUntilMs;
  }

  /** How often it failed since a follower has last answered. */
  get failures(): number {
    return this.#failures;
  }

  sentTo(lease: Lease): void {
    this.#lease = lease;
  }

  /** The follower has answered. */
  worked(): void {
    this.#failures = 0;
  }

  failed(avoidUntilMs: number): void {
    this.#lease = null;
    this.#failures++;
    this.#avoidUntilMs = avoidUntilMs;
  }
}
