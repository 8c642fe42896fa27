import { invariant } from "../../protocol/base/invariant.ts";

/** About 300 bytes each. */
export const producersMaxDefault = 1_000_000;

/** How many producers all logs of a broker may remember together: clients make as many as they like. */
export class ProducerBudget {
  readonly #producersMax: number;
  #held = 0;

  constructor(producersMax: number = producersMaxDefault) {
    this.#producersMax = producersMax;
  }

  get held(): number {
    return this.#held;
  }

  get isSpent(): boolean {
    return this.#held >= this.#producersMax;
  }

  take(): void {
    this.#held++;
  }

  giveBack(count: number): void {
    this.#held -= count;
    invariant(this.#held >= 0, "logs give back the producers that they took");
  }
}
