import { setTimeout as sleep } from "node:timers/promises";
import type { FaultKind, Ongoing, Plan, Stage } from "../faults/fault.ts";
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
  async run(plan: Plan, kind: FaultKind): Promise<boolean> {
    const { stage, history, service, leaders, partitions, say } = this.#options;
    const boundMs = kind.boundMs(stage.sessionTimeoutMs);
    const ledBefore = new Map(stage.cluster.brokers.map(({ id, name }) => [name, leaders.ledBy([id])]));
    const tell = (moment: FaultEvent["moment"], targets: readonly string[]) =>
      history.add({ kind: "fault", round: plan.round, name: kind.name, moment, targets, boundMs });
    const beganAt = history.now();
    tell("begins", []);
    const ongoing = await kind.begin(stage, plan);
    await this.#pause(plan.durationMs);
    await this.#end(ongoing);
    const { targets } = ongoing;
    const endedAt = history.now();
    tell("ends", targets);
    const isServed = await service.servedAfter(endedAt, boundMs);
    tell(isServed ? "served" : "not served", targets);
    const isServedAtAll = isServed || (await service.servedAfter(endedAt, neverServedMs));
    const servedAt = history.now();
    const isWhole = await this.#becomesWhole();
    tell(isWhole ? "whole" : "not whole", targets);
    const concerned = targets.flatMap((name) => ledBefore.get(name) ?? []);
    const all = Array.from({ length: partitions }, (_, partition) => partition);
    const gapsMs = (targets.some((name) => ledBefore.has(name)) ? concerned : all).flatMap(
      (partition) => service.gapOf(partition, beganAt, servedAt) ?? [],
    );
    this.interruptions.push({ kind: kind.name, gapsMs });
    say(lineOf(plan, targets, gapsMs, { beganAt, endedAt, servedAt: isServed ? servedAt : null, wholeAt: isWhole ? history.now() : null }));
    await this.#pause(plan.calmMs);
    return isServedAtAll;
  }

  /** Whatever was being done is undone; brokers that ended by themselves are started again. */
  async #end(ongoing: Ongoing): Promise<void> {
    await ongoing.end();
    await Promise.all(this.#options.stage.cluster.brokers.filter(({ pid }) => pid === null).map(startAgain));
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

function lineOf(
  { round, kind, durationMs }: Plan,
  targets: readonly string[],
  gapsMs: readonly number[],
  { beganAt, endedAt, servedAt, wholeAt }: { beganAt: number; endedAt: number; servedAt: number | null; wholeAt: number | null },
): string {
  const seconds = (ms: number) => (ms / 1000).toFixed(1);
  const after = (moment: number | null) => (moment === null ? "NOT" : `${seconds(moment - endedAt)} s`);
  const worst = gapsMs.length === 0 ? "-" : `${seconds(Math.max(...gapsMs))} s`;
  return [
    `${seconds(beganAt).padStart(7)}  round ${String(round).padEnd(3)} ${kind.padEnd(26)} ${targets.join(" ").padEnd(20)}`,
    `for ${seconds(Math.max(durationMs, endedAt - beganAt))} s; longest silence ${worst}; after its end served ${after(servedAt)}, whole ${after(wholeAt)}`,
  ].join(" ");
}
