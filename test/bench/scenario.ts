import type { Loads } from "./load/loads.ts";
import type { Meter } from "./processes/meter.ts";
import type { ClusterShape, RunningSystem, Speech } from "./systems/system.ts";

export type Better = "higher" | "lower";

/** One number that a scenario found. */
export interface Figure {
  readonly name: string;
  readonly unit: string;
  readonly value: number;
  readonly better: Better;
}

export type Point = readonly [x: number, y: number];

/** Values along something, for a chart. */
export interface Series {
  readonly chart: string;
  readonly line: string;
  readonly xLabel: string;
  readonly yLabel: string;
  /** Of both axes; "linear" by default. */
  readonly axis?: "linear" | "log";
  /** Each system has a chart of its own; otherwise they share one. */
  readonly isApart?: boolean;
  readonly points: readonly Point[];
}

export interface Outcome {
  readonly figures: readonly Figure[];
  readonly series?: readonly Series[];
  /** What a reader of the figures has to know: cut short, could not keep the rate, ... */
  readonly notes?: readonly string[];
}

/** How long things take. */
export interface Pace {
  readonly isQuick: boolean;
  /** Of load that is measured. */
  readonly measuredSeconds: number;
  /** Of load before it, whose figures are thrown away. */
  readonly discardedSeconds: number;
  readonly soakMinutes: number;
}

/** What a scenario works with. */
export interface Stage {
  /** The cluster it runs on; scenarios with `cluster: null` have none and start their own. */
  readonly cluster: RunningSystem;
  readonly loads: Loads;
  readonly pace: Pace;
  /** A name that no topic of this cluster has. */
  freshTopic(): string;
  /** Starts a cluster of the same system, stopped after the scenario at the latest. */
  start(shape: ClusterShape): Promise<RunningSystem>;
  /** Watches processes until the scenario is over. */
  meter(cluster?: RunningSystem): Promise<Meter>;
  /** Resolves after that long; rejects when the run is stopped. */
  sleep(ms: number): Promise<void>;
}

export interface Scenario {
  /** A path, selected by its beginning: `produce/1KiB/all/3/lz4`. */
  readonly name: string;
  /** One line. */
  readonly what: string;
  /** Scenarios of equal shapes share a cluster within a round. Null: it starts its own. */
  readonly cluster: ClusterShape | null;
  /** Which systems it can be had from. */
  readonly speaks: readonly Speech[];
  /** "quick": with `--quick` too; "standard": unless others are asked for; "full": only when asked for. */
  readonly extent: "quick" | "standard" | "full";
  /** It starts or kills brokers, which cannot be done to a cluster that is not ours. */
  readonly needsOwnCluster?: boolean;
  /** A point of a growth curve over the scenarios that share it. */
  readonly curve?: { readonly name: string; readonly xLabel: string; readonly x: number };
  run(stage: Stage): Promise<Outcome>;
}
