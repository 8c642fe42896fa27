import type { ItemResult } from "../../client/index.ts";
import { CommandFailed, explain } from "../output/command-failed.ts";
import { formatCount } from "../output/units.ts";

/** Throws the first error; with more of them, says how many. */
export function failForErrors<T>(results: readonly ItemResult<T>[]): void {
  const errors = results.flatMap(({ error }) => (error === null ? [] : [error]));
  const [first] = errors;
  if (first === undefined) return;
  if (errors.length === 1) throw first;
  throw new CommandFailed(`${explain(first)} (and ${formatCount(errors.length - 1, "more error")})`, { cause: first });
}
