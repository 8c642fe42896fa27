import { percentile } from "../failover/gaps.ts";

export interface InterruptionOf {
  readonly kind: string;
  readonly gapsMs: readonly number[];
}

/** How long partitions went without acknowledgement, by kind of fault. */
export function interruptionTable(interruptions: readonly InterruptionOf[]): readonly string[] {
  const cells = (values: readonly (string | number)[]) => values.map((value) => String(value).padStart(10)).join("");
  const rows = [...Map.groupBy(interruptions, ({ kind }) => kind)]
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([kind, rounds]) => {
      const gaps = rounds.flatMap(({ gapsMs }) => gapsMs);
      const seconds = (value: number) => (gaps.length === 0 ? "-" : (value / 1000).toFixed(2));
      const figures = [seconds(percentile(gaps, 0.5)), seconds(percentile(gaps, 0.99)), seconds(Math.max(...gaps))];
      return kind.padEnd(30) + cells([...figures, gaps.length, rounds.length]);
    });
  return ["seconds without acknowledgement".padEnd(30) + cells(["p50", "p99", "max", "count", "rounds"]), ...rows];
}
