import type { Clock } from "../../protocol/base/clock.ts";

/**
 * Knows when the application handles a record, from the moment it is handed out to the moment the next one is asked for. Revocations and
 * callbacks of the application run only in between, one at a time; and while one runs, nothing is handed out.
 */
export class SafePoints {
  readonly #clock: Clock;
  readonly #onFree: () => void;
  readonly #waiting: (() => Promise<void>)[] = [];
  #isHandling = false;
  #isRunning = false;
  #busySinceMs: number | null;

  /** `onFree`: records may be handed out again. */
  constructor(clock: Clock, onFree: () => void) {
    this.#clock = clock;
    this.#onFree = onFree;
    this.#busySinceMs = clock.monotonicMs();
  }

  get mayHandOut(): boolean {
    return !this.#isRunning;
  }

  /** Since when the application has not asked for a record; null: it waits for one. */
  get busySinceMs(): number | null {
    return this.#busySinceMs;
  }

  asked(): void {
    this.#busySinceMs = null;
    this.#isHandling = false;
    if (this.#waiting.length > 0) this.#runNext();
  }

  handedOut(): void {
    this.#busySinceMs = this.#clock.monotonicMs();
    this.#isHandling = true;
  }

  /** The application has left its loop: it handles nothing, but asks for nothing either. */
  left(): void {
    this.#busySinceMs = this.#clock.monotonicMs();
    this.#isHandling = false;
    this.#runNext();
  }

  /** Runs `task` when nothing is being handled, after earlier tasks. */
  run<T>(task: () => T | Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#waiting.push(async () => {
        try {
          resolve(await task());
        } catch (error) {
          reject(error);
        }
      });
      this.#runNext();
    });
  }

  #runNext(): void {
    if (this.#isRunning || this.#isHandling) return;
    const next = this.#waiting.shift();
    if (next === undefined) return;
    this.#isRunning = true;
    void next().then(() => {
      this.#isRunning = false;
      if (this.#waiting.length > 0) this.#runNext();
      else this.#onFree();
    });
  }
}
