import type { Clock } from "../../protocol/base/clock.ts";
import { type BrokerId, partitionKey } from "../../protocol/base/ids.ts";
import { invariant } from "../../protocol/base/invariant.ts";
import type { KafkaError } from "../../protocol/errors/kafka-errors.ts";
import type { ReplicaFetchedPartition, ReplicaFetchRequest, ReplicaFetchResponse } from "../../protocol/peer/messages.ts";
import type { ReplicaLeaders, ReplicaRead } from "../partition/replication-contract.ts";
import type { PeerHandler } from "../runtime/peer-port.ts";
import { isNews, isUrgent, LeaderSession, refusal, type SessionPartition } from "./leader-session.ts";
import type { ReplicationConfig } from "./replication-config.ts";
import type { ReplicationQuota } from "./replication-quota.ts";
import { isThrottled, ThrottledShare } from "./throttled-share.ts";

export interface ReplicaFetchHandlerParts {
  readonly leaders: ReplicaLeaders;
  /** The present registration of a broker; null: not known. */
  readonly registration: (id: BrokerId) => number | null;
  readonly clock: Clock;
  readonly config: ReplicationConfig;
  /** Of what this broker sends as a leader. */
  readonly quota: ReplicationQuota;
  /** Partitions of one session: what a request above it asks for is refused, and the session ends, with its memory. */
  readonly sessionPartitionsMax: number;
}

/** As many as one request may name. */
export const sessionPartitionsMaxDefault = 1_000_000;

/**
 * A new high watermark without records waits this long for records to travel with: a produce then costs each follower one round trip, not
 * two. Where consumers read from the follower, it does not wait.
 */
export const highWatermarkDelayMs = 50;

type Answered = { readonly body: ReplicaFetchResponse; readonly payload?: readonly Buffer[]; readonly release?: () => void };

/**
 * The leader's side of replication: takes the offsets as acknowledgements, then answers as soon as there are records (or a refusal) to
 * send, or when the follower's wait is over. Partitions with nothing new are left out.
 */
export function replicaFetchHandler(parts: ReplicaFetchHandlerParts): PeerHandler<"replica-fetch"> {
  const sessions = new LeaderSessions(parts);
  return async (request) => {
    const { clock, config } = parts;
    const session = sessions.take(request);
    if (!(session instanceof LeaderSession)) return { body: { error: session, message: "", partitions: [] } };
    const deadlineMs = clock.monotonicMs() + Math.min(Math.max(0, request.maxWaitMs), config.fetchWaitMaxMs);
    const fetch = new PendingFetch(parts, session, request);
    const delayMs = request.hasReaders === true ? 0 : highWatermarkDelayMs;
    let tellHighWatermarksAtMs = Number.POSITIVE_INFINITY;
    for (;;) {
      if (fetch.isSuperseded) return nothing;
      const nowMs = clock.monotonicMs();
      const mustAnswer = nowMs >= deadlineMs || nowMs >= tellHighWatermarksAtMs;
      const share = fetch.share();
      if (mustAnswer || session.mayBeEnough(share)) {
        const found = await fetch.read(share);
        if (!fetch.isSuperseded && (mustAnswer || found.isEnough)) return fetch.answer(found);
        releaseAll(found);
        if (fetch.isSuperseded) return nothing;
      }
      if (session.hasNews) tellHighWatermarksAtMs = Math.min(tellHighWatermarksAtMs, nowMs + delayMs);
      await fetch.moved(Math.min(deadlineMs, tellHighWatermarksAtMs, quotaOpensAtMs(parts)));
    }
  };
}

/** What waits for the quota is sent then; nothing waits while it is open. */
function quotaOpensAtMs({ quota }: ReplicaFetchHandlerParts): number {
  return quota.allowance === 0 ? quota.openAtMs : Number.POSITIVE_INFINITY;
}

function releaseAll({ releases }: Found): void {
  for (const release of releases) release();
}

/** Nobody waits for this answer any more; it tells nothing, so that nothing counts as told. */
const nothing: Answered = { body: { error: "NONE", message: "", partitions: [] } };

