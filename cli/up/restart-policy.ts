export interface RestartPolicy {
  /**
   * Before a broker that ended is restarted; doubles with every further short run. Milliseconds: long enough to see what the others do
   * meanwhile.
   */
  readonly pauseMs: number;
  readonly pauseMaxMs: number;
  /** A broker that ran for this long is healthy: a later failure is a new problem. Milliseconds. */
  readonly wellAfterMs: number;
  /** Short runs in a row; after the next one it is not restarted any more. */
  readonly shortLivesMax: number;
}

export const restartDefaults: RestartPolicy = { pauseMs: 10_000, pauseMaxMs: 60_000, wellAfterMs: 60_000, shortLivesMax: 5 };

/** Short runs in a row, this one included. */
export function countShortLives(before: number, livedMs: number, { wellAfterMs }: RestartPolicy): number {
  return livedMs >= wellAfterMs ? 0 : before + 1;
}

/** How long to wait before the next start; null: there is to be none. */
export function pauseBeforeRestart(shortLives: number, { pauseMs, pauseMaxMs, shortLivesMax }: RestartPolicy): number | null {
  if (shortLives > shortLivesMax) return null;
  return Math.min(pauseMs * 2 ** Math.max(0, shortLives - 1), pauseMaxMs);
}
