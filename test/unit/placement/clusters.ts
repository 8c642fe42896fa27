import fc from "fast-check";
import { planMoves } from "../../../placement/plan.ts";
import type { Plan, PlanInput, PlannedBroker, PlannedMove, PlannedPartition } from "../../../placement/plan-contract.ts";

export interface Cluster {
  readonly brokers: readonly PlannedBroker[];
  readonly partitions: readonly PlannedPartition[];
}

export function broker(id: number, more: Partial<PlannedBroker> = {}): PlannedBroker {
  return { id, rack: null, mayHold: true, roomBytes: null, ...more };
}

/** `a-0` on these brokers, led by the first. */
export function partition(name: string, replicas: readonly number[], bytes = 0, more: Partial<PlannedPartition> = {}): PlannedPartition {
  const at = name.lastIndexOf("-");
  const leader = replicas[0] ?? -1;
  return { topic: name.slice(0, at), partition: Number(name.slice(at + 1)), replicas, leader, bytes, traffic: 0, ...more };
}

export function planned(input: PlanInput): Plan {
  const result = planMoves(input);
  if (result.refused !== null) throw new Error(result.refused);
  return result.plan;
}

/** The partitions after the plan, with its moves carried out and the preferred leaders elected. */
export function carriedOut(partitions: readonly PlannedPartition[], { moves }: Plan): readonly PlannedPartition[] {
  return partitions.map((each) => {
    const move = moves.find(({ topic, partition }) => topic === each.topic && partition === each.partition);
    return move === undefined ? each : { ...each, replicas: move.to, leader: move.to[0]! };
  });
}

export function copyMoves({ moves }: Plan): readonly PlannedMove[] {
  return moves.filter(({ adding, removing }) => adding.length + removing.length > 0);
}

interface Sizes {
  readonly brokersMax: number;
  readonly partitionsMax: number;
  readonly copiesMax: number;
}

const someBytes = fc.oneof(
  fc.constant(0),
  fc.integer({ min: 1, max: 9 }),
  fc.integer({ min: 1, max: 1000 }),
  fc.integer({ min: 1, max: 2 ** 40 }),
);

const someRacks = fc.oneof(
  fc.constant<readonly (string | null)[]>([null]),
  fc.constant(["a", "b"]),
  fc.constant(["a", "b", "c"]),
  fc.constant(["a", "b", "c", "d", "e"]),
  fc.constant(["a", null]),
);

/** Clusters in any state: copies heaped up, two on one rack, brokers that are away and have copies, partitions without leader. */
export function someCluster({ brokersMax, partitionsMax, copiesMax }: Sizes): fc.Arbitrary<Cluster> {
  const ids = fc.uniqueArray(fc.integer({ min: 0, max: 3 * brokersMax }), { minLength: 1, maxLength: brokersMax });
  return fc.tuple(ids, someRacks, fc.constantFrom("equal", "any")).chain(([ids, racks, sizes]) => {
    const rack = fc.constantFrom(...racks);
    const rarely = fc.integer({ min: 0, max: 19 }).map((drawn) => drawn === 0);
    const brokers = fc
      .tuple(...ids.map((id) => fc.tuple(rack, rarely).map(([rack, isOut]) => broker(id, { rack, mayHold: !isOut }))))
      .map((drawn) => (drawn.some(({ mayHold }) => mayHold) ? drawn : drawn.map((each) => ({ ...each, mayHold: true }))));
    const replicas = fc
      .tuple(fc.shuffledSubarray(ids, { minLength: 1, maxLength: Math.min(copiesMax, ids.length) }), rarely)
      .map(([chosen, isAway]) => {
        // one that is no broker of this cluster, or of no cluster any more
        return isAway ? [...chosen.slice(1), 3 * brokersMax + 1] : chosen;
      });
    const drawn = fc.tuple(replicas, sizes === "equal" ? fc.constant(7) : someBytes, someBytes, rarely);
    return fc.tuple(brokers, fc.array(drawn, { maxLength: partitionsMax })).map(([brokers, partitions]) => ({
      brokers,
      partitions: partitions.map(([replicas, bytes, traffic, isLeaderless], at) => {
        const leader = isLeaderless ? -1 : replicas[0]!;
        return partition(`topic${at % 3}-${Math.floor(at / 3)}`, replicas, bytes, { traffic, leader });
      }),
    }));
  });
}

export const seed = Number(process.env.OTTLA_PLAN_SEED ?? 1);
/** How many random clusters each property is checked with. */
export const runs = Number(process.env.OTTLA_PLAN_RUNS ?? 300);
