import type { Series } from "../outcome.ts";
import type { Line, LineChart } from "./charts.ts";
import type { Report } from "./report.ts";
import { colors } from "./style.ts";
import type { FigureRow } from "./summary.ts";

export interface TitledChart {
  readonly title: string;
  readonly chart: LineChart;
}

/** Figures of these are not drawn along a curve: the table has them. */
const figuresPerCurve = 6;

/** For scenarios that differ in one number: each figure over that number, a line per system. */
export function curvesOf(report: Report, rows: readonly FigureRow[]): TitledChart[] {
  const curves = new Map<string, { readonly xLabel: string; readonly xs: Map<string, number> }>();
  for (const { name, curve } of report.scenarios) {
    if (curve === undefined) continue;
    const known = curves.get(curve.name) ?? { xLabel: curve.xLabel, xs: new Map<string, number>() };
    curves.set(curve.name, known);
    known.xs.set(name, curve.x);
  }
  return [...curves].flatMap(([name, { xLabel, xs }]) => {
    const own = rows.filter(({ scenario }) => xs.has(scenario));
    const figures = [...new Set(own.map(({ figure }) => figure))].slice(0, figuresPerCurve);
    return figures.flatMap((figure) => {
      const along = own.filter((row) => row.figure === figure);
      return xs.size < 2 ? [] : [curveOf(report, { title: `${name}: ${figure}`, xLabel, rows: along, xs })];
    });
  });
}

function curveOf(
  { systems }: Report,
  { title, xLabel, rows, xs }: { title: string; xLabel: string; rows: readonly FigureRow[]; xs: ReadonlyMap<string, number> },
): TitledChart {
  const lines = systems.flatMap(({ name }, index): Line[] => {
    const points = rows.flatMap(({ scenario, bySystem }) => {
      const spread = bySystem.get(name);
      return spread === undefined ? [] : [[xs.get(scenario) ?? 0, spread.median] as const];
    });
    // scenarios that share a cluster run first, whatever their place in the curve
    points.sort(([a], [b]) => a - b);
    return points.length === 0 ? [] : [{ label: name, color: index % colors, dash: 0, points }];
  });
  const wide = Math.max(...xs.values()) / Math.max(1, Math.min(...xs.values())) >= 20;
  return { title, chart: { lines, xLabel, yLabel: rows[0]?.unit ?? "", xAxis: wide ? "log" : "linear", hasDots: true } };
}

/** What a scenario told over time, or over anything else: of its last round, a chart per kind. */
export function seriesOf({ systems, results }: Report, scenario: string): TitledChart[] {
  const charts = new Map<string, { series: Series; lines: Line[] }>();
  systems.forEach(({ name }, index) => {
    const last = results.findLast((result) => result.scenario === scenario && result.system === name);
    const dashes = new Map<string, number>();
    for (const series of last?.outcome.series ?? []) {
      const title = series.isApart === true ? `${series.chart}, ${name}` : series.chart;
      const known = charts.get(title) ?? { series, lines: [] };
      charts.set(title, known);
      const dash = dashes.get(title) ?? 0;
      dashes.set(title, dash + 1);
      known.lines.push({ label: `${name} ${series.line}`.trim(), color: index % colors, dash, points: series.points });
    }
  });
  return [...charts].map(([title, { series, lines }]) => {
    const axis = series.axis ?? "linear";
    return { title, chart: { lines, xLabel: series.xLabel, yLabel: series.yLabel, xAxis: axis, yAxis: axis } };
  });
}
