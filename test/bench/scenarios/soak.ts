import { fullSpeed } from "../load/full-speed.ts";
import { windowSeconds } from "../load/performance-lines.ts";
import type { Figure, Outcome } from "../outcome.ts";
import { MeteredLoad } from "../processes/metered-load.ts";
import type { Scenario, Stage } from "../scenario.ts";
import type { RunningSystem } from "../systems/system.ts";
import { withTopic } from "./topics.ts";

const mebibyte = 1024 * 1024;
/** Little stays on the disk, and old segments go all the time. */
const kept = { "segment.bytes": `${32 * mebibyte}`, "retention.bytes": `${128 * mebibyte}` };

/** Whether memory and speed stay as they are. */
export const soakScenario: Scenario = {
  name: "soak",
  what: "values of 1 KiB at full speed, acks=all, 3 copies, for --soak-minutes (30), old segments deleted meanwhile",
  cluster: { brokers: 3, settings: { "log.retention.check.interval.ms": 5000 } },
  speaks: ["kafka"],
  extent: "full",
  run: (stage) => withTopic(stage, { partitions: 6, copies: 3, settings: kept }, (topic) => soak(stage, topic)),
};

async function soak(stage: Stage, topic: string): Promise<Outcome> {
  const { cluster, pace } = stage;
  const windowsMax = (pace.soakMinutes * 60) / windowSeconds;
  let rates: readonly number[] = [];
  const isLast = (windows: readonly { readonly recordsPerSecond: number }[]) => {
    rates = windows.map(({ recordsPerSecond }) => recordsPerSecond);
    return rates.length >= windowsMax;
  };
  const metered = await MeteredLoad.on(stage);
  const seconds = { discardedSeconds: 0, measuredSeconds: pace.soakMinutes * 60 };
  const order = { cluster, topic, recordBytes: 1024, acks: "all", codec: "none", tuning: "tuned", isLast, discarded: 0, seconds } as const;
  const { records, figures, notes } = await fullSpeed(stage, order, metered.moments);
  const speed = {
    chart: "records per second over time",
    line: "",
    xLabel: "s",
    yLabel: "records/s",
    points: rates.map((rate, index) => [(index + 1) * windowSeconds, rate] as const),
  };
  return {
    figures: [...figures, ...(await metered.figures(records)), ...(await suspicions(cluster))],
    series: [...metered.series(), ...metered.seriesOfEach(), speed],
    notes,
  };
}

/** Nothing is gone in this scenario, so each of them is false. */
async function suspicions(cluster: RunningSystem): Promise<Figure[]> {
  const count = await cluster.suspicions?.();
  return count === undefined ? [] : [{ name: "brokers suspected falsely", unit: "times", value: count, better: "lower" }];
}
