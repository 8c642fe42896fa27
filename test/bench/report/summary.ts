import type { Result } from "../conduct.ts";
import type { Better } from "../outcome.ts";
import { type Spread, spreadOf } from "../statistics.ts";

/** One figure of one scenario, over all rounds, of each system that has it. */
export interface FigureRow {
  readonly scenario: string;
  readonly figure: string;
  readonly unit: string;
  readonly better: Better;
  readonly bySystem: ReadonlyMap<string, Spread>;
}

/** Those of one scenario stand together, in the order in which they were found. */
export function summarize(results: readonly Result[]): FigureRow[] {
  const rows = new Map<string, { row: Omit<FigureRow, "bySystem">; values: Map<string, number[]> }>();
  for (const { scenario, system, outcome } of results) {
    for (const { name: figure, unit, better, value } of outcome.figures) {
      const key = `${scenario}\n${figure}`;
      const entry = rows.get(key) ?? { row: { scenario, figure, unit, better }, values: new Map() };
      rows.set(key, entry);
      entry.values.set(system, [...(entry.values.get(system) ?? []), value]);
    }
  }
  const scenarios = [...new Set(results.map(({ scenario }) => scenario))];
  const inOrder = [...rows.values()].sort((a, b) => scenarios.indexOf(a.row.scenario) - scenarios.indexOf(b.row.scenario));
  return inOrder.map(({ row, values }) => ({
    ...row,
    bySystem: new Map([...values].map(([system, found]) => [system, spreadOf(found)] as const)),
  }));
}

/** The median of one system as a multiple of another's. Null where one is missing, or the other's is 0. */
export function ratioTo(row: FigureRow, of: string, to: string): number | null {
  const [ours, theirs] = [row.bySystem.get(of)?.median, row.bySystem.get(to)?.median];
  return ours === undefined || theirs === undefined || theirs === 0 ? null : ours / theirs;
}
