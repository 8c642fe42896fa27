import { type Clock, sleep } from "./clock.ts";
import { InvariantViolation } from "./invariant.ts";
import type { Logger } from "./logger.ts";
import type { Random } from "./random.ts";
import { isWorthTelling } from "./worth-telling.ts";

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
  const failures = new Failures(name, log);
  let pauseMs = pauseMinMs;
  while (!signal.aborted) {
    try {
      await step(signal);
      failures.over();
      pauseMs = pauseMinMs;
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof InvariantViolation) throw error;
      failures.add(error, pauseMs);
      await sleep(clock, pauseMs * (0.5 + random.next()), signal).catch(() => undefined);
      pauseMs = Math.min(pauseMs * 2, pauseMaxMs);
    }
  }
}

const reasonsMax = 16;
const builtinNames = new Set(["Error", "TypeError", "RangeError", "ReferenceError", "SyntaxError"]);

/**
 * What is logged of failures in a row: each reason once, then the 2nd, 4th, 8th, ... failure, and that it goes on. A broker that is away
 * for an hour would fill the logs of all others.
 */
class Failures {
  readonly #name: string;
  readonly #log: Logger;
  readonly #told = new Set<string>();
  #count = 0;

  constructor(name: string, log: Logger) {
    this.#name = name;
    this.#log = log;
  }

  add(error: unknown, pauseMs: number): void {
    const reason = error instanceof Error ? error.message : String(error);
    this.#count++;
    const isNew = !this.#told.has(reason) && this.#told.size < reasonsMax;
    if (!isNew && !isWorthTelling(this.#count)) return;
    this.#told.add(reason);
    // an error of a class of ours says in its message all there is to say; where one of JavaScript's own comes from, its stack says
    const isOurs = error instanceof Error && !builtinNames.has(error.name);
    const fields = { ...(isOurs ? { reason } : { err: error }), failures: this.#count, pauseMs };
    this.#log.warn(fields, `${this.#name}: failed, trying again`);
  }

  over(): void {
    if (this.#count > 1) this.#log.info({ failures: this.#count }, `${this.#name}: goes on`);
    this.#count = 0;
    this.#told.clear();
  }
}
