import { type Random, seededRandom } from "../../../protocol/base/random.ts";
import type { FaultKind, Plan } from "./fault.ts";

const calmMs = [1_000, 4_000] as const;

/**
 * An endless sequence of faults that follows from the seed and the kinds alone; a run makes as many as it has time for. The kinds come in
 * shuffled decks, so that even a short run has many of them.
 */
export function* scheduleOf(seed: number, kinds: readonly Pick<FaultKind, "name" | "durationMs">[]): Generator<Plan, never> {
  if (kinds.length === 0) throw new Error("there is no kind of fault to choose from");
  const random = seededRandom(seed);
  let deck: Pick<FaultKind, "name" | "durationMs">[] = [];
  for (let round = 1; ; round++) {
    if (deck.length === 0) deck = shuffled(kinds, random);
    const kind = deck.pop() as Pick<FaultKind, "name" | "durationMs">;
    const picks = [random.next(), random.next(), random.next(), random.next()] as const;
    yield { round, kind: kind.name, durationMs: between(kind.durationMs, random), calmMs: between(calmMs, random), picks };
  }
}

function between([least, most]: readonly [number, number], random: Random): number {
  return Math.round(least + random.next() * (most - least));
}

function shuffled<T>(values: readonly T[], random: Random): T[] {
  const deck = [...values];
  for (let at = deck.length - 1; at > 0; at--) {
    const other = Math.floor(random.next() * (at + 1));
    [deck[at], deck[other]] = [deck[other] as T, deck[at] as T];
  }
  return deck;
}
