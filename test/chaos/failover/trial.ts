import { monitorEventLoopDelay } from "node:perf_hooks";
import { setTimeout as sleep } from "node:timers/promises";
import type { BrokerNode } from "../stage/broker-node.ts";
import type { Cluster } from "../stage/cluster.ts";
import { longestGap, spread } from "./gaps.ts";
import type { TrialKind } from "./kinds.ts";
import type { Overseer } from "./overseer.ts";
import { OwnProbe } from "./own-probe.ts";
import type { Probe } from "./probe.ts";
import { RawProbe } from "./raw-probe.ts";

export interface TrialResult {
  readonly victim: number;
  /** Of each partition that the fault concerns: the longest wait for an acknowledgement. Milliseconds. */
  readonly gaps: readonly number[];
  /** Of some that it should not concern. */
  readonly otherGaps: readonly number[];
  /** From the end of the fault until all are in sync again, of all these partitions. */
  readonly backGaps: readonly number[];
  /** Partitions that were not acknowledged steadily before the trial was given up. */
  readonly neverAgain: number;
  readonly failures: readonly string[];
  /** The longest that we ourselves were late: what was measured may be longer than it was by this. Milliseconds. */
  readonly ownDelayMs: number;
}

export interface TrialOptions {
  readonly cluster: Cluster;
  readonly overseer: Overseer;
  readonly kind: TrialKind;
  readonly probes: number;
  readonly everyMs: number;
  /** Without a client between us and the brokers. */
  readonly isRaw: boolean;
  readonly signal: AbortSignal;
}

const others = 3;
const warmUpMs = 1_500;
const steadyMs = 1_500;
/** Longer pauses between acknowledgements are not what an undisturbed cluster shows. */
const pauseMaxMs = 250;
const settleMaxMs = 60_000;
const observedMaxMs = 120_000;
/** The fault itself has this long to have an effect. */
const observedMinMs = 2_500;

/** Everything is well; one fault; until every partition that it concerns is acknowledged steadily again; and back. */
export async function runTrial(options: TrialOptions): Promise<TrialResult> {
  const { cluster, overseer, kind, everyMs, signal } = options;
  await overseer.allInSync();
  await overseer.electPreferred();
  const victim = await chooseVictim(options);
  const scene = { cluster, overseer, victim };
  const chosen = await choosePartitions(options, victim);
  await kind.prepare?.(scene);
  const delay = monitorEventLoopDelay({ resolution: 5 });
  const partitions = [...chosen.concerned, ...chosen.others];
  const probe = new (options.isRaw ? RawProbe : OwnProbe)({ bootstrap: cluster.bootstrap, topic: overseer.topic, partitions, everyMs });
  const { acknowledged } = probe;
  try {
    await steady(probe, warmUpMs, settleMaxMs, signal);
    delay.enable();
    const faultMs = performance.now();
    await kind.begin(scene);
    await sleep(Math.max(0, observedMinMs - (performance.now() - faultMs)));
    await steady(probe, steadyMs, observedMaxMs - (performance.now() - faultMs), signal);
    const observedMs = performance.now();
    const back = chosen.concerned.filter((partition) => acknowledged.isSteady(partition, steadyMs, pauseMaxMs));
    await kind.end(scene);
    await overseer.allInSync();
    const backMs = performance.now();
    const gapsOf = (partitions: readonly number[], fromMs: number, toMs: number) =>
      partitions.flatMap((partition) => longestGap(acknowledged.of(partition), fromMs, toMs) ?? []);
    return {
      victim: victim.id,
      gaps: gapsOf(back, faultMs, observedMs),
      otherGaps: gapsOf(chosen.others, faultMs, observedMs),
      backGaps: gapsOf(partitions, observedMs, backMs),
      neverAgain: chosen.concerned.length - back.length,
      failures: probe.failures,
      ownDelayMs: delay.max / 1e6,
    };
  } finally {
    delay.disable();
    await probe.stop();
  }
}

/** False when that did not come about in time. */
async function steady({ acknowledged }: Probe, forMs: number, withinMs: number, signal: AbortSignal): Promise<boolean> {
  signal.throwIfAborted();
  const pause = async (ms: number) => {
    await sleep(ms);
    signal.throwIfAborted();
  };
  return acknowledged.becomesSteady({ forMs, pauseMaxMs, withinMs, pause });
}

async function chooseVictim({ cluster, overseer, kind }: TrialOptions): Promise<BrokerNode> {
  const controller = await overseer.controller();
  if (kind.victim === "controller") return cluster.broker(controller);
  const candidates = cluster.brokers.filter(({ id }) => id !== controller);
  const led = await Promise.all(candidates.map(async (broker) => ({ broker, count: (await overseer.ledBy(broker.id)).length })));
  const [most] = led.toSorted((a, b) => b.count - a.count);
  if (most === undefined || most.count === 0) throw new Error("no broker but the controller leads anything");
  return most.broker;
}

async function choosePartitions({ overseer, kind, probes }: TrialOptions, victim: BrokerNode) {
  const all = (await overseer.partitions()).map(({ partition }) => partition);
  const led = new Set(await overseer.ledBy(victim.id));
  if (kind.concernsAll) return { concerned: spread(all, probes), others: [] };
  const apart = all.filter((partition) => !led.has(partition));
  return {
    concerned: spread(
      [...led].sort((a, b) => a - b),
      probes,
    ),
    others: spread(apart, others),
  };
}
