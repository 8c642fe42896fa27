import type { FetchApplied, FollowedPartition } from "../partition/replication-contract.ts";
import { firstBackoffMs } from "./replication-config.ts";

/** A followed partition in a fetcher's list, with its own pause after failures. */
export class FetchEntry {
  readonly partition: FollowedPartition;
  #readyAtMs = Number.NEGATIVE_INFINITY;
  #pauseMs = firstBackoffMs;

  constructor(partition: FollowedPartition) {
    this.partition = partition;
  }

  /** Monotonic; may be asked for from then on. */
  get readyAtMs(): number {
    return this.#readyAtMs;
  }

  /** `jitter` in [0, 1): so that many partitions refused together do not come back together. */
  note(applied: FetchApplied, nowMs: number, pauseMaxMs: number, jitter: number): void {
    if (applied !== "back-off") {
      this.#readyAtMs = Number.NEGATIVE_INFINITY;
      this.#pauseMs = firstBackoffMs;
      return;
    }
    const pauseMs = Math.min(this.#pauseMs, pauseMaxMs);
    this.#readyAtMs = nowMs + pauseMs * (0.5 + jitter / 2);
    this.#pauseMs = Math.min(this.#pauseMs * 2, pauseMaxMs);
  }
}

/** `list` from `start` on, then its beginning. */
export function rotated<T>(list: readonly T[], start: number): T[] {
  const from = list.length === 0 ? 0 : start % list.length;
  return [...list.slice(from), ...list.slice(0, from)];
}
