import type { Violation } from "../checks/evidence.ts";
import type { Event, FaultEvent } from "../history/events.ts";

const width = 1_400;
const left = 150;
const plotWidth = width - left - 20;
const rowHeight = 16;
const chartHeight = 140;
const second = 1_000;

export interface TimelineParts {
  readonly title: string;
  readonly events: readonly Event[];
  readonly violations: readonly Violation[];
}

/** One page: what was acknowledged and what failed in each second, with the faults as bands, and who led each partition. */
export function timelinePage({ title, events, violations }: TimelineParts): string {
  const endMs = events.at(-1)?.at ?? 1;
  const x = (at: number) => left + (Math.min(at, endMs) / endMs) * plotWidth;
  const bands = faultBands(events);
  const [throughput, errors, leaders, memory] = [
    throughputChart(events, x, endMs),
    errorChart(events, x, endMs),
    leaderRows(events, x, endMs),
    memoryChart(events, x),
  ];
  const parts = [throughput, errors, memory, leaders];
  const height = parts.reduce((sum, part) => sum + part.height + 24, 60);
  let y = 40;
  const placed = parts.map((part) => {
    const at = y;
    y += part.height + 24;
    return `<g transform="translate(0 ${at})">${part.svg}</g>`;
  });
  const marks = violations.map(
    ({ to, what }) => `<line class="bad" x1="${x(to)}" x2="${x(to)}" y1="20" y2="${height}"><title>${escaped(what)}</title></line>`,
  );
  const shaded = bands.map(({ from, to, served, label }) => {
    const [begin, end, whole] = [x(from), x(served), x(to)];
    const after = `<rect class="after" x="${end}" y="20" width="${Math.max(0, whole - end)}" height="${height}"/>`;
    const rect = `<rect class="fault" x="${begin}" y="20" width="${Math.max(1, end - begin)}" height="${height}"><title>${escaped(label)}</title></rect>`;
    return `${after}${rect}<text class="name" transform="translate(${begin + 3} 22) rotate(90)">${escaped(label)}</text>`;
  });
  const brokers = events.reduce((highest, event) => (event.kind === "leader" ? Math.max(highest, event.leader) : highest), 0);
  const legend = colours
    .slice(0, brokers + 1)
    .map((colour, id) => `<b style="color:${colour}">■</b> ${id === 0 ? "nobody" : `broker ${id}`} `);
  const list = violations.map(({ check, what }) => `<li><b>${escaped(check)}</b> ${escaped(what)}</li>`).join("");
  return `<!doctype html><meta charset="utf-8"><title>${escaped(title)}</title><style>${style}</style>
<h1>${escaped(title)}</h1><p>${violations.length === 0 ? "Every check holds." : `${violations.length} violations:`}</p><ul>${list}</ul><p>${legend.join("")}</p>
<svg viewBox="0 0 ${width} ${height}" width="${width}" height="${height}">${shaded.join("")}${placed.join("")}${marks.join("")}${axis(endMs, x, height)}</svg>
`;
}

const style = [
  "body{font:14px system-ui;margin:20px}text{font:10px system-ui;fill:#333}.name{font-size:9px;fill:#a33}",
  ".fault{fill:#e66;opacity:.22}.after{fill:#ec6;opacity:.18}.bad{stroke:#c00;stroke-width:2}.grid{stroke:#ddd}",
  ".bar{fill:#38a}.error{fill:#d70}.line{fill:none;stroke-width:1}",
].join("");
const colours = ["#888", "#1b7", "#27c", "#c72", "#92b", "#b33"];

interface Part {
  readonly svg: string;
  readonly height: number;
}

type Scale = (at: number) => number;

function perSecond(events: readonly Event[], endMs: number, counts: (event: Event) => boolean): number[] {
  const seconds = Array.from({ length: Math.ceil(endMs / second) + 1 }, () => 0);
  for (const event of events) {
    const at = Math.floor(event.at / second);
    if (counts(event)) seconds[at] = (seconds[at] ?? 0) + 1;
  }
  return seconds;
}

