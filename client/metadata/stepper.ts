import type { Timer } from "../../protocol/base/clock.ts";
import type { Cluster } from "./cluster.ts";

/**
 * Work in steps, one whenever something has changed: when woken, with new metadata, and at the time that the last step returned. However
 * often it is woken in a turn of the loop, there is one step, later in that turn.
 */
export class Stepper {
  readonly #cluster: Cluster;
  /** Returns the latest time of the next call. Monotonic; infinity: only when woken. */
  readonly #step: (nowMs: number) => number;
  readonly #unsubscribe: () => void;
  #isAwake = false;
  #timer: Timer | null = null;

  constructor(cluster: Cluster, step: (nowMs: number) => number) {
    this.#cluster = cluster;
    this.#step = step;
    this.#unsubscribe = cluster.metadata.onChange(() => this.wake());
  }

  wake(): void {
    if (this.#isAwake || this.#cluster.isClosed) return;
    this.#isAwake = true;
    queueMicrotask(() => {
      this.#isAwake = false;
      this.#run();
    });
  }

  close(): void {
    this.#unsubscribe();
    this.#timer?.cancel();
  }

  #run(): void {
    if (this.#cluster.isClosed) return;
    const { clock } = this.#cluster.runtime;
    const nowMs = clock.monotonicMs();
    const nextMs = this.#step(nowMs);
    this.#timer?.cancel();
    this.#timer = Number.isFinite(nextMs) ? clock.schedule(Math.max(nextMs - nowMs, 0), () => this.wake()) : null;
  }
}
