import { type Clock, sleep } from "../../protocol/base/clock.ts";
import { type BrokerId, partitionKey } from "../../protocol/base/ids.ts";
import { invariant } from "../../protocol/base/invariant.ts";
import type { Logger } from "../../protocol/base/logger.ts";
import { loop } from "../../protocol/base/loop.ts";
import type { Random } from "../../protocol/base/random.ts";
import type { ClusterView } from "../partition/cluster-contract.ts";
import type { FetchApplied, FollowedPartition } from "../partition/replication-contract.ts";
import { type PeerAnswer, type PeerRequester, PeerUnavailable } from "../runtime/peer-port.ts";
import { FollowerSession } from "./follower-session.ts";
import type { ReplicationConfig } from "./replication-config.ts";
import { type ReplicationQuota, unlimitedQuota } from "./replication-quota.ts";

export interface FetcherParts {
  readonly brokerId: BrokerId;
  readonly config: ReplicationConfig;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly cluster: ClusterView;
  readonly peers: PeerRequester;
  /** Of what this broker fetches, from all leaders. */
  readonly quota: ReplicationQuota;
}

/** Longest sleep with nothing to ask; being given partitions ends it earlier. */
const emptyRoundMs = 100;

/** After an election the follower often knows sooner than the leader; it asks again soon. */
const firstBackoffMs = 20;

/**
 * Fetches from one leader all partitions that it leads for us: one request at a time, the next as soon as the fetched records are written,
 * for it acknowledges them. A request names only what changed since the last one (`follower-session.ts`); so partitions in which nothing
 * happens cost nothing, on either side. Whatever goes wrong on the way ends the session, and the next request names everything again.
 */
export class Fetcher {
  readonly #leader: BrokerId;
  readonly #parts: FetcherParts;
  readonly #isReadHere: () => boolean;
  readonly #stopping = new AbortController();
  /** Aborts a request that waits at the leader, or a pause, when there is something else to fetch. */
  #interruption = new AbortController();
  readonly #entries = new Map<string, FetchEntry>();
  /** What they are to fetch next may not be what the session has. */
  readonly #changed = new Set<FetchEntry>();
  readonly #paused = new Set<FetchEntry>();
  /** Fetched, and counted against the quota. */
  readonly #throttled = new Set<FetchEntry>();
  #session: FollowerSession | null = null;
  #lastSessionId = 0;
  readonly #stopped: Promise<void>;

  constructor(leader: BrokerId, parts: FetcherParts, isReadHere: () => boolean) {
    this.#leader = leader;
    this.#parts = parts;
    this.#isReadHere = isReadHere;
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

  /** Nothing is followed here. */
  get isIdle(): boolean {
    return this.#entries.size === 0;
  }

  /** From now on. A partition is fetched at once, not after the long poll that may be in flight. `key`: of its topic's id. */
  follow(key: string, partition: FollowedPartition): void {
    const { leader } = partition;
    invariant(leader === this.#leader, "a fetcher follows one leader", () => ({ leader: this.#leader, other: leader }));
    const known = this.#entries.get(key);
    if (known?.partition === partition) return;
    if (known !== undefined) this.#drop(known);
    this.#entries.set(key, this.#newEntry(key, partition));
    this.#interruption.abort();
  }

  unfollow(key: string): void {
    const known = this.#entries.get(key);
    if (known === undefined) return;
    this.#entries.delete(key);
    this.#drop(known);
  }

  /** Resolves when nothing is fetched any more. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#interruption.abort();
    await this.#stopped;
  }

  #newEntry(key: string, partition: FollowedPartition): FetchEntry {
    const entry = new FetchEntry(key, partition);
    partition.onFetchChanged(() => this.#changed.add(entry));
    this.#changed.add(entry);
    return entry;
  }

  #drop(entry: FetchEntry): void {
    entry.partition.onFetchChanged(() => undefined);
    this.#changed.delete(entry);
    this.#paused.delete(entry);
    this.#throttled.delete(entry);
    this.#session?.leave(entry.key);
  }

  async #round(): Promise<void> {
    // An interrupt from here on belongs to this round. The partitions are read after this, so that none is missed.
    this.#interruption = new AbortController();
    if (this.#stopping.signal.aborted) return;
    const { signal } = this.#interruption;
    const { clock } = this.#parts;
    const nowMs = clock.monotonicMs();
    const nextReadyMs = this.#endPauses(nowMs);
    const session = this.#currentSession();
    this.#bringUpToDate(session);
    if (session.isEmpty) {
      // nothing to ask: pauses, or logs that are being written to, which takes a moment
      await sleep(clock, Math.min(Math.max(1, nextReadyMs - nowMs), emptyRoundMs), signal).catch(() => undefined);
      return;
    }
    try {
      const answer = await this.#ask(session, nextReadyMs - nowMs, signal);
      if (answer === null) return;
      await this.#apply(session, answer);
      // all of it is in the logs' own memory by now, or of no use
      answer.release?.();
    } catch (error) {
      this.#session = null;
      throw error;
    }
  }

  /** Answers when the next pause ends. */
  #endPauses(nowMs: number): number {
    let next = Number.POSITIVE_INFINITY;
    for (const entry of this.#paused) {
      if (entry.readyAtMs > nowMs) {
        next = Math.min(next, entry.readyAtMs);
        continue;
      }
      this.#paused.delete(entry);
      this.#changed.add(entry);
    }
    return next;
  }

  /**
   * A new one, in which nothing is named yet, when the last one has ended. Its number is above that of the last one, also of another
   * fetcher that this process had for that leader: it rises with time. Should it ever not be, the leader refuses it, and the next one is.
   */
  #currentSession(): FollowerSession {
    const { cluster, clock } = this.#parts;
    if (this.#session?.brokerEpoch === cluster.ownEpoch) return this.#session;
    this.#lastSessionId = Math.max(this.#lastSessionId + 1, Math.floor(clock.monotonicMs()));
    this.#session = new FollowerSession(this.#lastSessionId, cluster.ownEpoch);
    for (const entry of this.#entries.values()) this.#changed.add(entry);
    return this.#session;
  }

  /** From here until the request is made, in one turn: what it speaks for stands as the session has it. */
  #bringUpToDate(session: FollowerSession): void {
    for (const entry of this.#changed) {
      const fetch = this.#paused.has(entry) ? null : entry.partition.nextFetch();
      if (fetch === null) {
        // stays among the changed ones: its log is being written to, or it is over
        session.leave(entry.key);
        continue;
      }
      session.name(fetch);
      this.#changed.delete(entry);
      if (entry.partition.isThrottled) this.#throttled.add(entry);
      else this.#throttled.delete(entry);
    }
  }

  /** Where nothing is throttled, nobody has to wait for it. */
  get #quota(): ReplicationQuota {
    return this.#throttled.size > 0 ? this.#parts.quota : unlimitedQuota;
  }

