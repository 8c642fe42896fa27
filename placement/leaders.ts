import type { BrokerId } from "../protocol/base/ids.ts";
import { evenCounts } from "./even-counts.ts";
import type { Ground, MovablePartition } from "./ground.ts";
import type { PlanGoal } from "./plan-contract.ts";
import type { Seated } from "./seats.ts";

/**
 * The preferred leader of each movable partition, among its copies as they will be: for a balance so that they are as even as these
 * copies allow, with as few changes as that takes; for other goals only where the preferred leader goes.
 */
export function chosenLeaders(ground: Ground, seated: readonly (readonly number[])[], goal: PlanGoal): readonly BrokerId[] {
  const counts = ground.kept.map(({ leaders }) => leaders);
  for (const { replicas } of ground.staying) count(counts, ground.numbers.get(replicas[0] ?? -1));
  const all = ground.movable.map((movable, index) => {
    const leadership = leadershipOf(movable, seated[index]!, ground, goal);
    if (leadership.seats === 0) count(counts, ground.numbers.get(movable.partition.replicas[0] ?? -1));
    return leadership;
  });
  const others = counts.map((count) => ({ count, weight: 0 }));
  // each broker stands for itself: a partition has one leader, wherever it is
  const chosen = evenCounts({ all, racks: [...ground.ids.keys()], others });
  return ground.movable.map(({ partition }, index) => ground.ids[chosen[index]![0] ?? -1] ?? partition.replicas[0]!);
}

function count(counts: number[], number: number | undefined): void {
  if (number !== undefined) counts[number]!++;
}

function leadershipOf({ partition, kept, fixed }: MovablePartition, seats: readonly number[], ground: Ground, goal: PlanGoal): Seated {
  const copies = [...fixed, ...seats];
  const [preferred = -1] = partition.replicas;
  const number = ground.numbers.get(preferred);
  const isStaying = kept.includes(preferred) || (number !== undefined && copies.includes(number));
  const common = { fixed: [], perRackMax: 1, cost: 1, weight: 1 };
  if (isStaying && goal.kind !== "balance") return { ...common, homes: [], seats: 0, only: null };
  const old = copies.filter((copy) => partition.replicas.includes(ground.ids[copy]!));
  // one that has the records already can lead before the others are copied
  const only = goal.kind === "balance" || old.length === 0 ? copies : old;
  return { ...common, homes: number === undefined ? [] : [number], seats: 1, only };
}
