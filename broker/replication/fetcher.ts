import { type Clock, sleep } from "../../protocol/base/clock.ts";
import { type BrokerId, partitionKey } from "../../protocol/base/ids.ts";
import { invariant } from "../../protocol/base/invariant.ts";
import type { Logger } from "../../protocol/base/logger.ts";
import { loop } from "../../protocol/base/loop.ts";
import type { Random } from "../../protocol/base/random.ts";
import type { ReplicaFetchPartition } from "../../protocol/peer/messages.ts";
import type { ClusterView } from "../partition/cluster-contract.ts";
import type { FetchApplied, FollowedPartition } from "../partition/replication-contract.ts";
import { type PeerAnswer, type PeerRequester, PeerUnavailable } from "../runtime/peer-port.ts";
import type { ReplicationConfig } from "./replication-config.ts";

export interface FetcherParts {
  readonly brokerId: BrokerId;
  readonly config: ReplicationConfig;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly cluster: ClusterView;
  readonly peers: PeerRequester;
}

/** Longest sleep with nothing to ask; being given partitions ends it earlier. */
const emptyRoundMs = 100;

/** After an election the follower often knows sooner than the leader; it asks again soon. */
const firstBackoffMs = 20;

interface Asked {
  readonly entry: FetchEntry;
  readonly fetch: ReplicaFetchPartition;
}

/**
 * Fetches from one leader all partitions that it leads for us: one request at a time, the next as soon as the fetched records are written,
 * for it acknowledges them.
 */
export class Fetcher {
  readonly #leader: BrokerId;
  readonly #parts: FetcherParts;
  readonly #stopping = new AbortController();
  /** Aborts a request that waits at the leader, or a pause, when there is something else to fetch. */
  #interruption = new AbortController();
  #entries: readonly FetchEntry[] = [];
  #rounds = 0;
  readonly #stopped: Promise<void>;

