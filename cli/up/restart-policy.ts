export interface RestartPolicy {
  /**
   * Before a broker that ended is started again; doubles with every further short life. Milliseconds: long enough to see what the others do
   * meanwhile.
   */
  readonly pauseMs: number;
  readonly pauseMaxMs: number;
  /** A broker that lived for so long is well: what comes then is a new trouble. Milliseconds. */
  readonly wellAfterMs: number;
  /** Short lives in a row; after the next one it is left to a person. */
  readonly shortLivesMax: number;
}

export const restartDefaults: RestartPolicy = { pauseMs: 10_000, pauseMaxMs: 60_000, wellAfterMs: 60_000, shortLivesMax: 5 };

/** Short lives in a row, this one included. */
export function countShortLives(before: number, livedMs: number, { wellAfterMs }: RestartPolicy): number {
  return livedMs >= wellAfterMs ? 0 : before + 1;
}

/** How long to wait before the next start; null: there is to be none. */
export function pauseBeforeRestart(shortLives: number, { pauseMs, pauseMaxMs, shortLivesMax }: RestartPolicy): number | null {
  if (shortLives > shortLivesMax) return null;
  return Math.min(pauseMs * 2 ** Math.max(0, shortLives - 1), pauseMaxMs);
}
