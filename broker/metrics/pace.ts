import { type Clock, sleep } from "../../protocol/base/clock.ts";

/** What a scrape may take of one turn of the event loop. Clients' requests wait no longer than that for it. */
const sliceMs = 2;

/** Yields between the pieces of a scrape. */
export class Pace {
  readonly #clock: Clock;
  #sinceMs: number;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#sinceMs = clock.monotonicMs();
  }

  get isOver(): boolean {
    return this.#clock.monotonicMs() - this.#sinceMs >= sliceMs;
  }

  /** To be awaited when it is over: goes on in a later turn. */
  async next(): Promise<void> {
    await sleep(this.#clock, 0);
    this.#sinceMs = this.#clock.monotonicMs();
  }
}