function bars(name: string, css: string, values: readonly number[], x: Scale): Part {
  const most = Math.max(1, ...values);
  const rects = values.flatMap((value, at) => {
    if (value === 0) return [];
    const [begin, end, height] = [x(at * second), x((at + 1) * second), (value / most) * chartHeight];
    return [
      `<rect class="${css}" x="${begin.toFixed(1)}" y="${(chartHeight - height).toFixed(1)}" width="${Math.max(0.5, end - begin - 0.3).toFixed(1)}" height="${height.toFixed(1)}"/>`,
    ];
  });
  return { svg: `<text x="4" y="12">${name}</text><text x="4" y="26">at most ${most}</text>${rects.join("")}`, height: chartHeight };
}

function throughputChart(events: readonly Event[], x: Scale, endMs: number): Part {
  return bars(
    "acknowledged per s",
    "bar",
    perSecond(events, endMs, (event) => event.kind === "write" && event.outcome === "acknowledged"),
    x,
  );
}

function errorChart(events: readonly Event[], x: Scale, endMs: number): Part {
  const isError = (event: Event) => ("outcome" in event && event.outcome === "unknown") || (event.kind === "commit" && !event.isAccepted);
  return bars("errors per s", "error", perSecond(events, endMs, isError), x);
}

function memoryChart(events: readonly Event[], x: Scale): Part {
  const samples = events.filter((event) => event.kind === "sample");
  const most = samples.reduce((highest, { residentBytes }) => Math.max(highest, residentBytes), 1);
  const lines = [...Map.groupBy(samples, ({ process }) => process)].map(([process, ofProcess], at) => {
    const points = ofProcess.map(
      ({ at: moment, residentBytes }) => `${x(moment).toFixed(1)},${(chartHeight * (1 - residentBytes / most)).toFixed(1)}`,
    );
    return `<polyline class="line" stroke="${colours[at + 1]}" points="${points.join(" ")}"><title>${process}</title></polyline>`;
  });
  return {
    svg: `<text x="4" y="12">memory of brokers</text><text x="4" y="26">at most ${(most / 2 ** 20).toFixed(0)} MiB</text>${lines.join("")}`,
    height: chartHeight,
  };
}

function leaderRows(events: readonly Event[], x: Scale, endMs: number): Part {
  const byPartition = Map.groupBy(
    events.filter((event) => event.kind === "leader"),
    ({ partition }) => partition,
  );
  const rows = [...byPartition]
    .toSorted(([a], [b]) => a - b)
    .map(([partition, changes], row) => {
      const rects = changes.map(({ at, leader, epoch }, index) => {
        const [begin, end] = [x(at), x(changes[index + 1]?.at ?? endMs)];
        const label = `partition ${partition}: broker ${leader}, epoch ${epoch}`;
        return `<rect x="${begin.toFixed(1)}" y="${row * rowHeight}" width="${Math.max(1, end - begin).toFixed(1)}" height="${rowHeight - 3}" fill="${colours[Math.max(0, leader)] ?? "#000"}"><title>${label}</title></rect>`;
      });
      return `<text x="4" y="${row * rowHeight + 11}">leader of ${partition}</text>${rects.join("")}`;
    });
  return { svg: rows.join(""), height: rows.length * rowHeight };
}

function faultBands(events: readonly Event[]) {
  const rounds = Map.groupBy(
    events.filter((event) => event.kind === "fault"),
    ({ round }) => round,
  );
  return [...rounds.values()].map((ofRound) => {
    const [begin, last] = [ofRound[0] as FaultEvent, ofRound.at(-1) as FaultEvent];
    const served = ofRound.find(({ moment }) => moment === "served" || moment === "not served") ?? last;
    return { from: begin.at, served: served.at, to: last.at, label: `${begin.round} ${begin.name} ${last.targets.join(" ")}` };
  });
}

function axis(endMs: number, x: Scale, height: number): string {
  const step = [10, 30, 60, 300, 600].find((seconds) => endMs / second / seconds <= 25) ?? 1_800;
  const ticks: string[] = [];
  for (let at = 0; at * second <= endMs; at += step) {
    const position = x(at * second).toFixed(1);
    ticks.push(`<line class="grid" x1="${position}" x2="${position}" y1="20" y2="${height}"/><text x="${position}" y="14">${at} s</text>`);
  }
  return ticks.join("");
}

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}
