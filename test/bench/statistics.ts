/** Of the rounds' values. */
export interface Spread {
  readonly median: number;
  readonly lowest: number;
  readonly highest: number;
  readonly count: number;
}

export function median(values: readonly number[]): number {
  if (values.length === 0) return Number.NaN;
  const sorted = values.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? (sorted[middle] as number) : ((sorted[middle - 1] as number) + (sorted[middle] as number)) / 2;
}

export function spreadOf(values: readonly number[]): Spread {
  return { median: median(values), lowest: Math.min(...values), highest: Math.max(...values), count: values.length };
}

const steadyWindows = 3;
const steadyWithin = 0.1;

/** Whether the last rates are within 10 % of their mean: a JVM has compiled what matters by then. */
export function isSteady(rates: readonly number[]): boolean {
  const last = rates.slice(-steadyWindows);
  if (last.length < steadyWindows) return false;
  const mean = last.reduce((sum, rate) => sum + rate, 0) / last.length;
  return last.every((rate) => Math.abs(rate - mean) <= mean * steadyWithin);
}
