import type { Spread } from "../statistics.ts";
import { shortNumber } from "./numbers.ts";
import { type FigureRow, ratioTo } from "./summary.ts";

/** For a terminal: a block per scenario, a line per figure; medians, the range in parentheses, and our multiple of the others' medians. */
export function tableOf(rows: readonly FigureRow[], systems: readonly string[]): string {
  const [first, ...others] = systems;
  const header = ["", ...systems, ...others.map((other) => `${first}/${other}`)];
  const lines: string[][] = [];
  let scenario = "";
  for (const row of rows) {
    if (row.scenario !== scenario) lines.push([row.scenario]);
    scenario = row.scenario;
    const ratios = others.map((other) => ratioTo(row, first ?? "", other));
    lines.push([
      `  ${row.figure}, ${row.unit} (${row.better} is better)`,
      ...systems.map((system) => spreadAsText(row.bySystem.get(system))),
      ...ratios.map((ratio) => (ratio === null ? "" : `${ratio.toFixed(2)}x`)),
    ]);
  }
  const widths = header.map((title, column) =>
    Math.max(title.length, ...lines.map((line) => (line.length > 1 ? (line[column] ?? "").length : 0))),
  );
  const format = (line: readonly string[]) =>
    line
      .map((cell, column) => (column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0)))
      .join("  ")
      .trimEnd();
  return `${[header, ...lines].map(format).join("\n")}\n`;
}

function spreadAsText(spread: Spread | undefined): string {
  if (spread === undefined) return "-";
  const { median, lowest, highest, count } = spread;
  return count === 1 ? shortNumber(median) : `${shortNumber(median)} (${shortNumber(lowest)}-${shortNumber(highest)})`;
}
