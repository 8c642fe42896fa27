export type Better = "higher" | "lower";

/** One number that a scenario found. */
export interface Figure {
  readonly name: string;
  readonly unit: string;
  readonly value: number;
  readonly better: Better;
}

export type Point = readonly [x: number, y: number];

/** Values along something, for a chart. */
export interface Series {
  readonly chart: string;
  readonly line: string;
  readonly xLabel: string;
  readonly yLabel: string;
  /** Of both axes; "linear" by default. */
  readonly axis?: "linear" | "log";
  /** Each system has a chart of its own; otherwise they share one. */
  readonly isApart?: boolean;
  readonly points: readonly Point[];
}

export interface Outcome {
  readonly figures: readonly Figure[];
  readonly series?: readonly Series[];
  /** What a reader of the figures has to know: cut short, could not keep the rate, ... */
  readonly notes?: readonly string[];
}
