import type { Clock } from "../../protocol/base/clock.ts";
import type { TopicPartition } from "../../protocol/base/ids.ts";
import type { MetadataCache } from "./metadata-cache.ts";

/** A partition, and the leader epoch under which it was last asked for something. */
export interface SentPartition extends TopicPartition {
  readonly sentToEpoch: number;
  /** When what was asked for is given up. Monotonic; absent: it is not known. */
  readonly deadlineMs?: number;
}

interface Sought {
  readonly isOver: () => boolean;
  /** Monotonic. */
  readonly untilMs: number;
}

/**
 * While the leaders of some partitions are silent or gone, the metadata is requested again and again, from one broker after the other, at
 * the pace of `RefreshPace`: one request at a time for the whole client, however many partitions there are. Who waits hears of new leaders
 * as of any change of the metadata.
 */
export class LeaderSearch {
  readonly #metadata: MetadataCache;
  readonly #clock: Clock;
  readonly #sought = new Set<Sought>();
  #isRunning = false;

  constructor(metadata: MetadataCache, clock: Clock) {
    this.#metadata = metadata;
    this.#clock = clock;
  }

  /** Until the metadata names a leader of a higher epoch, or `untilMs` (monotonic), when the old one will have been tried again. */
  successorOf({ topic, partition, sentToEpoch }: SentPartition, untilMs: number): void {
    this.until(() => (this.#metadata.snapshot.topics.get(topic)?.partitions[partition]?.leaderEpoch ?? -1) > sentToEpoch, untilMs);
  }

  until(isOver: () => boolean, untilMs = Number.POSITIVE_INFINITY): void {
    this.#sought.add({ isOver, untilMs });
    if (!this.#isRunning) void this.#run();
  }

  async #run(): Promise<void> {
    this.#isRunning = true;
    while (this.#isNeeded()) await this.#metadata.refresh(undefined, { inTurns: true }).catch(() => undefined);
    this.#isRunning = false;
  }

  #isNeeded(): boolean {
    const nowMs = this.#clock.monotonicMs();
    for (const one of this.#sought) if (nowMs >= one.untilMs || one.isOver()) this.#sought.delete(one);
    if (this.#metadata.isClosed) this.#sought.clear();
    return this.#sought.size > 0;
  }
}
