import type { Look, Tone } from "../output/look.ts";
import { type Cell, quantity, type ShownCell } from "../output/table.ts";
import { formatAge, formatBytes, formatRate } from "../output/units.ts";
import type { ClusterKnown, View } from "./cluster-reader.ts";
import { type BrokerRow, brokerRows, type GroupRow, groupRows, type TopicRow, topicRows } from "./rows.ts";

type Value = number | string | null;

interface Column<R> {
  readonly value: (row: R) => Value;
  readonly cell?: (row: R, look: Look) => Cell;
}

interface ViewTable<R> {
  readonly head: readonly string[];
  readonly columns: readonly Column<R>[];
  readonly rowsOf: (known: ClusterKnown) => readonly R[];
  readonly nameOf: (row: R) => string;
  /** The first to go where there is no room. */
  readonly mayBeLeftOut: readonly string[];
  /** What it is sorted by until told otherwise. */
  readonly sortedBy: string;
}

const brokersHead = [
  "broker",
  "cpu",
  "memory",
  "in/s",
  "out/s",
  "records/s",
  "leaders",
  "replicas",
  "lacking",
  "size",
  "disk",
  "delay",
  "",
];
const topicsHead = ["topic", "partitions", "records/s", "in/s", "out/s", "size", "state"];
const groupsHead = ["group", "state", "members", "lag", "lag/s", "catches up"];

/** On a terminal with a unit, elsewhere the number; `-`: not known. */
const measured =
  (forPeople: (value: number) => string, toneOf: (value: number) => Tone | null = () => null) =>
  (value: number | null, look: Look): Cell => {
    if (value === null) return { text: "-", isQuantity: true };
    const tone = toneOf(value);
    const cell = quantity(look.isTerminal ? value : Math.round(value * 1000) / 1000, forPeople, look);
    return tone === null ? cell : { ...cell, tone };
  };

const bytes = measured((value) => formatBytes(Math.round(value)));
const rate = measured(formatRate);
const percent = (value: number) => `${Math.round(value * 100)} %`;
const cpu = measured(percent);
const diskShare = measured(percent, (value) => (value > 0.95 ? "bad" : value > 0.8 ? "warning" : null));
const delay = measured(
  (value) => `${value} ms`,
  (value) => (value >= 250 ? "warning" : null),
);
const lacking = measured(String, (value) => (value > 0 ? "warning" : null));

const brokers: ViewTable<BrokerRow> = {
  head: brokersHead,
  rowsOf: brokerRows,
  nameOf: ({ broker }) => String(broker),
  sortedBy: "broker",
  mayBeLeftOut: ["replicas", "memory", "disk", "records/s", "size", "delay", "", "out/s", "in/s", "leaders", "cpu"],
  columns: [
    { value: ({ broker }) => broker },
    { value: (row) => row.cpu, cell: (row, look) => cpu(row.cpu, look) },
    { value: (row) => row.memoryBytes, cell: (row, look) => bytes(row.memoryBytes, look) },
    { value: (row) => row.inBytesPerSecond, cell: (row, look) => bytes(row.inBytesPerSecond, look) },
    { value: (row) => row.outBytesPerSecond, cell: (row, look) => bytes(row.outBytesPerSecond, look) },
    { value: (row) => row.recordsPerSecond, cell: (row, look) => rate(row.recordsPerSecond, look) },
    { value: ({ leaders }) => leaders },
    { value: ({ replicas }) => replicas },
    { value: (row) => row.underReplicated, cell: (row, look) => lacking(row.underReplicated, look) },
    { value: (row) => row.sizeInBytes, cell: (row, look) => bytes(row.sizeInBytes, look) },
    { value: (row) => row.diskUsed, cell: (row, look) => diskShare(row.diskUsed, look) },
    { value: (row) => row.loopDelayMs, cell: (row, look) => delay(row.loopDelayMs, look) },
    { value: (row) => noteOf(row), cell: (row) => (row.address === null ? { text: noteOf(row), tone: "bad" } : noteOf(row)) },
  ],
};

function noteOf({ address, isController }: BrokerRow): string {
  if (address === null) return "missing";
  return isController ? "controller" : "";
}

