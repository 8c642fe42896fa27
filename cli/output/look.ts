import { styleText } from "node:util";

/** What a text is shown to: a terminal of some size, or (a pipe, a file) a program. */
export interface Look {
  readonly isTerminal: boolean;
  /** Null: what reads it has no width, and nothing is cut. */
  readonly columns: number | null;
  readonly rows: number | null;
  readonly hasColours: boolean;
}

/** What colour says is always said in words, too: many see none. */
export type Tone = "head" | "quiet" | "good" | "warning" | "bad";

export const plainLook: Look = { isTerminal: false, columns: null, rows: null, hasColours: false };

/** Of a terminal that does not say how large it is. */
const [usualColumns, usualRows] = [80, 24];

interface Written {
  readonly isTTY?: boolean;
  readonly columns?: number;
  readonly rows?: number;
}

export function lookOf({ isTTY = false, columns, rows }: Written, environment: Readonly<Record<string, string | undefined>>): Look {
  const hasColours = wantsColours(isTTY, environment);
  if (!isTTY) return { ...plainLook, hasColours };
  return { isTerminal: true, columns: columns || usualColumns, rows: rows || usualRows, hasColours };
}

/** FORCE_COLOR beats NO_COLOR, as in Node itself; unless told, terminals get colours, apart from those that know none. */
function wantsColours(isTerminal: boolean, environment: Readonly<Record<string, string | undefined>>): boolean {
  const { FORCE_COLOR: forced, NO_COLOR: refused = "", TERM: terminal } = environment;
  if (forced !== undefined) return forced !== "0" && forced !== "false";
  return refused === "" && isTerminal && terminal !== "dumb";
}

const styles = { head: "bold", quiet: "dim", good: "green", warning: "yellow", bad: "red" } as const;

export function paint(text: string, tone: Tone | null, { hasColours }: Pick<Look, "hasColours">): string {
  return tone === null || text === "" || !hasColours ? text : styleText(styles[tone], text, { validateStream: false });
}