/**
 * One session for each broker that follows something here. A request is taken only when it is the next one of its follower's session, or
 * begins a newer one; so a late request, of an earlier session, link or life, changes nothing:
 * (1) request 5 of session 1 gets stuck in a link that breaks; (2) the follower begins session 2; (3) request 5 arrives after all: session
 * 1 is not there. (1) the first request of session 2 gets stuck; (2) the follower begins session 3; (3) the first of session 2 arrives: its
 * number is lower.
 */
class LeaderSessions {
  readonly #parts: ReplicaFetchHandlerParts;
  readonly #byFollower = new Map<BrokerId, LeaderSession>();

  constructor(parts: ReplicaFetchHandlerParts) {
    this.#parts = parts;
    parts.leaders.onWritten(({ topicId, partition }) => {
      const key = partitionKey(topicId, partition);
      for (const session of this.#byFollower.values()) session.moved(key);
    });
  }

  /** The session after the request was taken, or why it was not. */
  take(request: ReplicaFetchRequest): LeaderSession | KafkaError {
    const { brokerId, brokerEpoch } = request;
    const { registration, clock } = this.#parts;
    const registered = registration(brokerId);
    // One that the metadata does not name yet asks again in a moment: it learned whom to follow from the controller, which is about to tell
    // us of it.
    if (registered === null) return "BROKER_ID_NOT_REGISTERED";
    if (registered !== brokerEpoch) return "STALE_BROKER_EPOCH";
    const session = this.#sessionOf(request);
    if (!(session instanceof LeaderSession)) return session;
    if (session.size + request.partitions.length > this.#parts.sessionPartitionsMax) {
      session.end();
      this.#byFollower.delete(brokerId);
      return "POLICY_VIOLATION";
    }
    session.take(request, clock.monotonicMs());
    return session;
  }

  #sessionOf(request: ReplicaFetchRequest): LeaderSession | KafkaError {
    const { brokerId, brokerEpoch, session } = request;
    const known = this.#byFollower.get(brokerId);
    const following = known?.follows(request) ?? "another";
    if (known !== undefined && following === "next") return known;
    if (following === "not-next") return "INVALID_FETCH_SESSION_EPOCH";
    const isLate = known !== undefined && known.from.brokerEpoch === brokerEpoch && session.id < known.id;
    if (session.sequence > 0 || isLate) return "FETCH_SESSION_ID_NOT_FOUND";
    return this.#begin(request);
  }

  /** What the follower's last session spoke for ends with it. So do those of brokers that are gone: there are no more than brokers. */
  #begin(request: ReplicaFetchRequest): LeaderSession {
    for (const [brokerId, session] of this.#byFollower) {
      if (brokerId !== request.brokerId && this.#parts.registration(brokerId) === session.from.brokerEpoch) continue;
      this.#byFollower.delete(brokerId);
      session.end();
    }
    const begun = new LeaderSession(request, this.#parts.leaders);
    this.#byFollower.set(request.brokerId, begun);
    return begun;
  }
}

interface Found {
  readonly answers: ReadonlyMap<SessionPartition, ReplicaFetchedPartition>;
  readonly records: readonly Buffer[];
  /** To be called when the records are sent, or not sent. */
  readonly releases: readonly (() => void)[];
  readonly isEnough: boolean;
  /** Of them, what counts against the quota. */
  readonly throttledBytes: number;
}

type PendingFetchParts = Pick<ReplicaFetchHandlerParts, "leaders" | "clock" | "config" | "quota">;

/** A request that was taken, until it is answered. */
class PendingFetch {
  readonly #parts: PendingFetchParts;
  readonly #session: LeaderSession;
  readonly #sequence: number;
  readonly #minBytes: number;
  readonly #maxBytes: number;
  /** What the follower takes of partitions that are throttled on its side. */
  readonly #throttledBytesMax: number;

  constructor(parts: PendingFetchParts, session: LeaderSession, { minBytes, maxBytes, throttledBytesMax }: ReplicaFetchRequest) {
    this.#parts = parts;
    this.#session = session;
    this.#sequence = session.sequence;
    this.#minBytes = minBytes;
    this.#maxBytes = Math.min(Math.max(0, maxBytes), parts.config.fetchResponseMaxBytes);
    this.#throttledBytesMax = throttledBytesMax ?? Number.POSITIVE_INFINITY;
  }

