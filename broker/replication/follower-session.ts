import { partitionKey } from "../../protocol/base/ids.ts";
import type { ReplicaFetchPartition, ReplicaFetchRequest, ReplicaName } from "../../protocol/peer/messages.ts";

/** The part of a request that is about its session. */
export type SessionRequest = Pick<ReplicaFetchRequest, "session" | "forgotten" | "partitions">;

/**
 * A follower's part of a fetch session: what the leader takes it to fetch, and what the next request must say so that this is true. Each
 * request acknowledges again all that was named and not left out since; so whatever stands differently, or cannot be fetched now, must be
 * named anew or left out before the next one is made.
 */
export class FollowerSession {
  readonly #id: number;
  /** The registration that it is bound to. */
  readonly brokerEpoch: number;
  #sequence = 0;
  #isLastHeard = true;
  /** All that the next request speaks for, by partition. */
  readonly #named = new Map<string, ReplicaFetchPartition>();
  /** Not said yet. */
  #news = new Map<string, ReplicaFetchPartition>();
  /** Left out, and that is not said yet. */
  #left = new Map<string, ReplicaName>();

  constructor(id: number, brokerEpoch: number) {
    this.#id = id;
    this.brokerEpoch = brokerEpoch;
  }

  /** Nothing is fetched. */
  get isEmpty(): boolean {
    return this.#named.size === 0;
  }

  /** What the last request asked of the partition; undefined when that no longer counts. */
  asked(key: string): ReplicaFetchPartition | undefined {
    return this.#named.get(key);
  }

  /** The partition is to be fetched from there. */
  name(fetch: ReplicaFetchPartition): void {
    const key = partitionKey(fetch.topicId, fetch.partition);
    const known = this.#named.get(key);
    if (known !== undefined && isSame(known, fetch)) return;
    this.#named.set(key, fetch);
    this.#news.set(key, fetch);
  }

  /** The partition is not to be fetched for now. Named again later, it begins anew: what the leader told of it is told again. */
  leave(key: string): void {
    const known = this.#named.get(key);
    if (known === undefined) return;
    this.#named.delete(key);
    this.#news.delete(key);
    this.#left.set(key, { topicId: known.topicId, partition: known.partition });
  }

  /** The next request of the session; it must be sent, or the session is over. */
  next(): SessionRequest {
    const session = { id: this.#id, sequence: this.#sequence, isLastHeard: this.#isLastHeard };
    const request = { session, forgotten: [...this.#left.values()], partitions: [...this.#news.values()] };
    this.#sequence++;
    this.#isLastHeard = false;
    this.#news = new Map();
    this.#left = new Map();
    return request;
  }

  /** The answer to the last request was applied. */
  heard(): void {
    this.#isLastHeard = true;
  }
}

function isSame(a: ReplicaFetchPartition, b: ReplicaFetchPartition): boolean {
  return (
    a.fetchOffset === b.fetchOffset &&
    a.lastFetchedEpoch === b.lastFetchedEpoch &&
    a.leaderEpoch === b.leaderEpoch &&
    a.logStartOffset === b.logStartOffset
  );
}
