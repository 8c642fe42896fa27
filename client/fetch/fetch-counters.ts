import type { BrokerId } from "../../protocol/base/ids.ts";
import type { BatchInfo } from "../../protocol/records/batch-header.ts";
import type { Cluster } from "../metadata/cluster.ts";

/** What a consumer counts of its fetches. See `ConsumerMetrics` for what the numbers mean. */
export class FetchCounters {
  recordsFetched = 0;
  bytesFetched = 0;
  fetches = 0;
  fetchesFailed = 0;
  fetchTimeMs = 0;
}

/** Counts fetches and what they bring, and tells of each. */
export class FetchTally {
  readonly counters = new FetchCounters();
  readonly #cluster: Cluster;
  /** What the answer that is being taken in has brought so far: it is taken in within one turn. */
  #bytes = 0;
  #records = 0;

  constructor(cluster: Cluster) {
    this.#cluster = cluster;
  }

  /** Returns what is to be called once the answer was taken in, or why there is none. */
  begin(broker: BrokerId, partitions: number): (error: Error | null) => void {
    const { clock } = this.#cluster.runtime;
    const beganAtMs = clock.monotonicMs();
    return (error) => {
      const { counters } = this;
      const { events } = this.#cluster;
      const tookMs = clock.monotonicMs() - beganAtMs;
      if (error === null) {
        counters.fetches++;
        counters.fetchTimeMs += tookMs;
      } else counters.fetchesFailed++;
      const [bytes, records] = [this.#bytes, this.#records];
      this.#bytes = 0;
      this.#records = 0;
      if (events.has("fetch")) events.emit("fetch", { broker, partitions, bytes, records, tookMs, error });
    };
  }

  /** Of one partition. `fresh`: the batches in it that are new. */
  brought(bytes: number, fresh: readonly BatchInfo[]): void {
    let records = 0;
    for (const { recordsCount } of fresh) records += recordsCount;
    this.#bytes += bytes;
    this.#records += records;
    this.counters.bytesFetched += bytes;
    this.counters.recordsFetched += records;
  }
}
