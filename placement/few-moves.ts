import type { BrokerId, TopicPartition } from "../protocol/base/ids.ts";
import { countReplicas } from "./broker-loads.ts";
import { planMoves } from "./plan.ts";
import type { KeptLoad, PlannedBroker, PlannedMove, PlannedPartition } from "./plan-contract.ts";
import { brokersByRack, copiesPerRackMax, rackNumbers } from "./rack-limit.ts";

/**
 * Partitions that are looked at for one answer. A plan of so many takes some milliseconds, one of 10,000 seconds: longer than whoever has
 * other work may be away.
 */
export const partitionsPlannedMax = 400;

export interface FewMovesInput {
  /** All of them may have copies. */
  readonly brokers: readonly PlannedBroker[];
  readonly partitions: readonly PlannedPartition[];
  /** What they have besides these partitions, and keep. */
  readonly kept: ReadonlyMap<BrokerId, KeptLoad>;
  /** The only ones that get something, be it a copy or a preferred leadership; null: all may. */
  readonly onto: ReadonlySet<BrokerId> | null;
  readonly movesMax: number;
}

/**
 * The first moves on the way to even numbers of copies and preferred leaders. None of them makes the copies less even, so whoever carries
 * them out and asks again comes to an end. Empty: nothing more can be gained. With more partitions than are looked at, those of brokers
 * that have too much are.
 */
export function fewMoves({ brokers, partitions, kept, onto, movesMax }: FewMovesInput): readonly PlannedMove[] {
  const loads = loadsWith(brokers, partitions, kept);
  const looked = partitions.length <= partitionsPlannedMax ? partitions : worthLooking(brokers, partitions, loads);
  const others = loadsWith(brokers, looked, new Map());
  const besides = new Map(
    [...loads].map(([id, { replicas, leaders }]) => {
      const of = others.get(id)!;
      return [id, { replicas: replicas - of.replicas, leaders: leaders - of.leaders }];
    }),
  );
  const planned = planMoves({ brokers, partitions: looked, goal: { kind: "balance" }, by: "replicas", kept: besides });
  if (planned.refused !== null) return [];
  const { moves } = planned.plan;
  return theBest(onto === null ? moves : moves.flatMap((move) => onlyOnto(onto, move) ?? []), loads, movesMax);
}

type Loads = ReadonlyMap<BrokerId, KeptLoad>;

function loadsWith(brokers: readonly PlannedBroker[], partitions: readonly PlannedPartition[], kept: Loads): Loads {
  const loads = new Map(brokers.map(({ id }) => [id, { ...(kept.get(id) ?? { replicas: 0, leaders: 0 }) }]));
  for (const { replicas } of partitions) countReplicas(loads, replicas);
  return loads;
}

/** One after the other, each the one that then gains most. */
function theBest(moves: readonly PlannedMove[], loads: Loads, movesMax: number): readonly PlannedMove[] {
  const counts = {
    replicas: new Map([...loads].map(([id, { replicas }]) => [id, replicas])),
    leaders: new Map([...loads].map(([id, { leaders }]) => [id, leaders])),
  };
  const left = new Set(moves.toSorted(byNumber));
  const chosen: PlannedMove[] = [];
  while (chosen.length < movesMax) {
    let best: { readonly move: PlannedMove; readonly gain: number } | null = null;
    for (const move of left) {
      const gain = gainOf(move, counts);
      // without gain it may be a step on a longer way
      if (gain >= 0 && gain > (best?.gain ?? -1)) best = { move, gain };
    }
    if (best === null) break;
    chosen.push(best.move);
    left.delete(best.move);
    const { from, to } = best.move;
    for (const [id, change] of changesOf(from, to)) counts.replicas.set(id, (counts.replicas.get(id) ?? 0) + change);
    for (const [id, change] of changesOf(from.slice(0, 1), to.slice(0, 1))) counts.leaders.set(id, (counts.leaders.get(id) ?? 0) + change);
  }
  return chosen;
}

