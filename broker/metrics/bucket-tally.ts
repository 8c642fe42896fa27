/** Counts durations in buckets, as a histogram of Prometheus has them. One costs a few comparisons, and no memory. */
export class BucketTally {
  /** Inclusive, in seconds, rising. */
  readonly bounds: readonly number[];
  /** How many were above the bound before and not above this one; the last is of those above all. */
  readonly #counts: Float64Array;
  #sumSeconds = 0;
  #count = 0;

  constructor(bounds: readonly number[]) {
    this.bounds = bounds;
    this.#counts = new Float64Array(bounds.length + 1);
  }

  get count(): number {
    return this.#count;
  }

  get sumSeconds(): number {
    return this.#sumSeconds;
  }

  add(ms: number): void {
    const seconds = ms / 1000;
    let at = 0;
    while (at < this.bounds.length && seconds > (this.bounds[at] as number)) at++;
    this.#counts[at] = (this.#counts[at] as number) + 1;
    this.#sumSeconds += seconds;
    this.#count++;
  }

  /** How many were not above each bound. */
  cumulative(): readonly number[] {
    let sum = 0;
    return this.bounds.map((_, at) => {
      sum += this.#counts[at] as number;
      return sum;
    });
  }
}
