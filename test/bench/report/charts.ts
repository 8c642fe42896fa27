import type { Point } from "../outcome.ts";
import type { Spread } from "../statistics.ts";
import { shortNumber, tickNumber } from "./numbers.ts";
import { linearScale, logScale, type Scale } from "./scale.ts";

export interface Bar {
  readonly label: string;
  /** Of `--series-N` in the page's style. */
  readonly color: number;
  readonly spread: Spread;
}

export interface Line {
  readonly label: string;
  readonly color: number;
  /** Lines of one colour are told apart by their dashes. */
  readonly dash: number;
  readonly points: readonly Point[];
}

export interface LineChart {
  readonly lines: readonly Line[];
  readonly xLabel: string;
  readonly yLabel: string;
  readonly xAxis: "linear" | "log";
  readonly yAxis?: "linear" | "log";
  readonly hasDots?: boolean;
}

const width = 460;
const barHeight = 16;
const barGap = 8;
const labelWidth = 112;
const valueWidth = 128;

/** Lying bars from 0, the lowest and highest round as a thin line across the end of each. */
export function barChart(bars: readonly Bar[]): string {
  const scale = linearScale(0, Math.max(...bars.map(({ spread }) => spread.highest)), 4);
  const room = width - labelWidth - valueWidth;
  const x = (value: number) => labelWidth + scale.at(value) * room;
  const height = bars.length * (barHeight + barGap) + barGap;
  const drawn = bars.map(({ label, color, spread }, index) => {
    const y = barGap + index * (barHeight + barGap);
    const middle = y + barHeight / 2;
    const { median, lowest, highest, count } = spread;
    const whisker =
      count < 2
        ? ""
        : `<path class="whisker" d="M${px(x(lowest))} ${middle}H${px(x(highest))}M${px(x(lowest))} ${middle - 4}v8M${px(x(highest))} ${middle - 4}v8"/>`;
    const range = count < 2 ? "" : `<tspan class="faint"> ${shortNumber(lowest)}–${shortNumber(highest)}</tspan>`;
    return (
      `<text class="label" x="${labelWidth - 8}" y="${middle}" text-anchor="end" dominant-baseline="central">${escaped(label)}</text>` +
      `<rect class="fill-${color}" x="${labelWidth}" y="${y}" width="${px(Math.max(1, x(median) - labelWidth))}" height="${barHeight}" rx="2"/>` +
      whisker +
      `<text class="value" x="${px(x(count < 2 ? median : Math.max(median, highest)) + 8)}" y="${middle}" dominant-baseline="central">${shortNumber(median)}${range}</text>`
    );
  });
  return svg(height, `<path class="axis" d="M${labelWidth} 2V${height - 2}"/>${drawn.join("")}`);
}

const plot = { left: 68, right: 24, top: 10, bottom: 40, height: 240 };
const titleHeight = 26;

/** Lines over two axes, with a legend below. */
export function lineChart(chart: LineChart): string {
  const isEmpty = chart.lines.every(({ points }) => points.length === 0);
  return isEmpty ? "" : svg(plot.height, plotOf(chart)) + legend(chart.lines);
}

/** The same as a file of its own, for pages that are not HTML: title above, legend below. `style`: what the classes mean. */
export function lineChartFile(title: string, chart: LineChart, style: string): string {
  const legendTop = titleHeight + plot.height;
  const keys = chart.lines.length < 2 ? [] : chart.lines;
  const legendRows = keys.map(({ label, color, dash }, index) => {
    const y = legendTop + 10 + index * 16;
    return `<path class="line stroke-${color} dash-${dash % 4}" d="M${plot.left} ${y}h22"/><text x="${plot.left + 30}" y="${y}" dominant-baseline="central">${escaped(label)}</text>`;
  });
  const height = legendTop + keys.length * 16 + (keys.length === 0 ? 0 : 8);
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img"><title>${escaped(title)}</title><style>${style}</style>` +
    `<rect class="ground" width="${width}" height="${height}"/><text x="10" y="16" font-weight="600">${escaped(title)}</text>` +
    `<g transform="translate(0 ${titleHeight})">${plotOf(chart)}</g>${legendRows.join("")}</svg>\n`
  );
}

function plotOf({ lines, xLabel, yLabel, xAxis, yAxis = "linear", hasDots = false }: LineChart): string {
  const points = lines.flatMap((line) => line.points);
  const xs = scaleOf(
    xAxis,
    points.map(([x]) => x),
    false,
  );
  const ys = scaleOf(
    yAxis,
    points.map(([, y]) => y),
    true,
  );
  const x = (value: number) => plot.left + xs.at(value) * (width - plot.left - plot.right);
  const y = (value: number) => plot.height - plot.bottom - ys.at(value) * (plot.height - plot.bottom - plot.top);
  const grid = ys.ticks.map(
    (tick) =>
      `<path class="grid" d="M${plot.left} ${px(y(tick))}H${width - plot.right}"/>` +
      `<text class="tick" x="${plot.left - 6}" y="${px(y(tick))}" text-anchor="end" dominant-baseline="central">${tickNumber(tick)}</text>`,
  );
  const below = xs.ticks.map(
    (tick) => `<text class="tick" x="${px(x(tick))}" y="${plot.height - plot.bottom + 14}" text-anchor="middle">${tickNumber(tick)}</text>`,
  );
  const drawn = lines.map(({ color, dash, points: along }) => {
    const path = along.map(([dx, dy], index) => `${index === 0 ? "M" : "L"}${px(x(dx))} ${px(y(dy))}`).join("");
    const dots = hasDots
      ? along.map(([dx, dy]) => `<circle class="fill-${color}" cx="${px(x(dx))}" cy="${px(y(dy))}" r="3"/>`).join("")
      : "";
    return `<path class="line stroke-${color} dash-${dash % 4}" d="${path}"/>${dots}`;
  });
  const names =
    `<text class="axis-label" x="${(plot.left + width - plot.right) / 2}" y="${plot.height - 6}" text-anchor="middle">${escaped(xLabel)}</text>` +
    `<text class="axis-label" transform="translate(10 ${(plot.height - plot.bottom) / 2}) rotate(-90)" text-anchor="middle">${escaped(yLabel)}</text>`;
  return [...grid, ...below, ...drawn, names].join("");
}

/** Only what is positive has a place on a logarithmic axis. Values of a linear one are seen from 0. */
function scaleOf(kind: "linear" | "log", values: readonly number[], fromZero: boolean): Scale {
  if (kind === "linear") return linearScale(fromZero ? Math.min(0, ...values) : Math.min(...values), Math.max(...values));
  const positive = values.filter((value) => value > 0);
  return positive.length === 0 ? logScale(1, 10) : logScale(Math.min(...positive), Math.max(...positive));
}

function legend(lines: readonly Line[]): string {
  if (lines.length < 2) return "";
  const key = ({ label, color, dash }: Line) =>
    `<span><svg width="22" height="8" aria-hidden="true"><path class="line stroke-${color} dash-${dash % 4}" d="M0 4H22"/></svg>${escaped(label)}</span>`;
  return `<p class="legend">${lines.map(key).join("")}</p>`;
}

function svg(height: number, inside: string): string {
  return `<svg viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img">${inside}</svg>`;
}

function px(value: number): string {
  return value.toFixed(1);
}

export function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");
}
