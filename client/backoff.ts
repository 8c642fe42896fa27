import type { Random } from "../protocol/base/random.ts";

export interface BackoffLimits {
  readonly retryBackoffMs: number;
  readonly retryBackoffMaxMs: number;
}

/**
 * The pause after `failures` failures in a row (1 or more): doubling, bounded, spread by a fifth either way so that clients do not move in
 * step.
 */
export function backoffMs(failures: number, { retryBackoffMs, retryBackoffMaxMs }: BackoffLimits, random: Random): number {
  const plain = Math.min(retryBackoffMs * 2 ** Math.min(failures - 1, 30), retryBackoffMaxMs);
  return plain * (0.8 + 0.4 * random.next());
}
