import { printable } from "./terminal-text.ts";

export type Cell = string | number | boolean;

/** A longer cell sticks out of its column rather than widening all rows. Characters. */
const columnMax = 64;
const gap = "  ";

/**
 * Columns without lines, numbers right-aligned: for human readers, and for `awk`, too. Cells may come from anywhere: control sequences are
 * shown, not executed. Ends with a line feed.
 */
export function table(head: readonly string[], rows: readonly (readonly Cell[])[]): string {
  const isNumeric = head.map((_, column) => rows.length > 0 && rows.every((row) => typeof row[column] === "number"));
  const lines = [head, ...rows].map((row) => row.map((cell) => printable(String(cell))));
  const widths = head.map((_, column) =>
    lines.reduce((widest, line) => Math.max(widest, Math.min(lengthOf(line[column] ?? ""), columnMax)), 0),
  );
  const drawn = lines.map((line) =>
    line
      .map((cell, column) => padded(cell, widths[column] ?? 0, isNumeric[column] ?? false))
      .join(gap)
      .trimEnd(),
  );
  return `${drawn.join("\n")}\n`;
}

function padded(cell: string, width: number, toTheRight: boolean): string {
  const padding = " ".repeat(Math.max(0, width - lengthOf(cell)));
  return toTheRight ? padding + cell : cell + padding;
}

/** In characters; those of double width are rare in names. */
function lengthOf(text: string): number {
  let length = 0;
  for (const _character of text) length++;
  return length;
}
