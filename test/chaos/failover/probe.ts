import { Producer, stringSerde } from "../../../client/index.ts";
import type { Acknowledgements } from "./gaps.ts";

export interface ProbeOptions {
  readonly bootstrap: readonly string[];
  readonly topic: string;
  readonly partitions: readonly number[];
  readonly everyMs: number;
}

/** Of one partition; further records are left out until some were acknowledged. They would be resent in the same batch anyway. */
const underWayMax = 100;

/**
 * Writes a small record to each of some partitions every few milliseconds, with acks=all and our client's defaults, and notes when each was
 * acknowledged.
 */
export class Probe {
  readonly partitions: readonly number[];
  readonly #options: ProbeOptions;
  readonly #producer: Producer<string, string>;
  readonly #times = new Map<number, number[]>();
  readonly #underWay = new Map<number, number>();
  readonly #timer: NodeJS.Timeout;
  readonly #failures: string[] = [];

  constructor(options: ProbeOptions) {
    this.partitions = options.partitions;
    this.#options = options;
    this.#producer = new Producer({ bootstrap: options.bootstrap, keySerde: stringSerde, valueSerde: stringSerde });
    for (const partition of options.partitions) this.#times.set(partition, []);
    this.#timer = setInterval(() => this.#tick(), options.everyMs);
  }

  of(partition: number): Acknowledgements {
    return this.#times.get(partition) ?? [];
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

  /** What failed for good, each a line. With a delivery timeout of two minutes nothing should. */
  get failures(): readonly string[] {
    return this.#failures;
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await this.#producer.close();
  }

  #tick(): void {
    for (const partition of this.partitions) {
      const underWay = this.#underWay.get(partition) ?? 0;
      if (underWay >= underWayMax) continue;
      this.#underWay.set(partition, underWay + 1);
      void this.#producer
        .send({ topic: this.#options.topic, partition, value: "probe" })
        .then(
          () => void this.#times.get(partition)?.push(performance.now()),
          (error: Error) => void this.#failures.push(`partition ${partition}: ${error.message}`),
        )
        .finally(() => this.#underWay.set(partition, (this.#underWay.get(partition) ?? 1) - 1));
    }
  }
}
