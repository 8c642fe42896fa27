import { type Random, seededRandom } from "../../../protocol/base/random.ts";
import type { KnownFault } from "./all.ts";
import type { Plan, PlannedRound } from "./fault.ts";

type Kind = Pick<KnownFault, "name" | "durationMs" | "mayOutlastSession" | "family" | "isAlone">;

const calmMs = [1_000, 4_000] as const;
/** Of the rounds, so many have two faults at once. */
const doubleShare = 0.25;
/** Of the faults that may, so many last longer than a session, by so much. */
const outlastingShare = 0.25;
const outlastingByMs = [1_000, 5_000] as const;

/**
 * An endless sequence of rounds that follows from the seed, the kinds and the session alone; a run makes as many as it has time for. The
 * kinds come in shuffled decks, so that even a short run has many of them. Of two at once, the second is of another family than the first.
 */
export function* scheduleOf(seed: number, kinds: readonly Kind[], sessionTimeoutMs: number): Generator<PlannedRound, never> {
  if (kinds.length === 0) throw new Error("there is no kind of fault to choose from");
  const random = seededRandom(seed);
  let deck: Kind[] = [];
  for (let round = 1; ; round++) {
    if (deck.length === 0) deck = shuffled(kinds, random);
    const first = deck.pop() as Kind;
    const isDouble = random.next() < doubleShare;
    const others = kinds.filter(({ family, isAlone }) => family !== first.family && !isAlone);
    const second = isDouble && !first.isAlone ? others[Math.floor(random.next() * others.length)] : undefined;
    const faults = [first, ...(second === undefined ? [] : [second])].map((kind) => planOf(kind, random, sessionTimeoutMs));
    yield { round, faults, calmMs: between(calmMs, random) };
  }
}

function planOf({ name, durationMs, mayOutlastSession }: Kind, random: Random, sessionTimeoutMs: number): Plan {
  const picks = [random.next(), random.next(), random.next(), random.next()] as const;
  const isLong = random.next() < outlastingShare && mayOutlastSession === true;
  const lasts = isLong ? sessionTimeoutMs + between(outlastingByMs, random) : between(durationMs, random);
  return { kind: name, durationMs: lasts, picks };
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
