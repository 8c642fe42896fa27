/**
 * How far each broker's weight is from where it should be: within a tolerance of the mean. All are whole numbers, so that what is gained
 * and lost adds up to exactly nothing where nothing changes.
 */
export class Weights {
  readonly #low: number;
  readonly #high: number;
  readonly #of: number[];

  constructor(weights: readonly number[], total: number, tolerance: number) {
    const mean = total / Math.max(1, weights.length);
    this.#low = Math.floor(mean * (1 - tolerance));
    this.#high = Math.ceil(mean * (1 + tolerance));
    this.#of = [...weights];
  }

  of(broker: number): number {
    return this.#of[broker]!;
  }

  add(broker: number, weight: number): void {
    this.#of[broker]! += weight;
  }

  /** Above what it should be at most (positive), or below what it should be at least (negative). */
  deviation(broker: number): number {
    return this.#deviationOf(this.#of[broker]!);
  }

  /** By how much both deviate less when `weight` goes from the one to the other; negative: more. */
  gain(from: number, to: number, weight: number): number {
    const [a, b] = [this.#of[from]!, this.#of[to]!];
    const before = Math.abs(this.#deviationOf(a)) + Math.abs(this.#deviationOf(b));
    return before - Math.abs(this.#deviationOf(a - weight)) - Math.abs(this.#deviationOf(b + weight));
  }

  #deviationOf(weight: number): number {
    if (weight > this.#high) return weight - this.#high;
    return weight < this.#low ? weight - this.#low : 0;
  }
}

/** Of all copies together: far below where adding up loses whole numbers. */
const totalMax = 2 ** 50;

/** Whole numbers in these proportions. `total`: the sum of all that will be added up. */
export function wholeWeights(total: number): (weight: number) => number {
  const unit = Math.max(1, total / totalMax);
  return (weight) => Math.round(weight / unit);
}
