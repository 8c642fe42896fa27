import { machineAsText } from "../machine.ts";
import type { Scenario } from "../scenario.ts";
import { barChart, escaped, lineChart } from "./charts.ts";
import { curvesOf, seriesOf } from "./lines.ts";
import { shortNumber } from "./numbers.ts";
import type { Report } from "./report.ts";
import { colors, pageStyle } from "./style.ts";
import { type FigureRow, ratioTo, summarize } from "./summary.ts";

/** Of a scenario's figures, those that are drawn; all are in its table. */
const barsMax = 4;

/** One page that needs nothing else: what was measured, on what, and how it came out. */
export function htmlReport(report: Report): string {
  const rows = summarize(report.results);
  const curves = curvesOf(report, rows);
  const parts = [
    head(report),
    overview(report, rows),
    ...(curves.length === 0 ? [] : ["<h2>Growth</h2>", `<div class="charts">${curves.map(lineFigure).join("")}</div>`]),
    "<h2>Scenarios</h2>",
    ...report.scenarios.map((scenario) =>
      scenarioPart(
        report,
        scenario,
        rows.filter((row) => row.scenario === scenario.name),
      ),
    ),
  ];
  return `<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<title>Ottla bench, ${escaped(report.startedAt.slice(0, 16))}</title>
<style>${pageStyle}</style>
<body>
${parts.join("\n")}
</body></html>
`;
}

export function colorOf(report: Pick<Report, "systems">, system: string): number {
  return report.systems.findIndex(({ name }) => name === system) % colors;
}

function head({ startedAt, args, machine, pace, rounds, systems, leftOut, settings }: Report): string {
  const set = Object.entries(settings).map(([name, value]) => `${name}=${value}`);
  const entries: [string, string][] = [
    ["Machine", escaped(machineAsText(machine))],
    ["Started", `${escaped(startedAt)}, with <code>npm run bench -- ${escaped(args.join(" "))}</code>`],
    [
      "Measured",
      `${rounds} ${rounds === 1 ? "round" : "rounds, the systems by turns"}; ${pace.measuredSeconds} s each, after ${pace.discardedSeconds} s that are thrown away`,
    ],
    ...systems.map(({ name, title }): [string, string] => [escaped(name), escaped(title)]),
    ...leftOut.map((line): [string, string] => ["Left out", escaped(line)]),
    ["Settings", `<code>${set.map(escaped).join(" ")}</code>`],
  ];
  const list = entries.map(([term, text]) => `<dt>${term}</dt><dd>${text}</dd>`).join("");
  return `<h1>Ottla, measured</h1><p class="faint">Brokers, coordinator and load share the machine, unless the scenario's system is a cluster elsewhere. Bars are medians; the thin line goes from the lowest round to the highest.</p><dl>${list}</dl>`;
}

/** Each scenario's first figure. */
function overview(report: Report, rows: readonly FigureRow[]): string {
  const firsts = rows.filter((row, index) => rows[index - 1]?.scenario !== row.scenario);
  return `<h2>Overview</h2>${tablePart(report, firsts, ({ scenario, figure, unit, better }) => `${scenario}: ${figure}, ${unit} (${better} is better)`)}`;
}

function scenarioPart(report: Report, { name, what }: Scenario, rows: readonly FigureRow[]): string {
  const results = report.results.filter(({ scenario }) => scenario === name);
  if (results.length === 0) return "";
  const notes = results.flatMap(({ system, round, outcome, failure }) =>
    [...(failure === null ? [] : [`failed: ${failure}`]), ...(outcome.notes ?? [])].map((note) => `${system}, round ${round}: ${note}`),
  );
  const lines = seriesOf(report, name);
  return [
    `<h3>${escaped(name)}</h3><p class="faint">${escaped(what)}</p>`,
    ...notes.map((note) => `<p class="note">${escaped(note)}</p>`),
    rows.length === 0
      ? ""
      : `<div class="charts">${rows
          .slice(0, barsMax)
          .map((row) => barFigure(report, row))
          .join("")}</div>`,
    lines.length === 0 ? "" : `<div class="charts">${lines.map(lineFigure).join("")}</div>`,
    rows.length === 0 ? "" : `<details><summary>all figures</summary>${tablePart(report, rows)}</details>`,
  ].join("\n");
}

function barFigure(report: Report, { figure, unit, better, bySystem }: FigureRow): string {
  const bars = [...bySystem].map(([system, spread]) => ({ label: system, color: colorOf(report, system), spread }));
  return `<figure><h4>${escaped(figure)}</h4><figcaption>${escaped(unit)}, ${better} is better</figcaption>${barChart(bars)}</figure>`;
}

function lineFigure({ title, chart }: { readonly title: string; readonly chart: Parameters<typeof lineChart>[0] }): string {
  return `<figure><h4>${escaped(title)}</h4>${lineChart(chart)}</figure>`;
}

function tablePart(
  { systems }: Report,
  rows: readonly FigureRow[],
  nameOf: (row: FigureRow) => string = ({ figure, unit }) => `${figure}, ${unit}`,
): string {
  const names = systems.map(({ name }) => name).filter((name) => rows.some(({ bySystem }) => bySystem.has(name)));
  const [first = "", ...others] = names;
  const header = ["figure", ...names, ...others.map((other) => `${first} / ${other}`)];
  const lines = rows.map((row) => [
    nameOf(row),
    ...names.map((name) => {
      const spread = row.bySystem.get(name);
      if (spread === undefined) return "";
      const { median, lowest, highest, count } = spread;
      return count === 1 ? shortNumber(median) : `${shortNumber(median)} (${shortNumber(lowest)}–${shortNumber(highest)})`;
    }),
    ...others.map((other) => {
      const ratio = ratioTo(row, first, other);
      return ratio === null ? "" : `${ratio.toFixed(2)}×`;
    }),
  ]);
  const line = (tag: string, cells: readonly string[]) => `<tr>${cells.map((cell) => `<${tag}>${escaped(cell)}</${tag}>`).join("")}</tr>`;
  return `<div class="scroll"><table>${line("th", header)}${lines.map((cells) => line("td", cells)).join("")}</table></div>`;
}
