import { type Clock, sleep } from "../../protocol/base/clock.ts";
import type { Random } from "../../protocol/base/random.ts";
import { isRetriableFailure } from "./errors.ts";

export interface BackoffLimits {
  readonly retryBackoffMs: number;
  readonly retryBackoffMaxMs: number;
}

/**
 * The pause after `failures` failures in a row (1 or more): doubling, bounded, with a jitter of a fifth either way so that clients do not
 * retry in step.
 */
export function backoffMs(failures: number, { retryBackoffMs, retryBackoffMaxMs }: BackoffLimits, random: Random): number {
  const plain = Math.min(retryBackoffMs * 2 ** Math.min(failures - 1, 30), retryBackoffMaxMs);
  return plain * (0.8 + 0.4 * random.next());
}

export interface RetryParts {
  readonly clock: Clock;
  readonly random: Random;
  readonly limits: BackoffLimits;
  /** Monotonic. When a pause would end after it, there is no retry. */
  readonly deadlineMs: number;
  /** Ends a pause, with its reason. */
  readonly signal: AbortSignal;
  /** Instead of pauses that double: how long the next one is. */
  readonly pauseMs?: () => number;
  /** Before a pause: it will be tried again. */
  readonly onFailure?: (error: unknown) => void;
  /** After a pause, before the next attempt. */
  readonly beforeNext?: () => Promise<void>;
}

/** Runs `attempt` until it succeeds, fails for good or the deadline is reached, with growing pauses. */
export async function retryUntil<T>(
  attempt: () => Promise<T>,
  { clock, random, limits, deadlineMs, signal, pauseMs: nextPauseMs, onFailure, beforeNext }: RetryParts,
): Promise<T> {
  for (let failures = 1; ; failures++) {
    try {
      return await attempt();
    } catch (error) {
      const pauseMs = nextPauseMs?.() ?? backoffMs(failures, limits, random);
      if (!isRetriableFailure(error) || clock.monotonicMs() + pauseMs >= deadlineMs) throw error;
      onFailure?.(error);
      await sleep(clock, pauseMs, signal);
      await beforeNext?.();
    }
  }
}
