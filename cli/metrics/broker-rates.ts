import type { BrokerSample, LoopSample } from "./broker-sample.ts";

/** What a broker did between two samples; null: not told, or it was started anew in between. */
export interface BrokerRates {
  /** 1: one core, all the time. */
  readonly cpu: number | null;
  readonly inBytesPerSecond: number | null;
  readonly outBytesPerSecond: number | null;
  readonly replicationInBytesPerSecond: number | null;
  readonly replicationOutBytesPerSecond: number | null;
  /** Share of the time in which the event loop worked. */
  readonly loopBusy: number | null;
  /** Of a hundred timers, ninety-nine were called no later than this. */
  readonly loopDelayMs: number | null;
}

export const noRates: BrokerRates = {
  cpu: null,
  inBytesPerSecond: null,
  outBytesPerSecond: null,
  replicationInBytesPerSecond: null,
  replicationOutBytesPerSecond: null,
  loopBusy: null,
  loopDelayMs: null,
};

export function brokerRates(before: BrokerSample | null, after: BrokerSample, seconds: number): BrokerRates {
  if (before === null || !isSameRun(before, after) || seconds <= 0) return noRates;
  const rate = (was: number | null, is: number | null) => (was === null || is === null || is < was ? null : (is - was) / seconds);
  return {
    cpu: rate(before.cpuSeconds, after.cpuSeconds),
    inBytesPerSecond: rate(total(before.receivedBytes), total(after.receivedBytes)),
    outBytesPerSecond: rate(total(before.sentBytes), total(after.sentBytes)),
    replicationInBytesPerSecond: rate(before.replicationReceivedBytes, after.replicationReceivedBytes),
    replicationOutBytesPerSecond: rate(before.replicationSentBytes, after.replicationSentBytes),
    ...loopRates(before.loop, after.loop),
  };
}

/** Its counters go on from where they were. */
export function isSameRun(before: BrokerSample, after: BrokerSample): boolean {
  return before.brokerId === after.brokerId && before.startedAtSeconds === after.startedAtSeconds;
}

function total(byTopic: ReadonlyMap<string, number>): number {
  return [...byTopic.values()].reduce((sum, bytes) => sum + bytes, 0);
}

const quantile = 0.99;

function loopRates(before: LoopSample | null, after: LoopSample | null): Pick<BrokerRates, "loopBusy" | "loopDelayMs"> {
  if (before === null || after === null) return { loopBusy: null, loopDelayMs: null };
  const active = after.activeSeconds - before.activeSeconds;
  const all = active + after.idleSeconds - before.idleSeconds;
  return { loopBusy: all > 0 ? Math.min(1, Math.max(0, active / all)) : null, loopDelayMs: delayMs(before, after) };
}

/** The bound of the bucket in which the quantile is; what is beyond the last bound is said to be that. */
function delayMs(before: LoopSample, after: LoopSample): number | null {
  const earlier = new Map(before.delays.map(({ boundSeconds, count }) => [boundSeconds, count]));
  const counts = after.delays.map(({ boundSeconds, count }) => ({ boundSeconds, count: count - (earlier.get(boundSeconds) ?? 0) }));
  const all = counts.at(-1)?.count ?? 0;
  if (all <= 0) return null;
  const at = counts.findIndex(({ count }) => count >= all * quantile);
  const bound = counts[at]?.boundSeconds ?? Number.POSITIVE_INFINITY;
  const known = Number.isFinite(bound) ? bound : (counts.at(-2)?.boundSeconds ?? 0);
  return known * 1000;
}
