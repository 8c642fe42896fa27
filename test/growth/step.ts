import { type Share, unevenness } from "./checks.ts";
import type { Sample } from "./samples.ts";

/** A part of the run, and what it cost clients. */
export interface Step {
  readonly name: string;
  /** Seconds since the beginning. */
  readonly from: number;
  readonly to: number;
  /** Milliseconds: the median of the seconds' p50, the worst of their p99, the worst of all. */
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
  /** What all brokers took on, written and moved. */
  readonly grownMegabytes: number;
  /** At the end: see `unevenness`. Null: nothing was to be even. */
  readonly uneven: { readonly leaders: number; readonly bytes: number } | null;
}

/** `samples`: of the step's seconds, and the last one before them. */
export function stepOf(name: string, samples: readonly Sample[], endSeconds: number, shares: readonly Share[] | null): Step {
  const own = samples.slice(1);
  const worst = (value: (sample: Sample) => number | null) => Math.max(0, ...own.map((sample) => value(sample) ?? 0));
  const p50s = own.flatMap(({ p50 }) => p50 ?? []).toSorted((a, b) => a - b);
  return {
    name,
    from: samples[0]?.at ?? 0,
    to: endSeconds,
    p50: p50s[Math.floor(p50s.length / 2)] ?? 0,
    p99: worst(({ p99 }) => p99),
    max: worst(({ max }) => max),
    grownMegabytes: own.reduce((sum, sample, index) => sum + grownBytes(samples[index], sample), 0) / 1e6,
    uneven: shares === null ? null : unevenness(shares),
  };
}

/** What brokers took on between two samples; what others dropped meanwhile does not count against it. */
export function grownBytes(before: Sample | undefined, after: Sample): number {
  return after.bytes.reduce((sum, bytes, broker) => sum + Math.max(0, bytes - (before?.bytes[broker] ?? 0)), 0);
}

/** What all brokers took on beyond what was written, megabytes per second: the moves, smoothed over five samples. */
export function moveRates(samples: readonly Sample[], copyBytesPerRecord: number): readonly (readonly [number, number])[] {
  const rates = samples.slice(1).map((sample, index) => {
    const before = samples[index] as Sample;
    return Math.max(0, grownBytes(before, sample) - sample.acknowledged * copyBytesPerRecord) / (sample.at - before.at) / 1e6;
  });
  return rates.map((_, index) => {
    const around = rates.slice(Math.max(0, index - 2), index + 3);
    return [samples[index + 1]?.at ?? 0, around.reduce((sum, rate) => sum + rate, 0) / around.length];
  });
}
