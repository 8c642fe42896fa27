import type { BrokerId, TopicPartition } from "../protocol/base/ids.ts";

export interface PlannedBroker {
  readonly id: BrokerId;
  readonly rack: string | null;
  /** False: it is to have no copies in the end. */
  readonly mayHold: boolean;
  /** Bytes that its disks can still take; null: not known, and not heeded. */
  readonly roomBytes: number | null;
}

export interface PlannedPartition extends TopicPartition {
  /** The preferred leader first. */
  readonly replicas: readonly BrokerId[];
  /** -1: none, and so nothing that it could be copied from: it stays where it is. */
  readonly leader: BrokerId;
  /** Of one copy. */
  readonly bytes: number;
  /** Bytes written to it a second. */
  readonly traffic: number;
}

/** What is to be even over the brokers. Copies and preferred leaders always are, by number; bytes and traffic come before that. */
export const measures = ["replicas", "bytes", "traffic"] as const;
export type Measure = (typeof measures)[number];

export type PlanGoal =
  /** Everything even, and copies apart by rack. Brokers that are not given, or may hold none, are emptied. */
  | { readonly kind: "balance" }
  /** Brokers that may hold none are emptied, and nothing else changes. */
  | { readonly kind: "drain" }
  /** So many copies of each partition of a topic, and nothing else changes. */
  | { readonly kind: "copies"; readonly topic: string; readonly copies: number };

export interface PlanInput {
  readonly brokers: readonly PlannedBroker[];
  readonly partitions: readonly PlannedPartition[];
  readonly goal: PlanGoal;
  readonly by: Measure;
  /** What brokers have besides these partitions, and keep: it counts where numbers are to be even. */
  readonly kept?: ReadonlyMap<BrokerId, KeptLoad>;
}

export interface KeptLoad {
  readonly replicas: number;
  readonly leaders: number;
}

export interface PlannedMove extends TopicPartition {
  readonly from: readonly BrokerId[];
  /** The preferred leader first. The same brokers in another order move nothing but the preferred leadership. */
  readonly to: readonly BrokerId[];
  readonly adding: readonly BrokerId[];
  readonly removing: readonly BrokerId[];
  /** What is copied: one copy for each broker that is added. */
  readonly bytes: number;
}

export interface BrokerLoad {
  readonly broker: BrokerId;
  readonly rack: string | null;
  /** Partitions that prefer it as leader. */
  readonly leaders: number;
  readonly replicas: number;
  readonly bytes: number;
  readonly traffic: number;
}

/** What a broker has to do for a plan. */
export interface BrokerCopying {
  readonly broker: BrokerId;
  readonly receivesBytes: number;
  /** As the leader of what is copied. */
  readonly sendsBytes: number;
}

export interface Plan {
  /** Sorted by topic and partition. */
  readonly moves: readonly PlannedMove[];
  readonly before: readonly BrokerLoad[];
  readonly after: readonly BrokerLoad[];
  readonly copying: readonly BrokerCopying[];
  readonly bytes: number;
  /** Partitions that the goal is about and that have no leader: they stay where they are. */
  readonly leaderless: readonly TopicPartition[];
  /** Brokers whose disks have no room for what they would receive. */
  readonly overfull: readonly BrokerId[];
}

export type Planned = { readonly refused: null; readonly plan: Plan } | { readonly refused: string };
