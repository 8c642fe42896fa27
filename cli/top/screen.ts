import { type Look, paint, type Tone } from "../output/look.ts";
import { table } from "../output/table.ts";
import { printable } from "../output/terminal-text.ts";
import { cutTo, widthOf } from "../output/text-width.ts";
import { formatCount, formatTime } from "../output/units.ts";
import { healthOf } from "../topic/topic-health.ts";
import { type ClusterKnown, type View, views } from "./cluster-reader.ts";
import type { TopState } from "./top-state.ts";
import { viewTables } from "./view-tables.ts";

/** Lines beside the rows: three above them, what the table says below, the footer, the cursor's. */
const otherLines = 6;
const usualRows = 24;

/** The screen of a terminal, without its last line. */
export function screenOf(known: ClusterKnown, state: TopState, look: Look, nowMs: number): string {
  const columns = look.columns ?? 80;
  if (state.showsHelp) return help;
  const remarks = remarksOf(known, state.view).map((text) => paint(cutTo(printable(text), columns), "quiet", look));
  const rowsMax = Math.max(1, (look.rows ?? usualRows) - otherLines - remarks.length);
  const lines = [summaryLine(known, state, look, nowMs), viewLine(state, look)];
  return `${lines.join("\n")}\n${tableOf(known, state, look, rowsMax)}${remarks.map((line) => `${line}\n`).join("")}`;
}

/** A view with all of its rows, and nothing around it. */
export function wholeTable(known: ClusterKnown, state: TopState, look: Look): string {
  return tableOf(known, state, look, Number.POSITIVE_INFINITY);
}

function tableOf(known: ClusterKnown, { view, sorting, filter }: TopState, look: Look, rowsMax: number): string {
  const { head, mayBeLeftOut, ...shown } = viewTables[view];
  const rows = shown.rows(known, { sorting: sorting[view], filter });
  if (rows.length === 0) return look.isTerminal ? `${nothing(known, view, filter)}\n` : "";
  const sorted = head[sorting[view].column];
  const marked = head.map((name) => (look.isTerminal && name === sorted ? `${name}${sorting[view].isDescending ? "▼" : "▲"}` : name));
  const cells = rows.slice(0, rowsMax).map((row) => row.cells(look));
  const text = table(marked, cells, look, { mayBeLeftOut: mayBeLeftOut.filter((name) => name !== sorted) });
  const more = rows.length - cells.length;
  return more > 0 ? `${text}${paint(`… ${formatCount(more, "more row")}`, "quiet", look)}\n` : text;
}

function nothing({ metadata, groups }: ClusterKnown, view: View, filter: string): string {
  if (filter !== "") return `no ${view} whose name contains ${printable(filter)}`;
  return metadata === null || (view === "groups" && groups === null) ? "…" : `no ${view}`;
}

interface Piece {
  readonly text: string;
  readonly tone?: Tone;
}

function summaryLine({ metadata }: ClusterKnown, { isPaused }: TopState, look: Look, nowMs: number): string {
  if (metadata === null) return "";
  const { brokers, topics, controllerId, clusterId } = metadata;
  const { partitions, underReplicated, offline } = healthOf(topics);
  const pieces: Piece[] = [
    { text: formatTime(nowMs) },
    ...(isPaused ? [{ text: "PAUSED", tone: "warning" as const }] : []),
    { text: formatCount(brokers.length, "broker") },
    { text: formatCount(partitions, "partition") },
    { text: `${underReplicated} under-replicated`, ...(underReplicated > 0 ? { tone: "warning" as const } : {}) },
    { text: `${offline} offline`, ...(offline > 0 ? { tone: "bad" as const } : {}) },
    controllerId < 0 ? { text: "no controller", tone: "bad" } : { text: `controller ${controllerId}` },
    { text: formatCount(topics.length, "topic") },
    { text: `cluster ${printable(clusterId ?? "-")}` },
  ];
  return inALine(pieces, look);
}

/** As many as there is room for, two blanks between them. */
function inALine(pieces: readonly Piece[], look: Look): string {
  let room = look.columns ?? Number.POSITIVE_INFINITY;
  const fitting = pieces.filter(({ text }, at) => {
    const width = widthOf(text) + (at === 0 ? 0 : 2);
    const fits = width <= room;
    room = fits ? room - width : 0;
    return fits;
  });
  return fitting.map(({ text, tone }) => paint(text, tone ?? null, look)).join("  ");
}

function viewLine({ view, filter, isTyping }: TopState, look: Look): string {
  const tabs = views.map((each): Piece => (each === view ? { text: `[${each}]`, tone: "head" } : { text: each }));
  const typed = isTyping ? `filter: ${filter}_` : filter === "" ? "" : `filter: ${filter}`;
  return inALine([...tabs, ...(typed === "" ? [] : [{ text: cutTo(printable(typed), 40) }])], look);
}

/** Why something is not shown, each in a line. */
export function remarksOf({ metrics, directories, failures }: ClusterKnown, view: View): readonly string[] {
  const missing = (what: string, whys: readonly (readonly [number, string | null])[]) => {
    const failed = whys.filter(([, why]) => why !== null);
    const [first] = failed;
    if (first === undefined) return [];
    const others = failed.length === 1 ? "" : `, and ${formatCount(failed.length - 1, "more broker")}`;
    return [`${what} of broker ${first[0]}${others} not known: ${first[1]}`];
  };
  if (view === "groups") return failures;
  return [
    ...missing(
      "metrics",
      [...(metrics?.value ?? [])].map(([id, { why }]) => [id, why]),
    ),
    ...missing(
      "sizes",
      [...(directories ?? [])].map(([id, { why }]) => [id, why]),
    ),
    ...failures,
  ];
}

const footers = {
  wide: "b brokers  t topics  g groups  < > sort  r reverse  / filter  p pause  ? help  q quit",
  narrow: "b t g  < > r  /  p  ? help  q quit",
  typing: "Enter: keep the filter  Esc: no filter",
  help: "any key: back  q quit",
  noKeys: "Ctrl-C ends",
} as const;

/** What the keys do, in one line. */
export function footerOf({ isTyping, showsHelp }: TopState, { columns }: Look, hasKeys: boolean): string {
  const whole = !hasKeys ? footers.noKeys : isTyping ? footers.typing : showsHelp ? footers.help : footers.wide;
  const room = columns ?? 80;
  return widthOf(whole) <= room ? whole : cutTo(footers.narrow, room);
}

const help = `b, t, g   brokers, topics, groups; Tab: the next of them
< and >   sort by the column before or after
r         the other way round
/         only rows whose name contains what is typed
          (Enter keeps it, Esc clears it)
p, blank  pause, and go on
q         quit

-         not known; a line at the bottom says why
lacking   led here, and lack an in-sync copy
disk      how full the fullest disk of the broker is
delay     of 100 timers of its event loop 99 were
          at most so late
lag/s     by how much the lag grows (+) or shrinks (-),
          over the last minute
`;
