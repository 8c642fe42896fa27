import type { BrokerId } from "../protocol/base/ids.ts";
import type { KeptLoad, PlanInput, PlannedPartition } from "./plan-contract.ts";
import { brokersByRack, copiesPerRackMax, rackNumbers } from "./rack-limit.ts";
import type { Seated, Seating } from "./seats.ts";
import { wholeWeights } from "./weights.ts";

/** What a plan is made on: brokers that may hold copies, by number instead of by id, and the partitions that the goal is about. */
export interface Ground {
  /** By number. */
  readonly ids: readonly BrokerId[];
  readonly numbers: ReadonlyMap<BrokerId, number>;
  readonly racks: readonly number[];
  readonly roomBytes: readonly (number | null)[];
  /** Those that may move, with what of them may. */
  readonly movable: readonly MovablePartition[];
  /** Those that stay where they are. */
  readonly staying: readonly PlannedPartition[];
  /** Those that were to move, and have no leader. */
  readonly leaderless: readonly PlannedPartition[];
  /** By number: what each broker has besides all of these. */
  readonly kept: readonly KeptLoad[];
}

export interface MovablePartition {
  readonly partition: PlannedPartition;
  /** Brokers without number that keep their copies: the goal is not about them. */
  readonly kept: readonly BrokerId[];
  /** Numbers of brokers that keep theirs. */
  readonly fixed: readonly number[];
  /** Numbers of brokers whose copies may move. */
  readonly homes: readonly number[];
  /** Copies that it gets apart from those that are kept or fixed. */
  readonly seats: number;
  readonly only: readonly number[] | null;
}

export function groundOf({ brokers, partitions, goal, kept }: PlanInput): Ground {
  const holding = brokers.filter(({ mayHold }) => mayHold).toSorted((a, b) => a.id - b.id);
  const numbers = new Map(holding.map(({ id }, number) => [id, number]));
  const present = new Set(brokers.map(({ id }) => id));
  // partitions of the same number next to each other: where several are as good, those of one topic are not all taken
  const sorted = partitions.toSorted((a, b) => a.partition - b.partition || (a.topic < b.topic ? -1 : 1));
  const movable: MovablePartition[] = [];
  const staying: PlannedPartition[] = [];
  const leaderless: PlannedPartition[] = [];
  for (const partition of sorted) {
    const wanted = movableOf(partition, goal, { numbers, present });
    if (wanted === null) staying.push(partition);
    else if (partition.leader < 0) leaderless.push(partition);
    else movable.push(wanted);
  }
  return {
    ids: holding.map(({ id }) => id),
    numbers,
    racks: rackNumbers(holding.map(({ rack }) => rack)),
    roomBytes: holding.map(({ roomBytes }) => roomBytes),
    movable,
    staying: [...staying, ...leaderless],
    leaderless,
    kept: holding.map(({ id }) => kept?.get(id) ?? { replicas: 0, leaders: 0 }),
  };
}

interface Known {
  readonly numbers: ReadonlyMap<BrokerId, number>;
  readonly present: ReadonlySet<BrokerId>;
}

/** What of a partition may move; null: nothing. */
function movableOf(partition: PlannedPartition, goal: PlanInput["goal"], { numbers, present }: Known): MovablePartition | null {
  const { replicas, topic } = partition;
  const here = replicas.flatMap((id) => numbers.get(id) ?? []);
  switch (goal.kind) {
    case "balance":
      return { partition, kept: [], fixed: [], homes: here, seats: replicas.length, only: null };
    case "drain": {
      const away = replicas.filter((id) => !present.has(id));
      const drained = replicas.length - here.length - away.length;
      return drained === 0 ? null : { partition, kept: away, fixed: here, homes: [], seats: drained, only: null };
    }
    case "copies": {
      if (topic !== goal.topic || replicas.length === goal.copies) return null;
      const away = replicas.filter((id) => !numbers.has(id));
      const more = goal.copies - replicas.length;
      if (more > 0) return { partition, kept: away, fixed: here, homes: [], seats: more, only: null };
      return fewerCopies(partition, { here, away, copies: goal.copies, leader: numbers.get(partition.leader) });
    }
  }
}

/** Those that are away, or may hold none, go first; the leader never. */
function fewerCopies(
  partition: PlannedPartition,
  of: {
    readonly here: readonly number[];
    readonly away: readonly BrokerId[];
    readonly copies: number;
    readonly leader: number | undefined;
  },
): MovablePartition {
  const { here, away, copies, leader } = of;
  const kept = away.slice(0, Math.max(0, copies - here.length));
  const fixed = leader === undefined ? [] : [leader];
  const homes = here.filter((number) => number !== leader);
  return { partition, kept, fixed, homes, seats: copies - kept.length - fixed.length, only: homes };
}

/** The copies as something to be seated. `measured`: what one copy weighs. */
export function copiesToSeat(ground: Ground, measured: (partition: PlannedPartition) => number): Seating {
  const partitions = [...ground.movable.map(({ partition }) => partition), ...ground.staying];
  const whole = wholeWeights(partitions.reduce((sum, each) => sum + measured(each) * (each.replicas.length + 1), 0));
  const weightOf = (partition: PlannedPartition) => whole(measured(partition));
  const everywhere = brokersByRack([...ground.racks.keys()], ground.racks);
  const all = ground.movable.map(({ partition, fixed, homes, seats, only }): Seated => {
    const places = only === null ? everywhere : brokersByRack([...fixed, ...only], ground.racks);
    const perRackMax = copiesPerRackMax(fixed.length + seats, places);
    // an empty partition counts as a byte: it is not moved for nothing
    return { fixed, homes, seats, only, perRackMax, cost: Math.max(1, partition.bytes), weight: weightOf(partition) };
  });
  const others = ground.kept.map(({ replicas }) => ({ count: replicas, weight: 0 }));
  for (const partition of ground.staying)
    for (const id of partition.replicas) {
      const other = others[ground.numbers.get(id) ?? -1];
      if (other === undefined) continue;
      other.count++;
      other.weight += weightOf(partition);
    }
  return { all, racks: ground.racks, others };
}
