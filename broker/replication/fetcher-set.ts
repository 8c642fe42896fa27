import { type BrokerId, partitionKey } from "../../protocol/base/ids.ts";
import { invariant } from "../../protocol/base/invariant.ts";
import type { FollowedPartition, FollowingChange, FollowingSource } from "../partition/replication-contract.ts";
import { Fetcher, type FetcherParts } from "./fetcher.ts";

/**
 * One fetcher per broker that leads something we follow. A leader's address is looked up at each request, so a leader that moves needs no
 * change here.
 */
export class FetcherSet {
  readonly #source: FollowingSource;
  readonly #parts: FetcherParts;
  readonly #fetchers = new Map<BrokerId, Fetcher>();
  /** Of whom a partition is fetched. */
  readonly #leaderOf = new Map<string, BrokerId>();
  readonly #stopping = new Set<Promise<void>>();
  #unsubscribe: () => void = () => undefined;

  constructor(source: FollowingSource, parts: FetcherParts) {
    this.#source = source;
    this.#parts = parts;
  }

  start(): void {
    this.#unsubscribe = this.#source.onFollowingChanged((changes) => this.#change(changes));
    this.#change(this.#source.following().map((followed) => ({ topicId: followed.topicId, partition: followed.partition, followed })));
  }

  /** Resolves when nothing is fetched any more. */
  async stop(): Promise<void> {
    this.#unsubscribe();
    for (const leader of [...this.#fetchers.keys()]) this.#stopOne(leader);
    await Promise.all(this.#stopping);
  }

  get leaders(): readonly BrokerId[] {
    return [...this.#fetchers.keys()];
  }

  #change(changes: readonly FollowingChange[]): void {
    for (const { topicId, partition, followed } of changes) {
      const key = partitionKey(topicId, partition);
      const before = this.#leaderOf.get(key);
      if (before !== undefined && before !== followed?.leader) this.#fetchers.get(before)?.unfollow(key);
      if (followed === null) this.#leaderOf.delete(key);
      else this.#follow(key, followed);
    }
    for (const [leader, { isIdle }] of this.#fetchers) if (isIdle) this.#stopOne(leader);
  }

  #follow(key: string, followed: FollowedPartition): void {
    const { leader } = followed;
    invariant(leader !== this.#parts.brokerId, "a broker does not follow itself", () => ({ leader }));
    const fetcher = this.#fetchers.get(leader) ?? new Fetcher(leader, this.#parts, () => this.#source.isReadHere(leader));
    this.#fetchers.set(leader, fetcher);
    this.#leaderOf.set(key, leader);
    fetcher.follow(key, followed);
  }

  #stopOne(leader: BrokerId): void {
    const stopped = this.#fetchers.get(leader)?.stop() ?? Promise.resolve();
    this.#fetchers.delete(leader);
    const settled = stopped.finally(() => this.#stopping.delete(settled));
    this.#stopping.add(settled);
  }
}
