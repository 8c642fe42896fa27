import type { Moments } from "../load/loads.ts";
import type { Figure, Point, Series } from "../outcome.ts";
import type { Stage } from "../scenario.ts";
import type { RunningSystem } from "../systems/system.ts";
import { allBrokers, type Meter, type UsageOfAll } from "./meter.ts";

const mebibyte = 1024 * 1024;
const pointsMax = 400;

/** Meters the brokers while a load says that what it does counts. */
export class MeteredLoad {
  readonly #meter: Meter;
  #begun: Promise<void> = Promise.resolve();
  #usage: Promise<UsageOfAll> | null = null;

  private constructor(meter: Meter) {
    this.#meter = meter;
  }

  static async on(stage: Stage, cluster?: RunningSystem): Promise<MeteredLoad> {
    return new MeteredLoad(await stage.meter(cluster));
  }

  readonly moments: Moments = {
    measuring: () => {
      this.#begun = this.#meter.restart();
    },
    measured: () => {
      this.#usage = this.#begun.then(() => this.#meter.usage());
    },
  };

  /** In all and per record. None where the brokers are on other machines. */
  async figures(records: number): Promise<Figure[]> {
    if (this.#meter.isEmpty || this.#usage === null) return [];
    const { brokers, all } = await this.#usage;
    const perMillion = (count: number) => (count / records) * 1e6;
    return [
      { name: "brokers' processor time", unit: "s per million records", value: perMillion(brokers.cpuSeconds), better: "lower" },
      { name: "cores used, coordinator too", unit: "cores", value: all.cpuSeconds / all.seconds, better: "lower" },
      { name: "context switches", unit: "per 1,000 records", value: perMillion(brokers.contextSwitches) / 1000, better: "lower" },
      { name: "written to disk", unit: "B per record", value: brokers.writtenBytes / records, better: "lower" },
      { name: "brokers' peak memory", unit: "MiB", value: brokers.peakBytes / mebibyte, better: "lower" },
    ];
  }

  /** Memory over time, of all brokers together. */
  series(): Series[] {
    const points = this.#meter.memory.get(allBrokers);
    return points === undefined ? [] : [memorySeries("brokers' memory", "", points)];
  }

  /** The same of each process. */
  seriesOfEach(): Series[] {
    const each = [...this.#meter.memory].filter(([name]) => name !== allBrokers);
    return each.map(([name, points]) => ({ ...memorySeries("memory of each", name, points), isApart: true }));
  }
}

function memorySeries(chart: string, line: string, points: readonly Point[]): Series {
  return { chart, line, xLabel: "s", yLabel: "MiB", points: thinned(points) };
}

function thinned(points: readonly Point[]): readonly Point[] {
  const step = Math.ceil(points.length / pointsMax);
  return points.filter((_, index) => index % step === 0);
}
