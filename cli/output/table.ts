import Table from "cli-table3";

const bare = {
  top: "",
  "top-mid": "",
  "top-left": "",
  "top-right": "",
  bottom: "",
  "bottom-mid": "",
  "bottom-left": "",
  "bottom-right": "",
  left: "",
  "left-mid": "",
  mid: "",
  "mid-mid": "",
  right: "",
  "right-mid": "",
  middle: "  ",
};

export type Cell = string | number | boolean;

/** Columns without lines, numbers to the right: for eyes, and for `awk` too. Ends with a line feed. */
export function table(head: readonly string[], rows: readonly (readonly Cell[])[]): string {
  const isNumeric = head.map((_, column) => rows.length > 0 && rows.every((row) => typeof row[column] === "number"));
  const drawn = new Table({
    head: [...head],
    chars: bare,
    style: { "padding-left": 0, "padding-right": 0, head: [], border: [] },
    colAligns: isNumeric.map((right) => (right ? "right" : "left")),
  });
  drawn.push(...rows.map((row) => row.map(String)));
  return `${drawn
    .toString()
    .split("\n")
    .map((line) => line.trimEnd())
    .join("\n")}\n`;
}
