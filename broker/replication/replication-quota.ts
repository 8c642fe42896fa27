import type { Clock } from "../../protocol/base/clock.ts";
import { allowance, type ByteBudget, newBudget, portionAtMs, refilled, spent } from "./byte-budget.ts";

/** How much of throttled replicas this broker may copy, as a leader or as a follower. */
export interface ReplicationQuota {
  /** Bytes that one answer may have now: Infinity when nothing is limited, 0 while the quota is exceeded. */
  readonly allowance: number;
  /** Until when it is 0 (monotonic). */
  readonly openAtMs: number;
  /** That much was copied, limited or not. */
  record(bytes: number): void;
}

export const unlimitedQuota: ReplicationQuota = { allowance: Number.POSITIVE_INFINITY, openAtMs: 0, record: () => undefined };

export interface RateLimit {
  /** As it is set now; null: none. */
  readonly bytesPerSecond: () => number | null;
  /** `replication.quota.window.size.seconds` */
  readonly windowMs: number;
}

/** A `ByteBudget` at the rate that is set now. */
export class BudgetedQuota implements ReplicationQuota {
  readonly #clock: Clock;
  readonly #limit: RateLimit;
  #budget: ByteBudget | null = null;
  #copiedBytes = 0;

  constructor(clock: Clock, limit: RateLimit) {
    this.#clock = clock;
    this.#limit = limit;
  }

  /** Null: none. */
  get bytesPerSecondMax(): number | null {
    return this.#limit.bytesPerSecond();
  }

  /** Of throttled replicas, since the start. */
  get copiedBytes(): number {
    return this.#copiedBytes;
  }

  get allowance(): number {
    const budget = this.#now();
    return budget === null ? Number.POSITIVE_INFINITY : allowance(budget);
  }

  get openAtMs(): number {
    const budget = this.#now();
    return budget === null ? 0 : portionAtMs(budget);
  }

  record(bytes: number): void {
    this.#copiedBytes += bytes;
    const budget = this.#now();
    if (budget !== null) this.#budget = spent(budget, bytes);
  }

  /** Without a limit there is none, and what was copied before counts no more when there is one again. */
  #now(): ByteBudget | null {
    const bytesPerSecond = this.#limit.bytesPerSecond();
    const nowMs = this.#clock.monotonicMs();
    if (bytesPerSecond === null) this.#budget = null;
    else if (this.#budget === null) this.#budget = newBudget(bytesPerSecond, this.#limit.windowMs, nowMs);
    else this.#budget = refilled(this.#budget, bytesPerSecond, nowMs);
    return this.#budget;
  }
}

/** Of a broker: what it sends as a leader, and what it fetches as a follower. */
export interface ReplicationQuotas {
  readonly leader: BudgetedQuota;
  readonly follower: BudgetedQuota;
}