  /** Null: interrupted. Rejects when the leader cannot be asked; the loop pauses then. */
  async #ask(session: FollowerSession, untilReadyMs: number, signal: AbortSignal): Promise<PeerAnswer<"replica-fetch"> | null> {
    const { brokerId, clock, config, cluster, peers } = this.#parts;
    const address = cluster.peerAddress(this.#leader);
    if (address === null) throw new PeerUnavailable(`the address of broker ${this.#leader} is not known`);
    if (session.brokerEpoch < 0) throw new PeerUnavailable("this broker is not registered");
    const { allowance } = this.#quota;
    // asked again when the quota is open: what the leader may send is said in the request
    const untilOpenMs = allowance === 0 ? Math.max(1, this.#quota.openAtMs - clock.monotonicMs()) : Number.POSITIVE_INFINITY;
    const maxWaitMs = Math.ceil(Math.min(config.fetchWaitMaxMs, untilReadyMs, untilOpenMs));
    const request = {
      brokerId,
      brokerEpoch: session.brokerEpoch,
      maxWaitMs,
      minBytes: config.fetchMinBytes,
      maxBytes: config.fetchResponseMaxBytes,
      ...(this.#isReadHere() ? { hasReaders: true } : {}),
      ...(Number.isFinite(allowance) ? { throttledBytesMax: Math.min(allowance, config.fetchResponseMaxBytes) } : {}),
      ...session.next(),
    };
    let isSent = false;
    const onSent = () => {
      isSent = true;
    };
    try {
      const timeoutMs = maxWaitMs + config.fetchTimeoutMs;
      return await peers.request(address, "replica-fetch", request, { timeoutMs, lane: "replication", signal, onSent });
    } catch (error) {
      if (!signal.aborted) throw error;
      // The leader may have taken the request, and the session continues. One that it cannot have heard of is missing in the sequence.
      if (!isSent) this.#session = null;
      return null;
    }
  }

  async #apply(session: FollowerSession, { body, payload }: PeerAnswer<"replica-fetch">): Promise<void> {
    if (body.error !== "NONE") throw new PeerUnavailable(`broker ${this.#leader} refused to be followed: ${body.error} ${body.message}`);
    const applying: Promise<void>[] = [];
    const answered = new Set<string>();
    let at = 0;
    for (const answer of body.partitions) {
      const endAt = at + answer.recordsBytes;
      if (answer.recordsBytes < 0 || endAt > payload.length) throw new PeerUnavailable("the answer's records do not fit its payload");
      const records = payload.subarray(at, endAt);
      at = endAt;
      const key = partitionKey(answer.topicId, answer.partition);
      const [asked, entry] = [session.asked(key), this.#entries.get(key)];
      // not asked for any more, or a second answer for the same partition
      if (asked === undefined || entry === undefined || answered.has(key)) continue;
      answered.add(key);
      if (entry.partition.isThrottled) this.#parts.quota.record(records.length);
      applying.push(entry.partition.applyFetched(asked, answer, records).then((how) => this.#applied(session, entry, how)));
    }
    await Promise.all(applying);
    session.heard();
  }

  #applied(session: FollowerSession, entry: FetchEntry, how: FetchApplied): void {
    const { clock, config, random } = this.#parts;
    entry.note(how, clock.monotonicMs(), config.fetchBackoffMs, random.next());
    // Race: (1) it is applied; (2) meanwhile the partition gets another role, and another entry or none.
    if (this.#entries.get(entry.key) !== entry) return;
    // what came with an answer that was not applied must come again
    if (how !== "applied") session.leave(entry.key);
    if (how === "back-off") this.#paused.add(entry);
    else if (how !== "ended") this.#changed.add(entry);
  }
}

/** A followed partition in a fetcher's list, with its own pause after failures. */
class FetchEntry {
  readonly key: string;
  readonly partition: FollowedPartition;
  #readyAtMs = Number.NEGATIVE_INFINITY;
  #pauseMs = firstBackoffMs;

  constructor(key: string, partition: FollowedPartition) {
    this.key = key;
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
