import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import type { TestCluster } from "../support/cluster.ts";
import type { Traffic } from "./traffic.ts";

/** A second of the run. */
export interface Sample {
  /** Since the beginning. Seconds. */
  readonly at: number;
  readonly acknowledged: number;
  readonly read: number;
  readonly failed: number;
  /** Milliseconds; null: nothing was acknowledged. */
  readonly p50: number | null;
  readonly p99: number | null;
  readonly max: number | null;
  /** Of all copies, by broker, in the order of their ids; 0: it has none. */
  readonly bytes: readonly number[];
}

const everyMs = 1_000;

/** What clients saw and disks hold, once a second. */
export class Sampler {
  readonly #cluster: TestCluster;
  readonly #traffic: Traffic;
  readonly #startedMs = performance.now();
  readonly samples: Sample[] = [];
  #timer: NodeJS.Timeout | null = null;
  #under: Promise<void> = Promise.resolve();

  constructor(cluster: TestCluster, traffic: Traffic) {
    this.#cluster = cluster;
    this.#traffic = traffic;
  }

  get nowSeconds(): number {
    return (performance.now() - this.#startedMs) / 1_000;
  }

  start(): void {
    this.#timer = setInterval(() => {
      this.#under = this.#under.then(() => this.#sample());
    }, everyMs);
  }

  async stop(): Promise<void> {
    if (this.#timer !== null) clearInterval(this.#timer);
    await this.#under;
  }

  async #sample(): Promise<void> {
    const { latencies, read, failed } = this.#traffic.takeSeen();
    const at = this.nowSeconds;
    const quantile = (part: number) => latencies[Math.min(latencies.length - 1, Math.floor(latencies.length * part))] ?? null;
    const bytes = await Promise.all(this.#cluster.ids.map((id) => logBytes(this.#cluster.dataDirectory(id))));
    const [p50, p99, max] = [quantile(0.5), quantile(0.99), latencies.at(-1) ?? null];
    this.samples.push({ at, acknowledged: latencies.length, read, failed, p50, p99, max, bytes });
  }
}

/** Of all segments in the data directory; what is being deleted meanwhile does not count. */
async function logBytes(directory: string): Promise<number> {
  const names = await readdir(directory).catch(() => []);
  const sizes = await Promise.all(
    names.map(async (name) => {
      const files = (await readdir(join(directory, name)).catch(() => [])).filter((file) => file.endsWith(".log"));
      const stats = await Promise.all(files.map((file) => stat(join(directory, name, file)).catch(() => null)));
      return stats.reduce((sum, one) => sum + (one?.size ?? 0), 0);
    }),
  );
  return sizes.reduce((sum, size) => sum + size, 0);
}
