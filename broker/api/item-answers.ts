import { invariant } from "../../protocol/base/invariant.ts";
import { answerEach, type RequestMeter } from "./request-meter.ts";

/** The keys that occur more than once. */
export function repeated<T>(keys: Iterable<T>): ReadonlySet<T> {
  const seen = new Set<T>();
  const twice = new Set<T>();
  for (const key of keys) {
    if (seen.has(key)) twice.add(key);
    seen.add(key);
  }
  return twice;
}

/**
 * Calls `act` with the items that `refuse` lets through, all at once, and puts every answer in its item's place. `act` must answer each
 * item, in order.
 */
export async function answerInPlace<T, A>(
  items: readonly T[],
  meter: RequestMeter,
  refuse: (item: T) => A | null,
  act: (accepted: readonly T[]) => Promise<readonly A[]>,
): Promise<readonly A[]> {
  const refusals = await answerEach(items, meter, refuse);
  const accepted = items.filter((_, i) => refusals[i] === null);
  const answers = accepted.length === 0 ? [] : await act(accepted);
  invariant(answers.length === accepted.length, "every accepted item was answered", () => ({
    items: accepted.length,
    answers: answers.length,
  }));
  let next = 0;
  return refusals.map((refusal) => refusal ?? answers[next++]!);
}
