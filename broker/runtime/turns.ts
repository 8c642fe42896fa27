import type { Clock } from "../../protocol/base/clock.ts";

/**
 * What long work may take of one turn of the event loop, all of it together. What arrives in between waits for this long, and for the
 * running piece.
 */
export const sliceMs = 10;

/** Says whether the piece of work was done in the call, or only started by it. */
export type Resume = () => "done" | "goes-on";

/**
 * Yields: long work checks between two of its pieces whether its time in this turn of the loop is over, and then waits in line. However
 * much long work runs at the same time, short work (heartbeats, small requests) waits for one slice of it per turn.
 */
export class Turns {
  readonly #clock: Clock;
  readonly #waiting: Resume[] = [];
  /** When the long work of this turn began; null: there was none in it yet. */
  #startedMs: number | null = null;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get isOver(): boolean {
    const nowMs = this.#clock.monotonicMs();
    if (this.#startedMs !== null) return nowMs - this.#startedMs >= sliceMs;
    this.#startedMs = nowMs;
    this.#clock.schedule(0, () => this.#next());
    return false;
  }

  /** After `isOver`: calls back in a later turn. Waiting callbacks are called in order, as many in one turn as fit into its slice. */
  whenNext(resume: Resume): void {
    this.#waiting.push(resume);
  }

  #next(): void {
    this.#startedMs = null;
    while (this.#waiting.length > 0 && !this.isOver) if (this.#waiting.shift()?.() === "goes-on") return;
  }
}
