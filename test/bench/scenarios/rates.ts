import type { LatencyReport } from "../load/latencies.ts";
import type { PacedOrder, PacedReport } from "../load/own-orders.ts";
import type { Figure, Outcome, Series } from "../outcome.ts";
import { MeteredLoad } from "../processes/metered-load.ts";
import type { Scenario, Stage } from "../scenario.ts";
import type { RunningSystem } from "../systems/system.ts";
import { withTopic } from "./topics.ts";

const rates = [1000, 10_000, 50_000];

/** Constant rates by our own client; a record's latency begins when it is due. */
export const rateScenarios: readonly Scenario[] = [false, true].flatMap((consumes) =>
  rates.map(
    (rate): Scenario => ({
      name: `${consumes ? "end-to-end" : "rate"}/${rate}`,
      what: `${rate.toLocaleString("en")} values of 1 KiB per second, acks=all, 3 copies${consumes ? ", read as they come" : ""}, by our client, whose latencies begin when a record is due`,
      cluster: { brokers: 3 },
      speaks: ["kafka"],
      extent: consumes && rate === 1000 ? "quick" : "standard",
      run: (stage) => withTopic(stage, { partitions: 6, copies: 3 }, (topic) => atRate(stage, topic, { rate, consumes })),
    }),
  ),
);

/** Figures of a paced run on the stage's cluster. */
export async function atRate(
  stage: Stage,
  topic: string,
  changes: Pick<PacedOrder, "rate" | "consumes"> & Partial<PacedOrder>,
): Promise<Outcome> {
  const metered = await MeteredLoad.on(stage);
  const fixed = { kind: "paced", topic, recordBytes: 1024, acks: -1, codec: "none", lingerMs: 0 } as const;
  const report = await stage.loads.paced({ ...fixed, bootstrap: stage.cluster.bootstrap, ...stage.pace, ...changes }, metered.moments);
  return {
    figures: [...latencyFigures(report), ...(await metered.figures(report.acknowledged))],
    series: latencySeries(report),
    notes: pacedNotes(report),
  };
}

/** 1,000 records per second to a topic, for what happens meanwhile. Resolves when their measuring begins; the report comes at its end. */
export async function pacedFrom(
  stage: Stage,
  { bootstrap }: RunningSystem,
  topic: string,
  measuredSeconds: number,
): Promise<{ readonly report: Promise<PacedReport> }> {
  const { promise: measuring, resolve } = Promise.withResolvers<void>();
  const fixed = { kind: "paced", recordBytes: 1024, acks: -1, codec: "none", lingerMs: 0, consumes: false, rate: 1000 } as const;
  const order = { ...fixed, bootstrap, topic, discardedSeconds: stage.pace.discardedSeconds, measuredSeconds };
  const report = stage.loads.paced(order, { measuring: resolve });
  report.catch(() => undefined); // the caller hears of it when it awaits the report
  await Promise.race([measuring, report]);
  return { report };
}

export function latencyFigures({ produce, endToEnd }: PacedReport): Figure[] {
  return [...(endToEnd === null ? [] : percentiles("end to end", endToEnd)), ...percentiles("acknowledged", produce)];
}

function percentiles(name: string, { p50, p99, p999, max }: LatencyReport): Figure[] {
  return Object.entries({ p50, p99, "p99.9": p999, max }).map(([which, value]) => ({
    name: `${name}, ${which}`,
    unit: "ms",
    value,
    better: "lower",
  }));
}

function latencySeries({ produce, endToEnd }: PacedReport): Series[] {
  const axes = { xLabel: "of so many records one takes longer", yLabel: "ms", axis: "log" as const };
  const one = (chart: string, { byRarity }: LatencyReport): Series => ({ chart, line: "", ...axes, points: byRarity });
  return [one("acknowledged after", produce), ...(endToEnd === null ? [] : [one("read after", endToEnd)])];
}

export function pacedNotes({ failed, repeated, behind }: PacedReport): string[] {
  return [
    ...(failed > 0 ? [`${failed} records failed`] : []),
    ...(repeated > 0 ? [`${repeated} records were sent more than once`] : []),
    ...(behind > 0 ? [`the rate could not be kept: ${behind} records were due and not sent when time was up`] : []),
  ];
}
