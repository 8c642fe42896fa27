import type { ThrottledBy } from "../partition/replication-contract.ts";

/** What one answer may have of throttled replicas: what the leader may send, and what the follower takes. */
export class ThrottledShare {
  #leaderBytes: number;
  #followerBytes: number;
  #sentBytes = 0;
  #isUntouched = true;

  constructor(leaderBytes: number, followerBytes: number) {
    this.#leaderBytes = leaderBytes;
    this.#followerBytes = followerBytes;
  }

  /** Bytes that a partition may have of it; 0: none now. */
  bytesFor(throttledBy: ThrottledBy): number {
    return Math.min(
      throttledBy.leader ? this.#leaderBytes : Number.POSITIVE_INFINITY,
      throttledBy.follower ? this.#followerBytes : Infinity,
    );
  }

  /** Nobody has had anything of it: the first may have a whole batch, or one that is larger than the share would never come through. */
  get isUntouched(): boolean {
    return this.#isUntouched;
  }

  took(throttledBy: ThrottledBy, bytes: number): void {
    if (bytes === 0 || !isThrottled(throttledBy)) return;
    this.#isUntouched = false;
    if (throttledBy.leader) this.#leaderBytes = Math.max(0, this.#leaderBytes - bytes);
    if (throttledBy.follower) this.#followerBytes = Math.max(0, this.#followerBytes - bytes);
    if (throttledBy.leader) this.#sentBytes += bytes;
  }

  /** What counts against the leader's quota. */
  get sentBytes(): number {
    return this.#sentBytes;
  }
}

export function isThrottled({ leader, follower }: ThrottledBy): boolean {
  return leader || follower;
}
