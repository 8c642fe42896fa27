import type { Marks } from "./marks.ts";

/** What differs in every run, however it is shown. Its form is compared. */
const varying: readonly (readonly [RegExp, string])[] = [
  [/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z/g, "<time>"],
  [/[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, "<uuid>"],
  [/(?<![\w/-])[\w-]{22}(?![\w-])/g, "<id>"],
  [/\bpid \d+/g, "pid <number>"],
  [/\bcontroller \d+/g, "controller <number>"],
  [/\bproducer \d+\/\d+/g, "producer <number>"],
  [/\b\d+(?:\.\d+)? ?(?:ms|s)\b/g, "<duration>"],
  [/\b[\d,.]+ (records|lines)\/s/g, "<number> $1/s"],
  // codecs are not all alike, and timestamps take more or fewer bytes
  [/\b(position|size|bytes) \d+/g, "$1 <number>"],
];
/** In a shown line: whatever stands there. Alone: whatever lines stand there. */
export const ellipsis = "…";

/** The first thing in which what was printed is not what the page shows; null when it is. */
export function difference(shown: readonly string[], printed: readonly string[], marks: Marks): string | null {
  const [ours, theirs] = [shown, printed].map((lines) => (marks.isUnordered ? lines.toSorted() : lines));
  return compare(ours ?? [], theirs ?? [], marks.varies);
}

function compare(shown: readonly string[], printed: readonly string[], varies: ReadonlySet<string>): string | null {
  let columns: Columns | null = null;
  let at = 0;
  for (const [index, line] of shown.entries()) {
    if (line.trim() === ellipsis) {
      const rest = shown.slice(index + 1);
      const skipped = printed.findIndex((_, from) => from >= at && compare(rest, printed.slice(from), varies) === null);
      return skipped >= 0 || rest.length === 0 ? null : `nothing that follows fits after ${ellipsis}`;
    }
    const actual = printed[at++];
    if (actual === undefined) return `nothing is printed for: ${line}`;
    columns = columnsOf(line, actual) ?? columns;
    if (!isSameLine(line, actual) && !(columns?.isSameRow(line, actual, varies) ?? false)) return `shown:   ${line}\nprinted: ${actual}`;
  }
  return at < printed.length ? `printed, and not shown: ${printed[at]}` : null;
}

function isSameLine(shown: string, printed: string): boolean {
  const [ours, theirs] = [plain(shown), plain(printed)];
  if (!ours.includes(ellipsis)) return ours === theirs;
  return new RegExp(`^${ours.split(ellipsis).map(escaped).join(".*")}$`).test(theirs);
}

function escaped(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&");
}

/** Without what varies; columns are as wide as their widest cell, so their gaps vary too. */
function plain(line: string): string {
  return varying.reduce((text, [pattern, form]) => text.replaceAll(pattern, form), cells(line).join("  "));
}

function cells(line: string): string[] {
  return line.trim().split(/ {2,}/);
}

/** Which columns of a printed table the shown one has: the command may have got more of them since. */
class Columns {
  readonly #places: readonly { readonly name: string; readonly shown: number; readonly printed: number }[];

  constructor(shown: readonly string[], printed: readonly string[]) {
    this.#places = shown.map((name, index) => ({ name, shown: index, printed: printed.indexOf(name) }));
  }

  isSameRow(shown: string, printed: string, varies: ReadonlySet<string>): boolean {
    const [ours, theirs] = [cells(shown), cells(printed)];
    return this.#places.every((place) => {
      if (varies.has(place.name)) return theirs[place.printed] !== undefined;
      return isSameLine(ours[place.shown] ?? "", theirs[place.printed] ?? "");
    });
  }
}

/** Null: not the heads of a table, the shown one having a part of the printed one's columns. */
function columnsOf(shown: string, printed: string): Columns | null {
  const [ours, theirs] = [cells(shown), cells(printed)];
  const isHead = [ours, theirs].every((names) => names.length > 1 && names.every((name) => /^[a-z][a-z ]*$/.test(name)));
  return isHead && ours.every((name) => theirs.includes(name)) ? new Columns(ours, theirs) : null;
}

/** Whether a page should show anew what was printed: it differs, or it is a table with other columns. */
export function isOutdated(shown: readonly string[], printed: readonly string[], marks: Marks): boolean {
  if (difference(shown, printed, marks) !== null) return true;
  return shown.some((line, index) => columnsOf(line, printed[index] ?? "") !== null && plain(line) !== plain(printed[index] ?? ""));
}
