import type { Clock } from "../../protocol/base/clock.ts";
import type { BrokerId } from "../../protocol/base/ids.ts";

/** A consumer that waits for records comes back within this time; with a longer wait it may hear of some a little later. */
const rememberedMs = 10_000;

/** From which leaders partitions are followed that consumers read here: they wait for the high watermarks of these. */
export class FollowerReaders {
  readonly #clock: Clock;
  readonly #lastReadMs = new Map<BrokerId, number>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  note(leader: BrokerId): void {
    this.#lastReadMs.set(leader, this.#clock.monotonicMs());
  }

  areOf(leader: BrokerId): boolean {
    return this.#clock.monotonicMs() - (this.#lastReadMs.get(leader) ?? Number.NEGATIVE_INFINITY) < rememberedMs;
  }
}
