import { build, type Histogram } from "hdr-histogram-js";
import type { Point } from "../outcome.ts";

/** Milliseconds. */
export interface LatencyReport {
  readonly count: number;
  readonly mean: number;
  readonly p50: number;
  readonly p99: number;
  readonly p999: number;
  readonly max: number;
  /** The value by how rare it is: 1 in 1, 1 in 2, ... */
  readonly byRarity: readonly Point[];
}

const microsecondsMax = 3_600_000_000;
const rarities = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 100_000];

/** Counts latencies to the microsecond. */
export class Latencies {
  readonly #histogram: Histogram = build({
    lowestDiscernibleValue: 1,
    highestTrackableValue: microsecondsMax,
    numberOfSignificantValueDigits: 3,
  });

  add(ms: number): void {
    this.#histogram.recordValue(Math.min(microsecondsMax, Math.max(1, Math.round(ms * 1000))));
  }

  report(): LatencyReport {
    const histogram = this.#histogram;
    const count = histogram.totalCount;
    const at = (percentile: number) => histogram.getValueAtPercentile(percentile) / 1000;
    return {
      count,
      mean: histogram.mean / 1000,
      ...{ p50: at(50), p99: at(99), p999: at(99.9), max: histogram.maxValue / 1000 },
      byRarity: rarities.filter((rarity) => rarity <= Math.max(1, count)).map((rarity) => [rarity, at(100 - 100 / rarity)] as const),
    };
  }
}
