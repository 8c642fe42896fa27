import { readFileSync } from "node:fs";
import { join } from "node:path";

/** The product with one thing wrong: the way to find out whether the simulator would see it. */
export interface Mutant {
  /** Given to `--only`. */
  readonly name: string;
  /** Below the root of the checkout. */
  readonly file: string;
  /** Exactly as it stands there, once. */
  readonly find: string;
  readonly replace: string;
  /** More of it in the same file: where a rule is kept in two places, one alone would change nothing. */
  readonly also?: readonly { readonly find: string; readonly replace: string }[];
  /** What is lost, and when. */
  readonly breaks: string;
  /** The file of the unit tests that must fail with it; absent: the simulator finds it. */
  readonly caughtBy?: string;
  /** About how quickly others take over: the scenes that measure it are played before the seeds. */
  readonly isOfFailover?: boolean;
  /** Only seeds that have transactions can tell. */
  readonly isOfTransactions?: boolean;
  /** About throttles: so are the scenes of these. */
  readonly isOfThrottles?: boolean;
}

export const root = join(import.meta.dirname, "..", "..");

/** `source` with the mutation. Throws when the text is not there exactly once: the product has moved on, and the mutant must follow. */
export function mutated({ name, file, find, replace, also = [] }: Mutant, source: string): string {
  let changed = source;
  for (const edit of [{ find, replace }, ...also]) {
    const times = changed.split(edit.find).length - 1;
    if (times !== 1) throw new Error(`mutant ${name}: its text is ${times} times in ${file}, not once: ${JSON.stringify(edit.find)}`);
    changed = changed.replace(edit.find, () => edit.replace);
  }
  return changed;
}

export function readSource({ file }: Mutant): string {
  return readFileSync(join(root, file), "utf8");
}
