import { setTimeout as sleep } from "node:timers/promises";
import { Producer } from "../../../client/index.ts";

export interface SteadyReport {
  readonly acknowledged: number;
  readonly failed: readonly Error[];
  /** Records that needed more than one attempt: something had disturbed them. */
  readonly repeated: number;
  readonly p50Ms: number;
  readonly maxMs: number;
}

/** One record at a time to each partition, acks=all, with the time each took: the neighbour that nothing may disturb. */
export class SteadyProducer {
  readonly #producer: Producer;
  readonly #loops: Promise<void>[];
  readonly #latenciesMs: number[] = [];
  readonly #failed: Error[] = [];
  #repeated = 0;
  #stopping = false;

  constructor(bootstrap: readonly string[], topic: string, partitions: number) {
    this.#producer = new Producer({ bootstrap });
    this.#loops = Array.from({ length: partitions }, (_, partition) => this.#send(topic, partition));
  }

  async #send(topic: string, partition: number): Promise<void> {
    for (let i = 0; !this.#stopping; i++) {
      const startedMs = performance.now();
      try {
        const { attempts } = await this.#producer.send({ topic, partition, value: `${i}` });
        if (attempts > 1) this.#repeated++;
        this.#latenciesMs.push(performance.now() - startedMs);
      } catch (error) {
        this.#failed.push(error as Error);
      }
      await sleep(2);
    }
  }

  get acknowledgedCount(): number {
    return this.#latenciesMs.length;
  }

  async stop(): Promise<SteadyReport> {
    this.#stopping = true;
    await Promise.all(this.#loops);
    await this.#producer.close();
    const sorted = this.#latenciesMs.toSorted((a, b) => a - b);
    return {
      acknowledged: sorted.length,
      failed: this.#failed,
      repeated: this.#repeated,
      p50Ms: sorted[Math.floor(sorted.length / 2)] ?? 0,
      maxMs: sorted.at(-1) ?? 0,
    };
  }
}
