import type { Loads } from "./load/loads.ts";
import type { Outcome } from "./outcome.ts";
import type { Meter } from "./processes/meter.ts";
import type { ClusterShape, RunningSystem, Speech } from "./systems/system.ts";

/** How long things take. */
export interface Pace {
  readonly isQuick: boolean;
  /** Of load that is measured. */
  readonly measuredSeconds: number;
  /** Of load before it, whose figures are thrown away. */
  readonly discardedSeconds: number;
  /** The longest that a new cluster is loaded before anything is measured; it ends when the rate is steady. */
  readonly warmSecondsMax: number;
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
  /** Starts a cluster of the same system; it ends with the scenario at the latest. */
  start(shape: ClusterShape): Promise<RunningSystem>;
  /** Watches processes until the scenario is over. */
  meter(cluster?: RunningSystem): Promise<Meter>;
  /** Resolves after that long; rejects when the run is stopped. */
  sleep(ms: number): Promise<void>;
}

export interface Scenario {
  /** A path, selected by its beginning: `produce/1KiB/acks-all/3-copies/lz4`. */
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
