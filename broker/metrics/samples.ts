import type { BucketTally } from "./bucket-tally.ts";
import type { FamilyName, NamesOf } from "./families.ts";

export type Labels = Readonly<Record<string, string>>;

/** One series with its value, as `prom-client` writes it. */
export interface Sample {
  readonly labels: Labels;
  readonly value: number;
  /** Of a series in a histogram; else the family's. */
  readonly metricName?: string;
}

export interface SampleBounds {
  readonly samplesMax: number;
  /** Of the text, about. */
  readonly bytesMax: number;
}

const boundsByDefault: SampleBounds = { samplesMax: 200_000, bytesMax: 32 * 1024 * 1024 };
/** Of a line: the name of the metric and its value. */
const lineBytes = 60;
/** A topic's name has 249 characters at most; a group's may have thousands. */
const labelLengthMax = 255;

const none: Labels = {};

/** What a scrape has collected. Bounded: series beyond are left out, and counted. */
export class Samples {
  readonly #bounds: SampleBounds;
  readonly #byFamily = new Map<FamilyName, Sample[]>();
  #count = 0;
  #bytes = 0;
  #dropped = 0;

  constructor(bounds: SampleBounds = boundsByDefault) {
    this.#bounds = bounds;
  }

  get dropped(): number {
    return this.#dropped;
  }

  of(family: FamilyName): readonly Sample[] {
    return this.#byFamily.get(family) ?? [];
  }

  /** Null: not known, so not told. */
  add(family: NamesOf<"gauge" | "counter">, value: number | null, labels: Labels = none): void {
    if (value !== null) this.#put(family, [{ labels, value }]);
  }

  /** A truth as Prometheus has it. */
  flag(family: NamesOf<"gauge">, isSo: boolean, labels: Labels = none): void {
    this.add(family, isSo ? 1 : 0, labels);
  }

  histogram(family: NamesOf<"histogram">, tally: BucketTally, labels: Labels = none): void {
    const cumulative = tally.cumulative();
    const bucket = (le: string, value: number) => ({ labels: { ...labels, le }, value, metricName: `${family}_bucket` });
    this.#put(family, [
      ...tally.bounds.map((bound, at) => bucket(boundText(bound), cumulative[at] as number)),
      bucket("+Inf", tally.count),
      { labels, value: tally.sumSeconds, metricName: `${family}_sum` },
      { labels, value: tally.count, metricName: `${family}_count` },
    ]);
  }

  /** What a collector has left out itself. */
  drop(): void {
    this.#dropped++;
  }

  #put(family: FamilyName, samples: readonly Sample[]): void {
    const isTooLong = samples.some(({ labels }) => Object.values(labels).some(({ length }) => length > labelLengthMax));
    const bytes = samples.reduce((sum, { labels }) => sum + textBytes(labels), 0);
    const { samplesMax, bytesMax } = this.#bounds;
    if (isTooLong || this.#count + samples.length > samplesMax || this.#bytes + bytes > bytesMax) {
      this.#dropped += samples.length;
      return;
    }
    this.#count += samples.length;
    this.#bytes += bytes;
    const known = this.#byFamily.get(family);
    if (known === undefined) this.#byFamily.set(family, [...samples]);
    else known.push(...samples);
  }
}

function textBytes(labels: Labels): number {
  let bytes = lineBytes;
  for (const name in labels) bytes += name.length + (labels[name] ?? "").length + 4;
  return bytes;
}

/** OpenMetrics wants a point in it. */
function boundText(bound: number): string {
  return Number.isInteger(bound) ? bound.toFixed(1) : String(bound);
}
