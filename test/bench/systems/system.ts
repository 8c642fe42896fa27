import type { MeteredProcess } from "../processes/meter.ts";

/** How one talks to a system: as a Kafka client, or with the bytes of the floor program. */
export type Speech = "kafka" | "floor";

/** What a cluster is asked to be. */
export interface ClusterShape {
  readonly brokers: number;
  /** Not the short session timeout that both kinds of cluster have in other scenarios, but the one that each ships with. */
  readonly isSessionAsShipped?: boolean;
  /** For every broker, by Kafka's names, beside the common ones. */
  readonly settings?: Readonly<Record<string, string | number>>;
}

/** Something that is measured. */
export interface System {
  /** For the command line and the tables. */
  readonly name: string;
  /** Version, and what it runs on. */
  readonly title: string;
  readonly speaks: Speech;
  /** Why it cannot be had here; null when it can. */
  missing(): Promise<string | null>;
  /** Resolves when every broker serves. A start that fails leaves nothing behind; one that takes long may end early by the signal. */
  start(shape: ClusterShape, signal: AbortSignal): Promise<RunningSystem>;
}

export interface RunningSystem {
  readonly speaks: Speech;
  readonly bootstrap: readonly string[];
  /** How often brokers suspected one another to be gone, where the system says so. */
  suspicions?(): Promise<number>;
  /** Empty where they run on other machines. */
  readonly processes: readonly MeteredProcess[];
  /** Where the brokers keep their logs; empty where that is another machine. */
  readonly dataDirectories: readonly string[];
  /** SIGKILL. Resolves when it is gone. */
  killBroker(id: number): Promise<void>;
  /** Resolves when it serves. */
  restartBroker(id: number): Promise<void>;
  /** Has each broker hand over what it leads and end, then removes its files. */
  stop(): Promise<void>;
  /** Kills it and removes its files. */
  discard(): Promise<void>;
}

/** The same for all: up to three copies, two of them in sync at least. */
export function commonSettings({ brokers, settings }: ClusterShape): Record<string, string | number> {
  const copies = Math.min(3, brokers);
  return {
    "num.partitions": 6,
    "default.replication.factor": copies,
    "min.insync.replicas": Math.min(2, copies),
    "offsets.topic.replication.factor": copies,
    "offsets.topic.num.partitions": 6,
    "transaction.state.log.replication.factor": copies,
    "transaction.state.log.min.isr": Math.min(2, copies),
    // members that start together are in a new group's first assignment; without it, it is chance whether they wait for a heartbeat more
    "group.initial.rebalance.delay.ms": 500,
    "auto.create.topics.enable": "false",
    "replica.lag.time.max.ms": 30_000,
    "leader.imbalance.check.interval.seconds": 300,
    // what one scenario wrote is gone from the disk before the next has written much
    "log.segment.delete.delay.ms": 1000,
    ...settings,
  };
}

/** All topics that a run makes begin so. */
export const topicPrefix = `bench-${process.pid}-`;

/** How long a broker may be silent before its leaderships move, in both kinds of cluster. */
export const sessionTimeoutMs = 6000;
