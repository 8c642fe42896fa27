import { escaped, type LineChart, lineChart } from "../bench/report/charts.ts";
import { pageStyle } from "../bench/report/style.ts";
import type { Sample } from "./samples.ts";
import { moveRates, type Step } from "./step.ts";

/** A steady record as it lies on three disks: its value, and its share of a batch. */
const copyBytesPerRecord = 3 * 1_100;

export interface PageParts {
  readonly title: string;
  readonly steps: readonly Step[];
  readonly samples: readonly Sample[];
  readonly faults: readonly string[];
}

/** A chart over the seconds of a run; the key is what a file of it is called. */
export function growthCharts(samples: readonly Sample[]): Readonly<Record<string, { readonly title: string; readonly chart: LineChart }>> {
  const line = (label: string, color: number, value: (sample: Sample) => number | null) => ({
    label,
    color,
    dash: 0,
    points: samples.flatMap((sample): [number, number][] => {
      const y = value(sample);
      return y === null ? [] : [[sample.at, y]];
    }),
  });
  const over = { xLabel: "seconds", xAxis: "linear" } as const;
  const held = (broker: number) => line(`broker ${broker + 1}`, broker, ({ bytes }) => (bytes[broker] ?? 0) / 1e6);
  return {
    latency: {
      title: "Latency of acks=all",
      chart: {
        ...over,
        yLabel: "milliseconds, in each second",
        yAxis: "log",
        lines: [line("p50", 0, ({ p50 }) => p50), line("p99", 1, ({ p99 }) => p99), line("max", 4, ({ max }) => max)],
      },
    },
    moves: {
      title: "Moved",
      chart: { ...over, yLabel: "MB/s", lines: [{ label: "moved", color: 2, dash: 0, points: moveRates(samples, copyBytesPerRecord) }] },
    },
    held: {
      title: "What each broker holds",
      chart: { ...over, yLabel: "MB", lines: (samples[0]?.bytes ?? []).map((_, broker) => held(broker)) },
    },
    records: {
      title: "Records",
      chart: {
        ...over,
        yLabel: "per second",
        lines: [line("acknowledged", 0, ({ acknowledged }) => acknowledged), line("read", 5, ({ read }) => read)],
      },
    },
  };
}

/** What clients saw, what moved, and what each broker held, over time. */
export function growthPage({ title, steps, samples, faults }: PageParts): string {
  const figures = Object.values(growthCharts(samples)).map(
    ({ title: name, chart }) => `<figure><h4>${escaped(name)}</h4>${lineChart(chart)}</figure>`,
  );
  const rows = steps.map(
    ({ name, from, to, p50, p99, max, grownMegabytes, uneven }) =>
      `<tr><td>${escaped(name)}</td>${[from, to, p50, p99, max, grownMegabytes].map((value) => `<td>${value.toFixed(1)}</td>`).join("")}` +
      `<td>${percent(uneven?.leaders)}</td><td>${percent(uneven?.bytes)}</td></tr>`,
  );
  const head = ["step", "from, s", "to, s", "p50, ms", "p99, ms", "max, ms", "taken on, MB", "leaders off even", "bytes off even"];
  const list = faults.map((fault) => `<li>${escaped(fault)}</li>`).join("");
  return (
    `<!doctype html><meta charset="utf-8"><title>${escaped(title)}</title><style>${pageStyle}</style><h1>${escaped(title)}</h1>` +
    `<p>${faults.length === 0 ? "Nothing was lost, doubled or put out of order; all copies are the same." : `${faults.length} faults:`}</p><ul>${list}</ul>` +
    `<div class="scroll"><table><tr>${head.map((name) => `<th>${name}</th>`).join("")}</tr>${rows.join("")}</table></div>` +
    `<div class="charts">${figures.join("")}</div>\n`
  );
}

const percent = (part: number | undefined) => (part === undefined ? "" : `${(part * 100).toFixed(1)} %`);