/** By how much less the sum of squares is: of copies, or, where those stay, of preferred leaderships. */
function gainOf(
  { from, to, adding }: PlannedMove,
  counts: Readonly<Record<"replicas" | "leaders", ReadonlyMap<BrokerId, number>>>,
): number {
  const isCopied = adding.length > 0;
  const changes = isCopied ? changesOf(from, to) : changesOf(from.slice(0, 1), to.slice(0, 1));
  const of = isCopied ? counts.replicas : counts.leaders;
  return changes.reduce((gain, [id, change]) => gain - change * (2 * (of.get(id) ?? 0) + change), 0);
}

/** One less for each that is only in `from`, one more for each that is only in `to`. */
function changesOf(from: readonly BrokerId[], to: readonly BrokerId[]): readonly (readonly [id: BrokerId, change: number])[] {
  const less = from.filter((id) => !to.includes(id)).map((id) => [id, -1] as const);
  return [...less, ...to.filter((id) => !from.includes(id)).map((id) => [id, 1] as const)];
}

/** Those of one number next to each other: not all are of one topic. */
function byNumber(a: TopicPartition, b: TopicPartition): number {
  return a.partition - b.partition || (a.topic < b.topic ? -1 : 1);
}

/**
 * Those of which a broker that has more copies, or preferred leaderships, than the mean could give one to a broker that has less. Of each
 * that has more about as many.
 */
function worthLooking(
  brokers: readonly PlannedBroker[],
  partitions: readonly PlannedPartition[],
  loads: Loads,
): readonly PlannedPartition[] {
  const copies = givers(brokers, (id) => loads.get(id)!.replicas);
  const leaderships = givers(brokers, (id) => loads.get(id)!.leaders);
  const mayGo = placesIn(brokers);
  const looked: PlannedPartition[] = [];
  for (const partition of partitions.toSorted(byNumber)) {
    if (looked.length >= partitionsPlannedMax) break;
    const { replicas } = partition;
    const [preferred = -1, ...others] = replicas;
    const gives = replicas.find((id) => copies.mayGive(id) && copies.below.some((to) => mayGo(replicas, id, to)));
    if (gives !== undefined) copies.given(gives);
    const isLed = leaderships.mayGive(preferred) && others.some((id) => leaderships.below.includes(id));
    if (isLed) leaderships.given(preferred);
    if (gives !== undefined || isLed) looked.push(partition);
  }
  return looked;
}

function givers(brokers: readonly PlannedBroker[], of: (id: BrokerId) => number) {
  const ids = brokers.map(({ id }) => id);
  const mean = ids.reduce((sum, id) => sum + of(id), 0) / Math.max(1, ids.length);
  const above = ids.filter((id) => of(id) > mean);
  const left = new Map(above.map((id) => [id, Math.ceil(partitionsPlannedMax / 2 / above.length)]));
  return {
    below: ids.filter((id) => of(id) < mean),
    mayGive: (id: BrokerId) => (left.get(id) ?? 0) > 0,
    given: (id: BrokerId) => void left.set(id, left.get(id)! - 1),
  };
}

/** Whether a copy may go from one broker to another without coming together with others in a rack. */
function placesIn(brokers: readonly PlannedBroker[]): (replicas: readonly BrokerId[], from: BrokerId, to: BrokerId) => boolean {
  const numbers = rackNumbers(brokers.map(({ rack }) => rack));
  const racks = new Map(brokers.map(({ id }, at) => [id, numbers[at]]));
  const everywhere = brokersByRack([...brokers.keys()], numbers);
  return (replicas, from, to) => {
    if (replicas.includes(to)) return false;
    const rack = racks.get(to);
    const there = replicas.reduce((count, id) => count + (id !== from && racks.get(id) === rack ? 1 : 0), 0);
    return there < copiesPerRackMax(replicas.length, everywhere);
  };
}

/** Null: it gives them nothing, or others something. Whoever is preferred, and keeps its copy, stays preferred unless it is one of them. */
function onlyOnto(onto: ReadonlySet<BrokerId>, move: PlannedMove): PlannedMove | null {
  const { from, to, adding } = move;
  const [was = -1] = from;
  const [leader = -1] = to;
  if (!adding.every((id) => onto.has(id))) return null;
  if (adding.length === 0) return onto.has(leader) ? move : null;
  if (onto.has(leader) || leader === was || !to.includes(was)) return move;
  return { ...move, to: [was, ...to.filter((id) => id !== was)] };
}