  /** The follower has sent another request, or begun another session: it has given this one up. */
  get isSuperseded(): boolean {
    return this.#session.sequence !== this.#sequence;
  }

  /**
   * Resolves when a partition of the session moved, or at `untilMs`, or when this request is superseded; what moved was looked at again.
   * The cost of waiting grows with what moves, not with what is fetched.
   */
  async moved(untilMs: number): Promise<void> {
    const { clock } = this.#parts;
    // one that is superseded leaves what moved to its successor
    while (!this.isSuperseded && !this.#session.lookAgain() && clock.monotonicMs() < untilMs) {
      await new Promise<void>((resolve) => {
        const timer = clock.schedule(untilMs - clock.monotonicMs(), resolve);
        this.#session.onWake(() => {
          timer.cancel();
          resolve();
        });
      });
    }
  }

  /** What an answer may have now of what is throttled. */
  share(): ThrottledShare {
    return new ThrottledShare(this.#parts.quota.allowance, this.#throttledBytesMax);
  }

  /** As many records as may be sent, of one partition after the other. */
  async read(share: ThrottledShare): Promise<Found> {
    const { config } = this.#parts;
    const answers = new Map<SessionPartition, ReplicaFetchedPartition>();
    const records: Buffer[] = [];
    const releases: (() => void)[] = [];
    let bytes = 0;
    for (const partition of this.#session.active) {
      const { asked, position } = partition;
      if (position === null) continue;
      let { answer } = position;
      const { throttledBy } = position;
      const shareBytes = share.bytesFor(throttledBy);
      if (position.isReadable && shareBytes > 0 && (bytes === 0 || bytes < this.#maxBytes)) {
        const maxBytes = Math.min(config.fetchMaxBytes, this.#maxBytes - bytes, shareBytes);
        // the first partition returns at least one batch, or a batch above the limits would stop replication for good
        const isFirst = bytes === 0 || (isThrottled(throttledBy) && share.isUntouched);
        const read = await this.#read(partition, maxBytes, isFirst);
        if (read.release !== undefined) releases.push(read.release);
        if (this.isSuperseded) break;
        answer = read.answer;
        bytes += answer.recordsBytes;
        share.took(throttledBy, answer.recordsBytes);
        records.push(...read.records);
        invariant(partition.asked === asked, "what is asked changes with the next request only");
      }
      answers.set(partition, answer);
    }
    const isEnough = [...answers.values()].some(isUrgent) || (bytes > 0 && bytes >= this.#minBytes);
    return { answers, records, releases, isEnough, throttledBytes: share.sentBytes };
  }

  answer(found: Found): Answered {
    const { answers, records } = found;
    const partitions: ReplicaFetchedPartition[] = [];
    let bytesTold = 0;
    for (const [partition, answer] of answers) {
      if (!isUrgent(answer) && answer.recordsBytes === 0 && !isNews(answer, partition.told)) continue;
      partitions.push(answer);
      bytesTold += answer.recordsBytes;
      this.#session.noteSent(partition, answer);
      if (answer.recordsBytes > 0) this.#session.wasRead(partition);
    }
    const bytes = records.reduce((sum, chunk) => sum + chunk.length, 0);
    invariant(bytes === bytesTold, "a follower is told of all the records that come, and of no others", () => ({ bytes, bytesTold }));
    this.#parts.quota.record(found.throttledBytes);
    return { body: { error: "NONE", message: "", partitions }, payload: records, release: () => releaseAll(found) };
  }

  async #read({ asked }: SessionPartition, maxBytes: number, minOneBatch: boolean): Promise<ReplicaRead> {
    const leader = this.#parts.leaders.leaderOf(asked.topicId, asked.partition);
    if (typeof leader === "string") return { answer: refusal(asked, leader), records: [] };
    return leader.readForReplica(asked, maxBytes, minOneBatch);
  }
}
