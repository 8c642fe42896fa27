import { type Clock, sleep } from "./clock.ts";
import { InvariantViolation } from "./invariant.ts";
import type { Logger } from "./logger.ts";
import type { Random } from "./random.ts";

export interface LoopParts {
  readonly clock: Clock;
  readonly random: Random;
  readonly signal: AbortSignal;
  readonly log: Logger;
  readonly pauseMinMs: number;
  readonly pauseMaxMs: number;
}

/**
 * Repeats `step` until the signal aborts, with longer pauses after each failure in a row. A bug (InvariantViolation) ends it, and crashes
 * the process.
 */
export async function loop(name: string, step: (signal: AbortSignal) => Promise<void>, parts: LoopParts): Promise<void> {
  const { clock, random, signal, log, pauseMinMs, pauseMaxMs } = parts;
  let pauseMs = pauseMinMs;
  while (!signal.aborted) {
    try {
      await step(signal);
      pauseMs = pauseMinMs;
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof InvariantViolation) throw error;
      log.warn({ err: error, pauseMs }, `${name}: failed, trying again`);
      await sleep(clock, pauseMs * (0.5 + random.next()), signal).catch(() => undefined);
      pauseMs = Math.min(pauseMs * 2, pauseMaxMs);
    }
  }
}
