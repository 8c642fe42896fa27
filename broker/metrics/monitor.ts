import type { Clock } from "../../protocol/base/clock.ts";
import { InvariantViolation } from "../../protocol/base/invariant.ts";
import type { Logger } from "../../protocol/base/logger.ts";
import type { HttpAnswer, HttpGet } from "../runtime/monitoring-host.ts";
import { contentTypes, Exposition, type Format, formatFor } from "./exposition.ts";
import { Pace } from "./pace.ts";
import { findMissing, type Missing, type ReadinessSources, starting } from "./readiness.ts";
import { Samples } from "./samples.ts";

export type Collector = (into: Samples, pace: Pace) => Promise<void> | void;

/** What can be asked of a broker once it is composed; before, it starts. */
export interface MonitorSources {
  readonly readiness: ReadinessSources;
  readonly collectors: readonly Collector[];
}

/** Whoever asks again within this time gets the same answer: however many ask, the work is done once a second. Milliseconds. */
const answerLastsMs = 1_000;

export interface MonitorParts {
  readonly clock: Clock;
  readonly log: Logger;
  /** Those of the process: there is something to say of it from the beginning. */
  readonly collectors: readonly Collector[];
}

/**
 * Answers `/metrics`, `/healthz` and `/readyz`. One scrape at a time: who asks while one is made gets its result, in either format.
 */
export class Monitor {
  readonly #parts: MonitorParts;
  readonly #expositions: Readonly<Record<Format, Exposition>> = {
    prometheus: new Exposition("prometheus"),
    openmetrics: new Exposition("openmetrics"),
  };
  /** What is being made, or was made a moment ago. */
  readonly #made = new Map<string, Promise<unknown>>();
  #sources: MonitorSources | null = null;

  constructor(parts: MonitorParts) {
    this.#parts = parts;
  }

  composed(sources: MonitorSources): void {
    this.#sources = sources;
    this.#made.clear();
  }

  /** Rejects with a bug only. */
  async answer({ path, accept }: HttpGet): Promise<HttpAnswer> {
    try {
      switch (path) {
        case "/metrics":
          return await this.#metrics(formatFor(accept));
        case "/healthz":
          return json(200, { status: "alive" });
        case "/readyz": {
          const missing = await this.#missing();
          return json(missing.length === 0 ? 200 : 503, { ready: missing.length === 0, missing });
        }
        default:
          return { status: 404, contentType: plainText, body: notFound };
      }
    } catch (error) {
      if (error instanceof InvariantViolation) throw error;
      this.#parts.log.error({ err: error, path }, "what was asked of this broker could not be found out");
      return { status: 503, contentType: plainText, body: notKnown };
    }
  }

  async #metrics(format: Format): Promise<HttpAnswer> {
    const body = await this.#once(format, async () => {
      const samples = await this.#once("samples", () => this.#collect());
      // once, and not for each who asks: all are sent the same bytes
      return Buffer.concat(await this.#expositions[format].write(samples, new Pace(this.#parts.clock)));
    });
    return { status: 200, contentType: contentTypes[format], body };
  }

  #missing(): Promise<readonly Missing[]> {
    const sources = this.#sources;
    if (sources === null) return Promise.resolve(starting);
    return this.#once("missing", () => findMissing(sources.readiness, new Pace(this.#parts.clock)));
  }

  async #collect(): Promise<Samples> {
    const { clock, collectors } = this.#parts;
    const startMs = clock.monotonicMs();
    const pace = new Pace(clock);
    const samples = new Samples();
    samples.flag("ottla_ready", (await this.#missing()).length === 0);
    for (const collect of [...collectors, ...(this.#sources?.collectors ?? [])]) await collect(samples, pace);
    samples.add("ottla_metrics_dropped_series", samples.dropped);
    samples.add("ottla_metrics_collection_seconds", (clock.monotonicMs() - startMs) / 1000);
    return samples;
  }

  #once<T>(key: string, make: () => Promise<T>): Promise<T> {
    const known = this.#made.get(key) as Promise<T> | undefined;
    if (known !== undefined) return known;
    const made = make();
    this.#made.set(key, made);
    const forget = () => {
      if (this.#made.get(key) === made) this.#made.delete(key);
    };
    made.then(() => this.#parts.clock.schedule(answerLastsMs, forget), forget);
    return made;
  }
}

const plainText = "text/plain; charset=utf-8";
const notFound = Buffer.from("/metrics, /healthz and /readyz are served here\n");
const notKnown = Buffer.from("this could not be found out now; the broker's log says why\n");

function json(status: 200 | 503, value: object): HttpAnswer {
  return { status, contentType: "application/json; charset=utf-8", body: Buffer.from(`${JSON.stringify(value)}\n`) };
}
