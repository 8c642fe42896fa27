import type { Clock } from "../../protocol/base/clock.ts";
import type { Logger } from "../../protocol/base/logger.ts";
import { loop } from "../../protocol/base/loop.ts";
import type { Random } from "../../protocol/base/random.ts";

export interface ReportLoopParts {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}

export interface Report {
  /** For the log. */
  readonly name: string;
  /** Something is to be told that has not been acknowledged. */
  readonly isDue: () => boolean;
  /** Tells it once; rejects when that did not succeed. */
  readonly send: () => Promise<void>;
}

const pauseMinMs = 20;
const pauseMaxMs = 1_000;

/** Tells the controller something until it acknowledges it: one message under way, repeated with growing pauses. */
export class ReportLoop {
  readonly #report: Report;
  readonly #parts: ReportLoopParts;
  readonly #signal: AbortSignal;
  #isSending = false;

  constructor(report: Report, parts: ReportLoopParts, signal: AbortSignal) {
    this.#report = report;
    this.#parts = parts;
    this.#signal = signal;
  }

  /** To be called whenever something may have become due. */
  wake(): void {
    if (this.#isSending || this.#signal.aborted || !this.#report.isDue()) return;
    this.#isSending = true;
    // a turn later: what changes together is told together
    this.#parts.clock.schedule(0, () => void this.#sendAll());
  }

  async #sendAll(): Promise<void> {
    const { name, isDue, send } = this.#report;
    const done = new AbortController();
    const signal = AbortSignal.any([this.#signal, done.signal]);
    const step = async () => {
      if (isDue()) await send();
      else done.abort();
    };
    await loop(name, step, { ...this.#parts, signal, pauseMinMs, pauseMaxMs });
    this.#isSending = false;
    this.wake();
  }
}
