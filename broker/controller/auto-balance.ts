import { countReplicas } from "../../placement/broker-loads.ts";
import { fewMoves } from "../../placement/few-moves.ts";
import type { BrokerLoad, PlannedBroker, PlannedMove, PlannedPartition } from "../../placement/plan-contract.ts";
import type { BrokerId } from "../../protocol/base/ids.ts";
import type { AutoRebalanceSettings } from "../runtime/config/auto-rebalance-settings.ts";
import type { ControllerState } from "./controller-state.ts";

export type BalanceSettings = Pick<AutoRebalanceSettings, "mode" | "partitionsAtOnce" | "imbalancePercent" | "excludedBrokers">;

/** What one look after another goes by, besides the cluster. */
export interface BalanceUnderWay {
  /** Brokers that get their share since they had next to nothing: until nothing is to be gained, not only until that is not so any more. */
  readonly filling: ReadonlySet<BrokerId>;
  /** The same of all brokers: until they are even, and not only nearly. */
  readonly isEvening: boolean;
  /** What there was when nothing could be gained: as long as that is so, nobody has to look again. */
  readonly settled: string | null;
}

export const nothingUnderWay: BalanceUnderWay = { filling: new Set(), isEvening: false, settled: null };

export interface NextMoves extends BalanceUnderWay {
  readonly moves: readonly PlannedMove[];
  /** For a person: why these. */
  readonly reason: string;
}

/** Why nothing may be moved now, for a person; null: everything is well. Somebody who moves partitions is no trouble. */
export function troubleOf(state: ControllerState): string | null {
  const { brokers, suspects, shuttingDown, offlineReplicas, deletions } = state;
  const told = (ids: Iterable<BrokerId>, what: string) => {
    const [first, ...others] = ids;
    return first === undefined ? null : `broker ${[first, ...others].slice(0, 5).join(", ")} ${what}`;
  };
  const offline = [...offlineReplicas].filter(([, { replicas }]) => replicas.size > 0).map(([id]) => id);
  const deleting = [...deletions.values()].find((deletion) => deletion.brokers.some((id) => brokers.has(id)));
  return (
    told(suspects, "does not answer, or did not until a moment ago") ??
    told(shuttingDown, "is being shut down") ??
    told(offline, "has replicas that it cannot use") ??
    (deleting === undefined ? null : `topic ${deleting.name} is being deleted`) ??
    unwholeIn(state)
  );
}

/** Names one partition that lacks a leader or a replica. Those that are being reassigned are for whoever moves them. */
function unwholeIn({ topics, brokers }: ControllerState): string | null {
  for (const { name, partitions } of topics.values())
    for (const { partition, leader, replicas, isr, reassignment } of partitions) {
      if (leader < 0) return `${name}-${partition} has no leader`;
      if (reassignment === undefined && !replicas.every((id) => brokers.has(id) && isr.includes(id)))
        return `${name}-${partition} is under-replicated`;
    }
  return null;
}

/** The next few partitions to move in a cluster in which all is well and nothing is under way. */
export function nextMoves(state: ControllerState, settings: BalanceSettings, before: BalanceUnderWay): NextMoves {
  const { mode, partitionsAtOnce, imbalancePercent, excludedBrokers } = settings;
  const brokers = [...state.brokers.values()]
    .filter(({ id }) => !excludedBrokers.has(id))
    .map(({ id, rack }): PlannedBroker => ({ id, rack, mayHold: true, roomBytes: null }));
  const loads = loadsIn(state, brokers);
  const standing = JSON.stringify([mode, imbalancePercent, brokers.map(({ rack }) => rack), loads]);
  const nothing = { ...nothingUnderWay, settled: standing, moves: [], reason: "" };
  if (mode === "off" || standing === before.settled) return nothing;
  const few = loads.filter((load) => hasFew(load, loads)).map(({ broker }) => broker);
  const known = [...before.filling].filter((id) => loads.some(({ broker }) => broker === id));
  const filling = new Set(mode === "new-brokers" ? [...known, ...few] : []);
  const uneven = loads.find((load) => isUneven(load, loads, imbalancePercent));
  const isEvening = mode === "full" && (before.isEvening || uneven !== undefined);
  if (filling.size === 0 && !isEvening) return nothing;
  const { partitions, kept } = partitionsIn(state, excludedBrokers);
  const moves = fewMoves({ brokers, partitions, kept, onto: mode === "full" ? null : filling, movesMax: partitionsAtOnce });
  if (moves.length === 0) return nothing;
  const about = mode === "full" ? (uneven ?? null) : loads.find(({ broker }) => filling.has(broker))!;
  return { moves, filling, isEvening, settled: null, reason: about === null ? "the brokers are nearly even" : standingOf(about, loads) };
}

type Load = Pick<BrokerLoad, "broker" | "replicas" | "leaders">;

function loadsIn({ topics }: ControllerState, brokers: readonly PlannedBroker[]): readonly Load[] {
  const loads = new Map(brokers.map(({ id }) => [id, { broker: id, replicas: 0, leaders: 0 }]));
  for (const { partitions } of topics.values()) for (const { replicas } of partitions) countReplicas(loads, replicas);
  return [...loads.values()].sort((a, b) => a.broker - b.broker);
}

function meanOf(loads: readonly Load[], what: "replicas" | "leaders"): number {
  return loads.reduce((sum, load) => sum + load[what], 0) / loads.length;
}

/** Less than half of its share, and by one copy at least. */
function hasFew({ replicas }: Load, loads: readonly Load[]): boolean {
  const mean = meanOf(loads, "replicas");
  return replicas < mean / 2 && mean - replicas >= 1;
}

/** Numbers that are as even as they can be differ from their mean by less than one. */
function isUneven(load: Load, loads: readonly Load[], percent: number): boolean {
  return (["replicas", "leaders"] as const).some((what) => {
    const mean = meanOf(loads, what);
    return Math.abs(load[what] - mean) >= Math.max(1, (mean * percent) / 100);
  });
}

function standingOf({ broker, replicas, leaders }: Load, loads: readonly Load[]): string {
  const share = (what: "replicas" | "leaders") => meanOf(loads, what).toFixed(1);
  return `broker ${broker} has ${replicas} copies and is preferred for ${leaders} of them, the mean is ${share("replicas")} and ${share("leaders")}`;
}

/** A partition with a copy on a broker that is left out stays where it is. How large partitions are is not known here. */
function partitionsIn({ topics, brokers }: ControllerState, excluded: ReadonlySet<BrokerId>) {
  const partitions: PlannedPartition[] = [];
  const kept = new Map([...brokers.keys()].map((id) => [id, { replicas: 0, leaders: 0 }]));
  for (const topic of topics.values())
    for (const { partition, replicas, leader } of topic.partitions)
      if (!replicas.some((id) => excluded.has(id)))
        partitions.push({ topic: topic.name, partition, replicas, leader, bytes: 0, traffic: 0 });
      else countReplicas(kept, replicas);
  return { partitions, kept };
}
