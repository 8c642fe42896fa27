import type { Timer } from "../../protocol/base/clock.ts";
import type { LogFlusher } from "./log-flusher.ts";
import type { LogState } from "./log-state.ts";

/**
 * When what the operating system has must go to the disk: `flush.messages` for the writer, which waits for it, and `flush.ms` in the
 * background.
 */
export class FlushSchedule {
  readonly #state: LogState;
  readonly #flusher: LogFlusher;
  /**
   * Set while something is unflushed, from the first such write on; so no record waits longer than `flush.ms`, give or take the timer and
   * the fsync.
   */
  #timer: Timer | null = null;

  constructor(state: LogState, flusher: LogFlusher) {
    this.#state = state;
    this.#flusher = flusher;
  }

  /** The records that wait are as many as may. */
  isFlushDue(): boolean {
    const { handedOverEndOffset, recoveryPoint, settings } = this.#state;
    return handedOverEndOffset - recoveryPoint >= settings.flushMessages;
  }

  /** The operating system has more than it had. */
  handedOver(): void {
    const { settings, directory, handedOverEndOffset, recoveryPoint } = this.#state;
    if (this.#timer !== null || settings.flushMs >= Number.MAX_SAFE_INTEGER || handedOverEndOffset === recoveryPoint) return;
    this.#timer = directory.clock.schedule(settings.flushMs, () => {
      this.#timer = null;
      const isUnflushed = this.#state.handedOverEndOffset > this.#state.recoveryPoint;
      if (isUnflushed && !this.#state.closed && directory.health.offline === null) this.#flusher.flushInBackground();
    });
  }

  /** The time begins again, under the new settings. */
  begunAnew(): void {
    this.stop();
    this.handedOver();
  }

  stop(): void {
    this.#timer?.cancel();
    this.#timer = null;
  }
}
