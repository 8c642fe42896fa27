import { CommandFailed } from "../output/command-failed.ts";
import { type LogRange, rangesText } from "../session/log-ranges.ts";

/** Throws when the offset is not in all of the ranges, with what there is in the others. */
export function requireInRange(offset: number, ranges: readonly LogRange[]): void {
  const outside = ranges.filter(({ start, end }) => offset < start || offset > end);
  if (outside.length === 0) return;
  const isElsewhere = outside.length < ranges.length;
  const hint = isElsewhere ? "name others with --partition" : "--from beginning and --from end are always within it";
  throw new CommandFailed(`offset ${offset} is out of range: ${rangesText(outside)}; ${hint}`);
}