  constructor(leader: BrokerId, parts: FetcherParts) {
    this.#leader = leader;
    this.#parts = parts;
    const { clock, random, config } = parts;
    this.#stopped = loop(`fetcher of broker ${leader}`, () => this.#round(), {
      clock,
      random,
      log: parts.logger,
      signal: this.#stopping.signal,
      pauseMinMs: firstBackoffMs,
      pauseMaxMs: config.fetchBackoffMs,
    });
  }

  /** What to follow from now on. A new partition is fetched at once, not after the long poll that may be in flight. */
  setPartitions(partitions: readonly FollowedPartition[]): void {
    const isOurs = partitions.every(({ leader }) => leader === this.#leader);
    invariant(isOurs, "a fetcher follows one leader", () => ({ leader: this.#leader, others: partitions.map(({ leader }) => leader) }));
    const known = new Map(this.#entries.map((entry) => [entry.partition, entry]));
    this.#entries = partitions.map((partition) => known.get(partition) ?? new FetchEntry(partition));
    if (partitions.some((partition) => !known.has(partition))) this.#interruption.abort();
  }

  /** Resolves when nothing is fetched any more. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#interruption.abort();
    await this.#stopped;
  }

  async #round(): Promise<void> {
    // An interrupt from here on belongs to this round. The partitions are read after this, so that none is missed.
    this.#interruption = new AbortController();
    if (this.#stopping.signal.aborted) return;
    const { signal } = this.#interruption;
    const { clock } = this.#parts;
    const nowMs = clock.monotonicMs();
    const asked = this.#due(nowMs);
    const nextReadyMs = this.#nextReadyMs(nowMs);
    if (asked.length === 0) {
      // nothing to ask: pauses, or logs that are being written to, which takes a moment
      await sleep(clock, Math.min(Math.max(1, nextReadyMs - nowMs), emptyRoundMs), signal).catch(() => undefined);
      return;
    }
    const answer = await this.#ask(asked, nextReadyMs - nowMs, signal);
    if (answer === null) return;
    await this.#apply(asked, answer);
    // all of it is in the logs' own memory by now, or of no use
    answer.release?.();
  }

  #due(nowMs: number): readonly Asked[] {
    const asked: Asked[] = [];
    // A full answer leaves out the last partitions: each in turn is first.
    for (const entry of rotated(this.#entries, this.#rounds++)) {
      if (entry.readyAtMs > nowMs) continue;
      const fetch = entry.partition.nextFetch();
      if (fetch !== null) asked.push({ entry, fetch });
    }
    return asked;
  }

  #nextReadyMs(nowMs: number): number {
    let next = Number.POSITIVE_INFINITY;
    for (const { readyAtMs } of this.#entries) if (readyAtMs > nowMs) next = Math.min(next, readyAtMs);
    return next;
  }

  /** Null: interrupted. Rejects when the leader cannot be asked; the loop pauses then. */
  async #ask(asked: readonly Asked[], untilReadyMs: number, signal: AbortSignal): Promise<PeerAnswer<"replica-fetch"> | null> {
    const { brokerId, config, cluster, peers } = this.#parts;
    const address = cluster.peerAddress(this.#leader);
    if (address === null) throw new PeerUnavailable(`the address of broker ${this.#leader} is not known`);
    if (cluster.ownEpoch < 0) throw new PeerUnavailable("this broker is not registered");
    const maxWaitMs = Math.ceil(Math.min(config.fetchWaitMaxMs, untilReadyMs));
    const request = {
      brokerId,
      brokerEpoch: cluster.ownEpoch,
      maxWaitMs,
      minBytes: config.fetchMinBytes,
      maxBytes: config.fetchResponseMaxBytes,
      partitions: asked.map(({ fetch }) => fetch),
    };
    try {
      const timeoutMs = maxWaitMs + config.fetchTimeoutMs;
      return await peers.request(address, "replica-fetch", request, { timeoutMs, lane: "replication", signal });
    } catch (error) {
      if (signal.aborted) return null;
      throw error;
    }
  }

  async #apply(asked: readonly Asked[], { body, payload }: PeerAnswer<"replica-fetch">): Promise<void> {
    if (body.error !== "NONE") throw new PeerUnavailable(`broker ${this.#leader} refused to be followed: ${body.error} ${body.message}`);
    const { clock, config, random } = this.#parts;
    const byKey = new Map(asked.map((one) => [partitionKey(one.fetch.topicId, one.fetch.partition), one]));
    const applying: Promise<void>[] = [];
    let at = 0;
    for (const answer of body.partitions) {
      const endAt = at + answer.recordsBytes;
      if (answer.recordsBytes < 0 || endAt > payload.length) throw new PeerUnavailable("the answer's records do not fit its payload");
      const records = payload.subarray(at, endAt);
      at = endAt;
      const key = partitionKey(answer.topicId, answer.partition);
      const one = byKey.get(key);
      byKey.delete(key); // a second answer for the same partition is ignored
      if (one === undefined) continue;
      const { entry, fetch } = one;
      const applied = entry.partition.applyFetched(fetch, answer, records);
      applying.push(applied.then((how) => entry.note(how, clock.monotonicMs(), config.fetchBackoffMs, random.next())));
    }
    await Promise.all(applying);
  }
}

/** A followed partition in a fetcher's list, with its own pause after failures. */
class FetchEntry {
  readonly partition: FollowedPartition;
  #readyAtMs = Number.NEGATIVE_INFINITY;
  #pauseMs = firstBackoffMs;

  constructor(partition: FollowedPartition) {
    this.partition = partition;
  }

  /** Monotonic; may be fetched from then on. */
  get readyAtMs(): number {
    return this.#readyAtMs;
  }

  /** `jitter` in [0, 1): so that many partitions refused together are not retried together. */
  note(applied: FetchApplied, nowMs: number, pauseMaxMs: number, jitter: number): void {
    if (applied !== "back-off") {
      this.#readyAtMs = Number.NEGATIVE_INFINITY;
      this.#pauseMs = firstBackoffMs;
      return;
    }
    const pauseMs = Math.min(this.#pauseMs, pauseMaxMs);
    this.#readyAtMs = nowMs + pauseMs * (0.5 + jitter / 2);
    this.#pauseMs = Math.min(this.#pauseMs * 2, pauseMaxMs);
  }
}

/** `list` from `start` on, then its beginning. */
function rotated<T>(list: readonly T[], start: number): T[] {
  const from = list.length === 0 ? 0 : start % list.length;
  return [...list.slice(from), ...list.slice(0, from)];
}
