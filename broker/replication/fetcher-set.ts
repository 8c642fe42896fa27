import type { BrokerId } from "../../protocol/base/ids.ts";
import { invariant } from "../../protocol/base/invariant.ts";
import type { FollowedPartition, FollowingSource } from "../partition/replication-contract.ts";
import { Fetcher, type FetcherParts } from "./fetcher.ts";

/**
 * One fetcher per broker that leads something we follow. A leader's address is looked up at each request, so a leader that moves needs no
 * change here.
 */
export class FetcherSet {
  readonly #source: FollowingSource;
  readonly #parts: FetcherParts;
  readonly #fetchers = new Map<BrokerId, Fetcher>();
  readonly #stopping = new Set<Promise<void>>();
  #unsubscribe: () => void = () => undefined;

  constructor(source: FollowingSource, parts: FetcherParts) {
    this.#source = source;
    this.#parts = parts;
  }

  start(): void {
    this.#unsubscribe = this.#source.onFollowingChanged(() => this.#refresh());
    this.#refresh();
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

  #refresh(): void {
    const byLeader = Map.groupBy(this.#source.following(), ({ leader }: FollowedPartition) => leader);
    for (const leader of [...this.#fetchers.keys()]) if (!byLeader.has(leader)) this.#stopOne(leader);
    for (const [leader, partitions] of byLeader) {
      invariant(leader !== this.#parts.brokerId, "a broker does not follow itself", () => ({ leader }));
      const fetcher = this.#fetchers.get(leader) ?? new Fetcher(leader, this.#parts);
      this.#fetchers.set(leader, fetcher);
      fetcher.setPartitions(partitions);
    }
  }

  #stopOne(leader: BrokerId): void {
    const stopped = this.#fetchers.get(leader)?.stop() ?? Promise.resolve();
    this.#fetchers.delete(leader);
    const settled = stopped.finally(() => this.#stopping.delete(settled));
    this.#stopping.add(settled);
  }
}
