import { type Look, paint, plainLook, type Tone } from "./look.ts";
import { printable } from "./terminal-text.ts";
import { cutTo, widthOf } from "./text-width.ts";
import { formatCount } from "./units.ts";

export type Cell = string | number | boolean | ShownCell;

export interface ShownCell {
  readonly text: string;
  readonly tone?: Tone;
  /** A quantity that is no plain number: its digits are under those of the others, and it is never cut. */
  readonly isQuantity?: boolean;
  /** What the row is looked at for. */
  readonly neverCut?: boolean;
}

/** For people with a unit or commas, for programs as the number that it is. */
export function quantity(value: number, forPeople: (value: number) => string, { isTerminal }: Pick<Look, "isTerminal">): ShownCell {
  return { text: isTerminal ? forPeople(value) : String(value), isQuantity: true };
}

/** Where nothing is cut, a longer cell sticks out of its column rather than widening all rows. */
const columnMax = 64;
/** A text is cut no shorter. */
const cutMin = 8;
const gap = "  ";

interface Line {
  readonly cells: readonly { readonly text: string; readonly tone: Tone | null }[];
}

interface Column {
  readonly width: number;
  readonly toTheRight: boolean;
}

export interface TableOptions {
  /** The last column goes under its row where it has no room beside it. */
  readonly lastMayGoBelow?: boolean;
  /** Columns that are left out where there is no room for all, this one first. */
  readonly mayBeLeftOut?: readonly string[];
}

/**
 * Columns without lines, numbers right-aligned: for human readers, and for `awk`, too. On a terminal it is as wide as that at most: texts
 * are cut, with a mark, and where that is not enough columns that may be are left out, or each row becomes a few lines. Elsewhere nothing
 * is cut. Cells may come from anywhere: control sequences are shown, not executed. Ends with a line feed.
 */
export function table(
  head: readonly string[],
  rows: readonly (readonly Cell[])[],
  look: Look = plainLook,
  { lastMayGoBelow = false, mayBeLeftOut = [] }: TableOptions = {},
): string {
  const layout = laidOut(head, rows);
  const { lines, toTheRight, wanted } = layout;
  if (look.columns === null)
    return drawn(
      lines,
      toColumns(
        wanted.map((width) => Math.min(width, columnMax)),
        toTheRight,
      ),
      look,
    );
  if (lastMayGoBelow && wanted.reduce((sum, width) => sum + width + gap.length, -gap.length) > look.columns) return below(head, rows, look);
  return inColumns(head, rows, look, layout) ?? withFewer(head, rows, look, mayBeLeftOut) ?? stacked(head, lines.slice(1), look);
}

function laidOut(head: readonly string[], rows: readonly (readonly Cell[])[]) {
  const toTheRight = head.map((_, column) => rows.length > 0 && rows.every((row) => isQuantity(row[column])));
  const lines: Line[] = [
    { cells: head.map((text) => ({ text, tone: "head" })) },
    ...rows.map((row) => ({ cells: head.map((_, column) => shown(row[column] ?? "")) })),
  ];
  const wanted = head.map((_, column) => lines.reduce((widest, { cells }) => Math.max(widest, widthOf(cells[column]?.text ?? "")), 0));
  return { lines, toTheRight, wanted };
}

/** Null: they have no room. */
function inColumns(
  head: readonly string[],
  rows: readonly (readonly Cell[])[],
  look: Look,
  { lines, toTheRight, wanted } = laidOut(head, rows),
): string | null {
  const least = wanted.map((width, column) => {
    if (toTheRight[column]) return width;
    const whole = rows.map((row) => row[column]).filter((cell) => isNeverCut(cell));
    const widest = whole.reduce((most: number, cell) => Math.max(most, widthOf(shown(cell ?? "").text)), 0);
    return Math.max(widest, Math.min(width, Math.max(cutMin, widthOf(head[column] ?? ""))));
  });
  const widths = fitted(wanted, least, (look.columns ?? 0) - gap.length * (head.length - 1));
  return widths === null ? null : drawn(cut(lines, widths), toColumns(widths, toTheRight), look);
}

