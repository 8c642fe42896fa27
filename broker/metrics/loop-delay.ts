import type { Clock, Timer } from "../../protocol/base/clock.ts";
import { BucketTally } from "./bucket-tally.ts";

/** Each look wakes the process up, which costs an idle one more than the look itself. */
const intervalMs = 100;
const boundsSeconds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5];

/** How long what is due waits for the event loop: what holds everything up shows there, such as the collection of garbage. */
export class LoopDelay {
  readonly delays = new BucketTally(boundsSeconds);
  readonly #clock: Clock;
  #timer: Timer | null = null;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  start(): void {
    const dueMs = this.#clock.monotonicMs() + intervalMs;
    this.#timer = this.#clock.schedule(intervalMs, () => {
      this.delays.add(Math.max(0, this.#clock.monotonicMs() - dueMs));
      this.start();
    });
  }

  stop(): void {
    this.#timer?.cancel();
  }
}
