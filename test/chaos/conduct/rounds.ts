import { setTimeout as sleep } from "node:timers/promises";
import type { FaultKind, Ongoing, Plan, PlannedRound, Stage } from "../faults/fault.ts";
import { startAgain } from "../faults/processes.ts";
import type { FaultEvent } from "../history/events.ts";
import type { History } from "../history/history.ts";
import type { LeaderWatch } from "../watch/leader-watch.ts";
import type { ServiceWatch } from "../watch/service-watch.ts";

/** Of one round: how long partitions that the fault concerned went without acknowledgement. */
export interface Interruption {
  readonly kind: string;
  /** Of those that the targets led, or all where the targets are no brokers. Milliseconds. */
  readonly gapsMs: readonly number[];
}

export interface RoundsOptions {
  readonly stage: Stage;
  readonly history: History;
  readonly service: ServiceWatch;
  readonly leaders: LeaderWatch;
  readonly partitions: number;
  readonly say: (line: string) => void;
  readonly signal: AbortSignal;
}

/** After full service, until every replica has caught up. */
const wholeMaxMs = 90_000;
/** Something is broken for good: later rounds would tell nothing. */
const neverServedMs = 180_000;

/** One fault after the other, each from calm to calm. */
export class Rounds {
  readonly #options: RoundsOptions;
  readonly interruptions: Interruption[] = [];

  constructor(options: RoundsOptions) {
    this.#options = options;
  }

  /** False when service did not return at all. */
  async run({ round, faults, calmMs }: PlannedRound, kinds: readonly FaultKind[]): Promise<boolean> {
    const { stage, history, service, leaders } = this.#options;
    const chosen = faults.map((plan) => ({ plan, kind: kinds.find(({ name }) => name === plan.kind) as FaultKind }));
    const name = chosen.map(({ kind }) => kind.name).join(" + ");
    const boundMs = chosen.reduce((sum, { kind }) => sum + kind.boundMs(stage.sessionTimeoutMs), 0);
    const ledBefore = new Map(stage.cluster.brokers.map((broker) => [broker.name, leaders.ledBy([broker.id])]));
    const tell = (moment: FaultEvent["moment"], targets: readonly string[], bounds: Pick<FaultEvent, "silenceMaxMs"> = {}) =>
      history.add({ kind: "fault", round, name, moment, targets, boundMs, ...bounds });
    const beganAt = history.now();
    tell("begins", [], silenceBoundOf(chosen));
    const targets = await this.#makeFaults(chosen);
    if (targets === null) {
      tell("not served", []);
      return false;
    }
    const endedAt = history.now();
    tell("ends", targets);
    const isServed = await service.servedAfter(endedAt, boundMs);
    tell(isServed ? "served" : "not served", targets);
    const isServedAtAll = isServed || (await service.servedAfter(endedAt, neverServedMs));
    const servedAt = history.now();
    const isWhole = await this.#becomesWhole();
    tell(isWhole ? "whole" : "not whole", targets);
    const gapsMs = this.#concerned(targets, ledBefore).flatMap((partition) => service.gapOf(partition, beganAt, servedAt) ?? []);
    this.interruptions.push({ kind: chosen.length > 1 ? "two kinds at once" : name, gapsMs });
    const moments = { beganAt, endedAt, servedAt: isServed ? servedAt : null, wholeAt: isWhole ? history.now() : null };
    this.#options.say(lineOf({ round, name, targets, gapsMs, ...moments }));
    await this.#pause(calmMs);
    return isServedAtAll;
  }

  /** Whom they hit; null when what they broke cannot be brought back: a broker does not start, say. */
  async #makeFaults(chosen: readonly { readonly plan: Plan; readonly kind: FaultKind }[]): Promise<readonly string[] | null> {
    try {
      const targets = await Promise.all(chosen.map(({ plan, kind }) => this.#makeFault(plan, kind)));
      await this.#startTheEnded();
      return targets.flat();
    } catch (error) {
      this.#options.say(error instanceof Error ? error.message : String(error));
      return null;
    }
  }

  /** From its beginning to its end. Returns whom it hits. */
  async #makeFault(plan: Plan, kind: FaultKind): Promise<readonly string[]> {
    const { targets, end }: Ongoing = await kind.begin(this.#options.stage, plan);
    await this.#pause(plan.durationMs);
    await end();
    return targets;
  }

  /** Brokers that ended by themselves, which is told elsewhere. */
  async #startTheEnded(): Promise<void> {
    await Promise.all(this.#options.stage.cluster.brokers.filter(({ pid }) => pid === null).map(startAgain));
  }

  /** What the targets led; where one of them is no broker, everything. */
  #concerned(targets: readonly string[], ledBefore: ReadonlyMap<string, readonly number[]>): readonly number[] {
    if (targets.every((name) => ledBefore.has(name))) return [...new Set(targets.flatMap((name) => ledBefore.get(name) ?? []))];
    return Array.from({ length: this.#options.partitions }, (_, partition) => partition);
  }

  async #becomesWhole(): Promise<boolean> {
    const deadlineMs = performance.now() + wholeMaxMs;
    while (performance.now() < deadlineMs) {
      if (await this.#options.leaders.isWhole(["orders"]).catch(() => false)) return true;
      await sleep(200);
    }
    return false;
  }

  #pause(ms: number): Promise<void> {
    return sleep(ms, undefined, { signal: this.#options.signal }).catch(() => {});
  }
}

/** Two at once may hit a majority, or the one what the other spares. */
function silenceBoundOf(chosen: readonly { readonly kind: FaultKind }[]): Pick<FaultEvent, "silenceMaxMs"> {
  const silenceMaxMs = chosen.length > 1 ? undefined : chosen[0]?.kind.silenceMaxMs;
  return silenceMaxMs === undefined ? {} : { silenceMaxMs };
}

interface RoundOutcome {
  readonly round: number;
  readonly name: string;
  readonly targets: readonly string[];
  readonly gapsMs: readonly number[];
  readonly beganAt: number;
  readonly endedAt: number;
  /** Null: not within the bound. */
  readonly servedAt: number | null;
  readonly wholeAt: number | null;
}

function lineOf({ round, name, targets, gapsMs, beganAt, endedAt, servedAt, wholeAt }: RoundOutcome): string {
  const seconds = (ms: number) => (ms / 1000).toFixed(1);
  const after = (moment: number | null) => (moment === null ? "NOT" : `${seconds(moment - endedAt)} s`);
  const worst = gapsMs.length === 0 ? "-" : `${seconds(Math.max(...gapsMs))} s`;
  return [
    `${seconds(beganAt).padStart(7)}  round ${String(round).padEnd(3)} ${name.padEnd(26)} ${targets.join(" ").padEnd(20)}`,
    `for ${seconds(endedAt - beganAt)} s; longest silence ${worst}; after its end served ${after(servedAt)}, whole ${after(wholeAt)}`,
  ].join(" ");
}