const topics: ViewTable<TopicRow> = {
  head: topicsHead,
  rowsOf: topicRows,
  nameOf: ({ topic }) => topic,
  sortedBy: "records/s",
  mayBeLeftOut: ["partitions", "size", "out/s", "in/s", "records/s"],
  columns: [
    { value: ({ topic }) => topic },
    { value: ({ partitions }) => partitions },
    { value: (row) => row.recordsPerSecond, cell: (row, look) => rate(row.recordsPerSecond, look) },
    { value: (row) => row.inBytesPerSecond, cell: (row, look) => bytes(row.inBytesPerSecond, look) },
    { value: (row) => row.outBytesPerSecond, cell: (row, look) => bytes(row.outBytesPerSecond, look) },
    { value: (row) => row.sizeInBytes, cell: (row, look) => bytes(row.sizeInBytes, look) },
    { value: ({ offline, underReplicated }) => offline * 1e6 + underReplicated, cell: stateOf },
  ],
};

function stateOf({ offline, underReplicated }: TopicRow): Cell {
  if (offline > 0) return { text: `${offline} offline`, tone: "bad", neverCut: true };
  return underReplicated > 0 ? { text: `${underReplicated} under-replicated`, tone: "warning", neverCut: true } : "ok";
}

const groups: ViewTable<GroupRow> = {
  head: groupsHead,
  rowsOf: groupRows,
  nameOf: ({ group }) => group,
  sortedBy: "lag",
  mayBeLeftOut: ["state", "members", "lag/s"],
  columns: [
    { value: ({ group }) => group },
    { value: ({ state }) => state },
    { value: ({ members }) => members, cell: (row, look) => measured(String)(row.members, look) },
    { value: ({ lag }) => lag, cell: (row, look) => measured((lag) => lag.toLocaleString("en"))(row.lag, look) },
    { value: ({ lagPerSecond }) => lagPerSecond, cell: (row, look) => slope(row.lagPerSecond, look) },
    { value: ({ catchesUpInMs }) => catchesUpInMs, cell: (row, look) => catchingUp(row, look) },
  ],
};

const slope = measured(
  (value) => `${value > 0 ? "+" : value < 0 ? "-" : ""}${formatRate(Math.abs(value))}`,
  (value) => (value > 0 ? "warning" : null),
);

function catchingUp({ catchesUpInMs, lag, lagPerSecond }: GroupRow, look: Look): ShownCell {
  if (catchesUpInMs === null) {
    const isKnown = look.isTerminal && lag !== null && lagPerSecond !== null;
    return isKnown ? { text: "never", tone: "warning", isQuantity: true } : { text: "-", isQuantity: true };
  }
  return quantity(catchesUpInMs, (ms) => (ms === 0 ? "has" : `in ${formatAge(ms)}`), look);
}

/** What is sorted by a column, in which direction. */
export interface Sorting {
  /** Its place in the head. */
  readonly column: number;
  readonly isDescending: boolean;
}

/** A view without its rows' type. */
export interface AnyView {
  readonly head: readonly string[];
  readonly mayBeLeftOut: readonly string[];
  readonly usualSorting: Sorting;
  /** Those whose names contain the filter, in order: raw, for programs, and as cells. */
  rows(known: ClusterKnown, wanted: { readonly sorting: Sorting; readonly filter: string }): readonly ShownRow[];
}

export interface ShownRow {
  readonly raw: object;
  readonly cells: (look: Look) => readonly Cell[];
}

function anyView<R extends object>({ head, columns, rowsOf, nameOf, mayBeLeftOut, sortedBy }: ViewTable<R>): AnyView {
  const column = head.indexOf(sortedBy);
  return {
    head,
    mayBeLeftOut,
    usualSorting: { column, isDescending: column > 0 },
    rows: (known, { sorting, filter }) => {
      const sortValue = columns[sorting.column]?.value ?? nameOf;
      const wanted = filter.toLowerCase();
      return rowsOf(known)
        .filter((row) => nameOf(row).toLowerCase().includes(wanted))
        .map((row) => ({ row, value: sortValue(row), name: nameOf(row) }))
        .sort((a, b) => compared(a.value, b.value, sorting.isDescending) || compared(a.name, b.name, false))
        .map(({ row }) => ({ raw: row, cells: (look) => columns.map(({ value, cell }) => cell?.(row, look) ?? value(row) ?? "-") }));
    },
  };
}

/** What is not known comes last, whatever the direction. */
function compared(a: Value, b: Value, isDescending: boolean): number {
  if (a === null || b === null) return Number(a === null) - Number(b === null);
  const order = typeof a === "number" && typeof b === "number" ? a - b : String(a) < String(b) ? -1 : Number(String(a) > String(b));
  return isDescending ? -order : order;
}

export const viewTables: Readonly<Record<View, AnyView>> = { brokers: anyView(brokers), topics: anyView(topics), groups: anyView(groups) };
