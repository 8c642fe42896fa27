import { setTimeout as sleep } from "node:timers/promises";
import { fullSpeed } from "./load/full-speed.ts";
import { Loads } from "./load/loads.ts";
import { windowSeconds } from "./load/performance-lines.ts";
import type { Outcome } from "./outcome.ts";
import { Meter } from "./processes/meter.ts";
import type { Pace, Scenario, Stage } from "./scenario.ts";
import { withTopic } from "./scenarios/topics.ts";
import { byCluster } from "./selection.ts";
import { isSteady } from "./statistics.ts";
import { type ClusterShape, type RunningSystem, type System, topicPrefix } from "./systems/system.ts";
import { Tidy } from "./tidy.ts";

/** What one scenario found on one system in one round. */
export interface Result {
  readonly scenario: string;
  readonly system: string;
  readonly round: number;
  readonly outcome: Outcome;
  /** Why there are no figures. */
  readonly failure: string | null;
}

export interface Conduct {
  readonly scenarios: readonly Scenario[];
  readonly systems: readonly System[];
  readonly rounds: number;
  readonly pace: Pace;
  /** The run is to end: what runs is stopped, and `conduct` rejects. */
  readonly signal: AbortSignal;
  readonly say: (line: string) => void;
  readonly found: (result: Result) => void;
}

/** Each scenario on each system, round after round. The systems take turns, so that other load on the machine affects all of them. */
export async function conduct({ scenarios, systems, rounds, pace, signal, say, found }: Conduct): Promise<void> {
  for (let round = 1; round <= rounds; round++) {
    for (const group of byCluster(scenarios)) {
      for (const system of systems) {
        const suiting = group.filter(({ speaks }) => speaks.includes(system.speaks));
        if (suiting.length === 0) continue;
        say(`round ${round} of ${rounds}  ${system.name}`);
        const turn = new Turn({ system, pace, signal, say });
        try {
          await turn.run(suiting, (scenario, outcome, failure) =>
            found({ scenario: scenario.name, system: system.name, round, outcome, failure }),
          );
        } finally {
          await turn.end().catch((error: Error) => say(`  something was left behind: ${error.message}`));
        }
      }
    }
  }
}

interface TurnParts extends Pick<Conduct, "pace" | "signal" | "say"> {
  readonly system: System;
}

type Told = (scenario: Scenario, outcome: Outcome, failure: string | null) => void;

/** One system's scenarios that share a cluster. */
class Turn {
  readonly #parts: TurnParts;
  readonly #tidy = new Tidy();
  readonly #loads = new Loads();
  #topics = 0;

  constructor(parts: TurnParts) {
    this.#parts = parts;
    this.#tidy.add(() => this.#loads.stop());
  }

  /** One that fails is told, and the others go on. */
  async run(scenarios: readonly Scenario[], told: Told): Promise<void> {
    const none: Outcome = { figures: [] };
    let cluster: RunningSystem | null = null;
    const shape = scenarios[0]?.cluster ?? null;
    try {
      if (shape !== null) cluster = await this.#warmCluster(shape);
    } catch (error) {
      this.#parts.signal.throwIfAborted();
      for (const scenario of scenarios) told(scenario, none, `the cluster did not start: ${(error as Error).message}`);
      return;
    }
    for (const scenario of scenarios) {
      try {
        told(scenario, await this.#runOne(scenario, cluster), null);
      } catch (error) {
        this.#parts.signal.throwIfAborted();
        told(scenario, none, (error as Error).message);
      }
    }
  }

  /** Ends all that was started. */
  end(): Promise<void> {
    return this.#tidy.all();
  }

  async #runOne(scenario: Scenario, shared: RunningSystem | null): Promise<Outcome> {
    const tidy = new Tidy();
    this.#tidy.add(() => tidy.all());
    try {
      return await this.#untilStopped(scenario.run(this.#stage(tidy, shared)));
    } finally {
      await tidy.all();
    }
  }

  #stage(tidy: Tidy, shared: RunningSystem | null): Stage {
    const { system, pace, signal } = this.#parts;
    const stage: Stage = {
      get cluster(): RunningSystem {
        if (shared === null) throw new Error("this scenario starts its own cluster");
        return shared;
      },
      loads: this.#loads,
      pace,
      freshTopic: () => this.#freshTopic(),
      start: (shape) => tidy.starting(system.start(shape, signal), (started) => started.discard()),
      meter: async (cluster = stage.cluster) => {
        const meter = await Meter.start(cluster.processes);
        tidy.add(async () => meter.stop());
        return meter;
      },
      sleep: (ms) => sleep(ms, undefined, { signal }),
    };
    return stage;
  }

  #freshTopic(): string {
    return `${topicPrefix}${Date.now()}-${++this.#topics}`;
  }

  async #warmCluster(shape: ClusterShape): Promise<RunningSystem> {
    const { system, signal, say } = this.#parts;
    const startedMs = performance.now();
    const cluster = await this.#untilStopped(this.#tidy.starting(system.start(shape, signal), (started) => started.discard()));
    say(`  started in ${((performance.now() - startedMs) / 1000).toFixed(1)} s`);
    await this.#untilStopped(this.#warmUp(cluster, shape));
    return cluster;
  }

  /** Until the rate is steady: JVM and Node compile what runs often. */
  async #warmUp(cluster: RunningSystem, { brokers }: ClusterShape): Promise<void> {
    const { pace, say } = this.#parts;
    const tidy = new Tidy(); // nothing is started in it
    const windowsMax = Math.ceil(pace.warmSecondsMax / windowSeconds);
    let rates: readonly number[] = [];
    const isLast = (windows: readonly { readonly recordsPerSecond: number }[]) => {
      rates = windows.map(({ recordsPerSecond }) => recordsPerSecond);
      return isSteady(rates) || rates.length >= windowsMax;
    };
    const stage = this.#stage(tidy, cluster);
    const order = { cluster, recordBytes: 1024, acks: "all", codec: "none", tuning: "tuned", isLast, discarded: 0 } as const;
    const load = (topic: string) => fullSpeed(stage, { ...order, topic }, {});
    await (cluster.speaks === "floor" ? load("") : withTopic(stage, { partitions: 6, copies: Math.min(3, brokers) }, load));
    if (rates.length > 0)
      say(`  warm after ${rates.length * windowSeconds} s: ${rates.map((rate) => Math.round(rate)).join(", ")} records/s`);
  }

  /** Rejects as soon as the run is stopped. The work itself is ended by `end`, and its failure ignored. */
  async #untilStopped<T>(work: Promise<T>): Promise<T> {
    const { signal } = this.#parts;
    const { promise: stopped, reject } = Promise.withResolvers<never>();
    const stop = () => reject(signal.reason);
    signal.addEventListener("abort", stop, { once: true });
    stopped.catch(() => undefined);
    work.catch(() => undefined);
    try {
      signal.throwIfAborted();
      return await Promise.race([work, stopped]);
    } finally {
      signal.removeEventListener("abort", stop);
    }
  }
}
