import type { Random } from "../../protocol/base/random.ts";
import type { ClientSettings } from "../base/client-options.ts";

/** After this long without a request the next series begins. Above the longest gap, so that a series does not end by itself. */
const calmMs = 1_000;
const shortestGapMs = 50;
const longestGapMs = 500;

/**
 * How often the same thing is asked for while something waits for a change: each gap is a fifth of how long that has gone on, within
 * bounds. So a change is heard of soon, after a fifth of what it took at most, and one that never comes costs two requests per second.
 * Whatever asks, there are about 15 in the first second. Pure state: time comes as an argument.
 */
export class RefreshPace {
  readonly #shortestMs: number;
  readonly #longestMs: number;
  #sinceMs = Number.NEGATIVE_INFINITY;
  #lastMs = Number.NEGATIVE_INFINITY;

  constructor({ retryBackoffMs, retryBackoffMaxMs }: Pick<ClientSettings, "retryBackoffMs" | "retryBackoffMaxMs">) {
    this.#shortestMs = Math.min(shortestGapMs, retryBackoffMs);
    this.#longestMs = Math.min(longestGapMs, retryBackoffMaxMs);
  }

  begins(nowMs: number): void {
    if (this.#isCalm(nowMs)) this.#sinceMs = nowMs;
    this.#lastMs = nowMs;
  }

  /** Between the beginnings of the last request and of the next one. */
  gapMs(nowMs: number): number {
    if (this.#isCalm(nowMs)) return 0;
    return Math.min(Math.max((this.#lastMs - this.#sinceMs) / 5, this.#shortestMs), this.#longestMs);
  }

  /** The same with some jitter, so that clients do not ask in step. */
  pauseMs(nowMs: number, random: Random): number {
    return this.gapMs(nowMs) * (0.8 + 0.4 * random.next());
  }

  #isCalm(nowMs: number): boolean {
    return nowMs - this.#lastMs >= calmMs;
  }
}
