import type { Acknowledgements } from "./gaps.ts";

export interface ProbeOptions {
  readonly bootstrap: readonly string[];
  readonly topic: string;
  readonly partitions: readonly number[];
  readonly everyMs: number;
}

/** Writes to some partitions all the time, with acks=all, and notes when each was acknowledged. */
export interface Probe {
  readonly acknowledged: AcknowledgedTimes;
  /** What failed for good, each a line. */
  readonly failures: readonly string[];
  stop(): Promise<void>;
}

const checkEveryMs = 50;

/** Milliseconds. */
export interface SteadyOptions {
  readonly forMs: number;
  readonly pauseMaxMs: number;
  readonly withinMs: number;
  readonly pause: (ms: number) => Promise<void>;
}

export class AcknowledgedTimes {
  readonly partitions: readonly number[];
  readonly #times: ReadonlyMap<number, number[]>;

  constructor(partitions: readonly number[]) {
    this.partitions = partitions;
    this.#times = new Map(partitions.map((partition) => [partition, []]));
  }

  note(partition: number): void {
    this.#times.get(partition)?.push(performance.now());
  }

  of(partition: number): Acknowledgements {
    return this.#times.get(partition) ?? [];
  }

  /** Every partition is: see `isSteady`. False when that does not come about in time. `pause` rejects when the run is stopped. */
  async becomesSteady({ forMs, pauseMaxMs, withinMs, pause }: SteadyOptions): Promise<boolean> {
    const deadlineMs = performance.now() + withinMs;
    while (performance.now() < deadlineMs) {
      if (this.partitions.every((partition) => this.isSteady(partition, forMs, pauseMaxMs))) return true;
      await pause(checkEveryMs);
    }
    return false;
  }

  /** Acknowledged again and again in the last so many milliseconds, with no longer pause than `pauseMaxMs`. */
  isSteady(partition: number, forMs: number, pauseMaxMs: number): boolean {
    const nowMs = performance.now();
    let laterMs = nowMs;
    for (const timeMs of this.of(partition).toReversed()) {
      if (laterMs - timeMs > pauseMaxMs) return false;
      if (timeMs < nowMs - forMs) return true;
      laterMs = timeMs;
    }
    return false;
  }
}
