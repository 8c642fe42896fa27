import { stripVTControlCharacters } from "node:util";
import { paint } from "./look.ts";
import type { Output } from "./output.ts";
import { widthOf } from "./text-width.ts";

const [toLineEnd, toScreenEnd] = ["\u001b[K", "\u001b[J"];

/**
 * A text on a terminal that is drawn anew where it stands: what was printed before it stays, and it stays itself in the end. Of one that is
 * higher than the window only the beginning is shown, with a mark.
 */
export class RedrawnScreen {
  readonly #output: Output;
  #lines: readonly string[] = [];

  constructor(output: Output) {
    this.#output = output;
  }

  /** `footer`: one line below the text. */
  draw(text: string, footer: string): Promise<void> {
    const { columns, rows } = this.#output.look;
    // a window that has become narrower has broken the lines of before
    const up = heightOf(this.#lines, columns ?? 80);
    // the cursor has the last line for itself
    this.#lines = [
      ...this.#clipped(text.trimEnd().split("\n"), columns ?? 80, (rows ?? 24) - 2),
      paint(footer, "quiet", this.#output.look),
    ];
    const drawn = this.#lines.map((line) => `${line}${toLineEnd}\n`).join("");
    return this.#output.write(`\r${up === 0 ? "" : `\u001b[${up}A`}${drawn}${toScreenEnd}`);
  }

  /** The terminal has shown the Ctrl-C that ends it. */
  end(): Promise<void> {
    return this.#output.write(`\r${toScreenEnd}`);
  }

  #clipped(lines: readonly string[], columns: number, heightMax: number): readonly string[] {
    if (heightOf(lines, columns) <= heightMax) return lines;
    let height = 1;
    const end = lines.findIndex((line) => {
      height += heightOf([line], columns);
      return height > heightMax;
    });
    return [...lines.slice(0, end), paint(`… ${lines.length - end} more lines`, "quiet", this.#output.look)];
  }
}

/** A terminal breaks lines that are longer than it is wide. */
function heightOf(lines: readonly string[], columns: number): number {
  return lines.reduce((height, line) => height + Math.max(1, Math.ceil(widthOf(stripVTControlCharacters(line)) / columns)), 0);
}
