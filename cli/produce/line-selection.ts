/** Line numbers of an input, from 1: ranges in ascending order, both ends included, apart from each other. */
export type LineRanges = readonly LineRange[];

export interface LineRange {
  readonly from: number;
  /** Infinity: to the end of the input. */
  readonly to: number;
}

export const allLines: LineRanges = [{ from: 1, to: Number.POSITIVE_INFINITY }];

/** More are not what a run that stopped leaves behind. */
const rangesMax = 100_000;

/** `7,20-25,31-` as ranges; null when it is anything else. */
export function parseLines(text: string): LineRanges | null {
  const ranges: LineRange[] = [];
  for (const part of text.trim().split(",", rangesMax + 1)) {
    const match = /^(\d{1,15})(-(\d{1,15})?)?$/.exec(part.trim());
    if (match === null || ranges.length === rangesMax) return null;
    const from = Number(match[1]);
    const to = match[2] === undefined ? from : match[3] === undefined ? Number.POSITIVE_INFINITY : Number(match[3]);
    if (from < 1 || to < from || from <= (ranges.at(-1)?.to ?? 0)) return null;
    ranges.push({ from, to });
  }
  return ranges;
}

export function formatLines(ranges: LineRanges): string {
  return ranges.map(({ from, to }) => (to === from ? `${from}` : to === Number.POSITIVE_INFINITY ? `${from}-` : `${from}-${to}`)).join(",");
}

/** Those of `ranges` after line `last`, and these lines of those before. `failed` is in ascending order. */
export function linesLeft(ranges: LineRanges, last: number, failed: readonly number[]): LineRanges {
  const left: LineRange[] = [];
  const add = (from: number, to: number) => {
    const previous = left.at(-1);
    if (previous !== undefined && previous.to + 1 === from) left[left.length - 1] = { from: previous.from, to };
    else left.push({ from, to });
  };
  for (const line of failed) add(line, line);
  for (const { from, to } of ranges) if (to > last) add(Math.max(from, last + 1), to);
  return left;
}

/** Tells for line after line whether it is selected. Lines are asked for in ascending order. */
export class LineSelector {
  readonly #ranges: LineRanges;
  #at = 0;

  constructor(ranges: LineRanges) {
    this.#ranges = ranges;
  }

  has(line: number): boolean {
    while ((this.#ranges[this.#at]?.to ?? Number.POSITIVE_INFINITY) < line) this.#at++;
    const range = this.#ranges[this.#at];
    return range !== undefined && line >= range.from;
  }
}
