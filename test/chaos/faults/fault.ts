import type { MemoryLimit } from "../../support/memory-limit.ts";
import type { SmallDisk } from "../../support/small-disk.ts";
import type { FickleMachine } from "../machine/fickle-machine.ts";
import type { BrokerNode } from "../stage/broker-node.ts";
import type { Cluster } from "../stage/cluster.ts";

/** One fault as the seed has it. Whom it hits follows from `picks` and from who leads and controls at that moment. */
export interface Plan {
  readonly kind: string;
  readonly durationMs: number;
  /** Each in [0, 1): choices that the kind makes. */
  readonly picks: readonly [number, number, number, number];
}

export interface PlannedRound {
  readonly round: number;
  /** One, or two at the same time. */
  readonly faults: readonly Plan[];
  /** Between the return of everything and the next round. */
  readonly calmMs: number;
}

/** Where faults happen. */
export interface Stage {
  readonly cluster: Cluster;
  /** What the kind says that it needs is there. */
  diskOf(broker: BrokerNode): SmallDisk;
  machineOf(broker: BrokerNode): FickleMachine;
  memoryOf(broker: BrokerNode): MemoryLimit;
  readonly sessionTimeoutMs: number;
  controller(): Promise<BrokerNode>;
  /** To whoever watches the run. */
  tell(line: string): void;
  /** Nobody but these brokers leads, of the main topic, or the time is over. */
  othersLead(than: BrokerNode): Promise<void>;
  /** Resolves when all replicas are in sync, or the time is over. */
  allInSync(): Promise<void>;
  /** The broker has replicas, or the time is over: false. */
  takesPart(broker: BrokerNode): Promise<boolean>;
  /** For the rest of this fault the broker may end by itself. */
  allowEnd(broker: BrokerNode): void;
  /** For the rest of this fault the broker need not stop when it is told to. */
  allowLateStop(broker: BrokerNode): void;
}

export interface Ongoing {
  /** Names of the nodes that are hit. */
  readonly targets: readonly string[];
  /** Everything is as before, but for what the cluster has to do itself. */
  end(): Promise<void>;
}

export type Family = "processes" | "network" | "zookeeper" | "disks" | "machines";
export type Need = "cuts" | "disks" | "fickle machines" | "memory limits";

export interface FaultKind {
  readonly name: string;
  readonly what: string;
  readonly needs?: Need;
  /** Never at the same time as another: it takes its time, or what is claimed of it takes an otherwise sound cluster. */
  readonly isAlone?: boolean;
  /** Shortest and longest. */
  readonly durationMs: readonly [number, number];
  /** Now and then it lasts longer than a session, so that the coordinator gives the broker up. */
  readonly mayOutlastSession?: boolean;
  /** Where the others can go on without whom it hits: so long may a partition be without acknowledgement, however long the fault lasts. */
  readonly silenceMaxMs?: number;
  /** From its end until every partition has acknowledged again. */
  boundMs(sessionTimeoutMs: number): number;
  begin(stage: Stage, plan: Plan): Promise<Ongoing>;
}

/**
 * Brokers see within a second or two that another one is gone or does not answer. This is far more, since machines are busy, and far less
 * than the session, so that it tells whether they do.
 */
export const othersGoOnMs = 10_000;
/** Everybody runs and can be reached again, and nobody waits for a session to expire. */
export const soon = () => 10_000;
/** Detection by the coordinator's session, an election, and clients that have backed off. */
export const afterSession = (sessionTimeoutMs: number) => sessionTimeoutMs + 15_000;

export function pick<T>(from: readonly T[], choice: number): T {
  const picked = from[Math.floor(choice * from.length)];
  if (picked === undefined) throw new Error("nothing to choose from");
  return picked;
}

export function namesOf(nodes: readonly { readonly name: string }[]): string[] {
  return nodes.map(({ name }) => name);
}
