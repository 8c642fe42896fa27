import type { BrokerId } from "../../protocol/base/ids.ts";
import type { LeaderEvent } from "./leader-state.ts";
import type { FetchingReplica } from "./replication-contract.ts";

/**
 * The last fetch of each follower that counts again with each of its later requests, because they speak for all that it fetches. What that
 * proves is noted before something happens that it is compared with; a partition in which nothing happens is not visited. It never
 * acknowledges more than the fetch itself did: what we know of a follower may have been forgotten since, as its replica was taken away.
 */
export class RepeatedFetches {
  readonly #last = new Map<BrokerId, { readonly from: FetchingReplica; readonly fetchOffset: number }>();

  /** It was acknowledged. */
  note(from: FetchingReplica, fetchOffset: number): void {
    this.#last.set(from.brokerId, { from, fetchOffset });
  }

  forget(brokerId: BrokerId): void {
    this.#last.delete(brokerId);
  }

  clear(): void {
    this.#last.clear();
  }

  isOf(from: FetchingReplica): boolean {
    return this.#last.get(from.brokerId)?.from === from;
  }

  *events(): Iterable<LeaderEvent> {
    for (const { from, fetchOffset } of this.#last.values()) {
      const { brokerId, brokerEpoch, receivedAtMs } = from;
      yield { kind: "fetch-repeated", from: brokerId, brokerEpoch, fetchOffset, nowMs: receivedAtMs };
    }
  }
}
