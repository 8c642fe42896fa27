import { Gauge, openMetricsContentType, prometheusContentType, Registry, type RegistryContentType } from "prom-client";
import { type FamilyName, type FamilyRow, families } from "./families.ts";
import type { Pace } from "./pace.ts";
import type { Sample, Samples } from "./samples.ts";

/** Series written in one go. */
const sliceLength = 250;

export type Format = "prometheus" | "openmetrics";

export const contentTypes: Readonly<Record<Format, RegistryContentType>> = {
  prometheus: prometheusContentType,
  openmetrics: openMetricsContentType,
};

/**
 * A family in `prom-client`'s registry, of which a slice at a time is written: what was counted lies elsewhere, and tens of thousands of
 * series are not written in one turn of the event loop.
 */
class SlicedFamily extends Gauge {
  slice: readonly Sample[] = [];
  readonly #kind: FamilyRow["kind"];
  readonly #name: string;
  readonly #help: string;

  /** `name`: as the format writes it in the lines about the family. */
  constructor(name: string, { kind, help, labels }: FamilyRow, registry: Registry<RegistryContentType>) {
    super({ name, help, labelNames: [...labels], registers: [registry as Registry] });
    this.#kind = kind;
    this.#name = name;
    this.#help = help;
  }

  override get(): ReturnType<Gauge["get"]> {
    const written = { name: this.#name, help: this.#help, type: this.#kind, aggregator: "sum", values: this.slice };
    return Promise.resolve(written as unknown as Awaited<ReturnType<Gauge["get"]>>);
  }
}

/** Writes what was collected in one of the two formats. */
export class Exposition {
  readonly #registry = new Registry<RegistryContentType>();
  readonly #families: readonly { readonly name: FamilyName; readonly written: string; readonly metric: SlicedFamily }[];
  readonly #end: string;

  constructor(format: Format) {
    this.#registry.setContentType(contentTypes[format]);
    this.#end = format === "openmetrics" ? "# EOF\n" : "";
    this.#families = Object.entries(families).map(([name, row]) => {
      // OpenMetrics names a counter's family without the suffix of its series, which prom-client adds
      const written = format === "openmetrics" && row.kind === "counter" ? name.replace(/_total$/, "") : name;
      return { name: name as FamilyName, written, metric: new SlicedFamily(written, row, this.#registry) };
    });
  }

  /** Families without series are left out. */
  async write(samples: Samples, pace: Pace): Promise<readonly Buffer[]> {
    const chunks: Buffer[] = [];
    for (const { name, written, metric } of this.#families) {
      const all = samples.of(name);
      for (let from = 0; from < all.length; from += sliceLength) {
        metric.slice = all.slice(from, from + sliceLength);
        const text = await this.#registry.getSingleMetricAsString(written);
        chunks.push(Buffer.from(`${from === 0 ? text : withoutHeader(text)}\n`));
        if (pace.isOver) await pace.next();
      }
      metric.slice = [];
    }
    chunks.push(Buffer.from(this.#end));
    return chunks;
  }
}

/** The lines HELP and TYPE come once for a family. */
function withoutHeader(text: string): string {
  return text.slice(text.indexOf("\n", text.indexOf("\n") + 1) + 1);
}

/** As HTTP has it, but for quality values: whoever names OpenMetrics 1.0 gets it. */
export function formatFor(accept: string): Format {
  return /application\/openmetrics-text(?![^,]*version=0\.)/i.test(accept) ? "openmetrics" : "prometheus";
}