/** Null: there is no room even without all that may be left out. */
function withFewer(
  head: readonly string[],
  rows: readonly (readonly Cell[])[],
  look: Look,
  mayBeLeftOut: readonly string[],
): string | null {
  const candidates = mayBeLeftOut.filter((name) => head.includes(name));
  for (let count = 1; count <= candidates.length; count++) {
    const left = candidates.slice(0, count);
    const kept = <T>(cells: readonly T[]) => cells.filter((_, column) => !left.includes(head[column] ?? ""));
    const text = inColumns(kept(head), rows.map(kept), look);
    if (text !== null) return `${text}${formatCount(count, "column")} left out: wider terminal or --json\n`;
  }
  return null;
}

function below(head: readonly string[], rows: readonly (readonly Cell[])[], look: Look): string {
  const last = head.length - 1;
  const beside = table(
    head.slice(0, last),
    rows.map((row) => row.slice(0, last)),
    look,
  )
    .trimEnd()
    .split("\n");
  if (beside.length !== rows.length + 1) return table(head, rows, look); // too narrow even so
  const notes = rows.map((row) => shown(row[last] ?? "").text);
  return beside
    .map(
      (line, at) =>
        `${line}\n${at === 0 || notes[at - 1] === "" ? "" : `${gap}${paint(head[last] ?? "", "head", look)} ${notes[at - 1]}\n`}`,
    )
    .join("");
}

function isQuantity(cell: Cell | undefined): boolean {
  return typeof cell === "number" || (typeof cell === "object" && cell.isQuantity === true);
}

function isNeverCut(cell: Cell | undefined): boolean {
  return isQuantity(cell) || (typeof cell === "object" && cell.neverCut === true);
}

function shown(cell: Cell): { readonly text: string; readonly tone: Tone | null } {
  if (typeof cell !== "object") return { text: printable(String(cell)), tone: null };
  return { text: printable(cell.text), tone: cell.tone ?? null };
}

function toColumns(widths: readonly number[], toTheRight: readonly boolean[]): Column[] {
  return widths.map((width, column) => ({ width, toTheRight: toTheRight[column] ?? false }));
}

/** The widest columns give way first, the first one (what the row is about) last. Null: there is no way. */
function fitted(wanted: readonly number[], least: readonly number[], room: number): number[] | null {
  const widths = [...wanted];
  let excess = widths.reduce((sum, width) => sum + width, 0) - room;
  for (const isGivingWay of [(column: number) => column > 0, () => true]) {
    for (; excess > 0; excess--) {
      const candidates = [...widths.keys()].filter((column) => isGivingWay(column) && widths[column]! > least[column]!);
      const widest = candidates.reduce((best, column) => (best < 0 || widths[column]! >= widths[best]! ? column : best), -1);
      if (widest < 0) break;
      widths[widest]!--;
    }
  }
  return excess > 0 ? null : widths;
}

function cut(lines: readonly Line[], widths: readonly number[]): Line[] {
  return lines.map(({ cells }) => ({ cells: cells.map(({ text, tone }, column) => ({ text: cutTo(text, widths[column] ?? 0), tone })) }));
}

function drawn(lines: readonly Line[], columns: readonly Column[], look: Look): string {
  return lines.map((line) => `${drawnLine(line, columns, look)}\n`).join("");
}

/** Without blanks at its end. */
function drawnLine({ cells }: Line, columns: readonly Column[], look: Look): string {
  const last = cells.findLastIndex(({ text }) => text !== "");
  const padded = cells.slice(0, last + 1).map(({ text, tone }, at) => {
    const { width, toTheRight } = columns[at]!;
    const padding = " ".repeat(Math.max(0, width - widthOf(text)));
    const painted = paint(text, tone, look);
    if (toTheRight) return padding + painted;
    return at === last ? painted : painted + padding;
  });
  return padded.join(gap);
}

/** Each row as lines of its own, for a terminal that is too narrow for columns. */
function stacked(head: readonly string[], rows: readonly Line[], look: Look): string {
  const nameWidth = Math.max(0, ...head.map(widthOf));
  const blocks = rows.map(({ cells }) =>
    cells
      .map(({ text, tone }, at) => ({ name: head[at] ?? "", text, tone }))
      .filter(({ text }) => text !== "")
      .map(
        ({ name, text, tone }) => `${paint(name, "head", look)}${" ".repeat(nameWidth - widthOf(name))}${gap}${paint(text, tone, look)}\n`,
      )
      .join(""),
  );
  return blocks.join("\n");
}
