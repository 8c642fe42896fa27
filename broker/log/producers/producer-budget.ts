import { invariant } from "../../../protocol/base/invariant.ts";

/** About 300 bytes each. */
export const producersMaxDefault = 1_000_000;

/**
 * In one log, whatever the broker has room for: all of a log's producers are written into a snapshot in one turn of the loop, at each roll.
 * So many take some tenths of a second, a million four seconds.
 */
export const producersInLogMax = 100_000;

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
