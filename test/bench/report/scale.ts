/** Where values lie along an axis, and which of them are labelled. */
export interface Scale {
  /** 0 at the beginning of the axis, 1 at its end. */
  at(value: number): number;
  readonly ticks: readonly number[];
}

/** Steps that people count in. */
const steps = [1, 2, 2.5, 5, 10];
/** Values that differ by less are one. */
const flatWithin = 1e-9;

/** From `lowest` to `highest` or a little beyond, so that both ends are round. */
export function linearScale(lowest: number, highest: number, ticksAbout = 5): Scale {
  const isFlat = highest - lowest <= Math.abs(highest) * flatWithin;
  const span = isFlat ? Math.abs(highest) || 1 : highest - lowest;
  const power = 10 ** Math.floor(Math.log10(span / ticksAbout));
  const step = (steps.find((one) => span / (one * power) <= ticksAbout) ?? 10) * power;
  const [from, to] = [Math.floor(lowest / step) * step, Math.max(Math.ceil(highest / step), Math.floor(lowest / step) + 1) * step];
  const count = Math.round((to - from) / step);
  return {
    at: (value) => (value - from) / (to - from),
    ticks: Array.from({ length: count + 1 }, (_, i) => Number((from + i * step).toPrecision(12))),
  };
}

/** Powers of ten around the values, which are above 0. */
export function logScale(lowest: number, highest: number): Scale {
  const from = Math.floor(Math.log10(lowest));
  const to = Math.max(from + 1, Math.ceil(Math.log10(highest)));
  return {
    at: (value) => (Math.log10(Math.max(value, 10 ** from)) - from) / (to - from),
    ticks: Array.from({ length: to - from + 1 }, (_, i) => 10 ** (from + i)),
  };
}
