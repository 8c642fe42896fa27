import { partitionKey } from "../../protocol/base/ids.ts";
import type { KafkaErrorCode } from "../../protocol/errors/kafka-errors.ts";
import type { ReplicaFetchedPartition, ReplicaFetchPartition, ReplicaFetchRequest, ReplicaName } from "../../protocol/peer/messages.ts";
import { type ReplicaLeader, type ReplicaLeaders, type ReplicaPosition, unthrottled } from "../partition/replication-contract.ts";
import { isThrottled, type ThrottledShare } from "./throttled-share.ts";

/** What a follower needs to learn once: both are in every answer. */
type Told = Pick<ReplicaFetchedPartition, "highWatermark" | "logStartOffset">;

/** One partition of a session. */
export interface SessionPartition {
  readonly key: string;
  /** As named last: the follower's log stands there, says every request since. */
  asked: ReplicaFetchPartition;
  /** What the follower is known to have learned; null: nothing. */
  told: Told | null;
  /** As of the last look; null: nothing to do, until the partition moves or is named again. */
  position: ReplicaPosition | null;
}

/** Whether a request belongs to a session. */
export type Following = "next" | "not-next" | "another";

/**
 * A leader's part of a fetch session: what one follower fetches from this broker, and what of that needs attention. A request of the
 * session means what it would mean if it named all of its partitions: each acknowledges what it has, again. For most of them nothing
 * follows from that but a time (`ReplicaPosition.isSteady`), and that is the follower's alone (`FetchingReplica`); only the others, the
 * *active* ones, are visited.
 */
export class LeaderSession {
  readonly id: number;
  /** `receivedAtMs` advances with each request. */
  readonly from: { readonly brokerId: number; readonly brokerEpoch: number; receivedAtMs: number };
  readonly #leaders: ReplicaLeaders;
  readonly #partitions = new Map<string, SessionPartition>();
  /** In the order in which they are read: one of which records were read goes to the end. */
  readonly #active = new Set<SessionPartition>();
  /** Moved since they were looked at. */
  readonly #moved = new Set<SessionPartition>();
  /** What the last answer told, until the follower says that it has heard. */
  readonly #unheard = new Map<SessionPartition, Told>();
  #sequence = -1;
  #wake: () => void = () => undefined;

  constructor({ brokerId, brokerEpoch, session }: ReplicaFetchRequest, leaders: ReplicaLeaders) {
    this.id = session.id;
    this.from = { brokerId, brokerEpoch, receivedAtMs: Number.NEGATIVE_INFINITY };
    this.#leaders = leaders;
  }

  /** The last request taken; an earlier one that still waits is waited for by nobody. */
  get sequence(): number {
    return this.#sequence;
  }

  get size(): number {
    return this.#partitions.size;
  }

  follows({ brokerEpoch, session }: ReplicaFetchRequest): Following {
    if (brokerEpoch !== this.from.brokerEpoch || session.id !== this.id) return "another";
    return session.sequence === this.#sequence + 1 ? "next" : "not-next";
  }

  /**
   * Takes what the request acknowledges, all of it in one turn: a read that goes to the disk must not keep producers of other partitions
   * waiting. What is left out was spoken for by the last request, so it ends before the time of this one is noted.
   */
  take({ session, forgotten, partitions }: ReplicaFetchRequest, nowMs: number): void {
    this.#sequence = session.sequence;
    if (session.isLastHeard) this.#allHeard();
    this.#unheard.clear();
    for (const name of forgotten) this.#forget(name);
    this.from.receivedAtMs = nowMs;
    for (const asked of partitions) this.#name(asked);
    for (const moved of this.#moved) this.#active.add(moved);
    this.#moved.clear();
    for (const active of this.#active) this.#look(active, (leader) => leader.acknowledgeFetch(this.from, active.asked));
    this.#wake();
  }

  /** The follower speaks for none of its partitions any more. */
  end(): void {
    this.#sequence = Number.POSITIVE_INFINITY;
    for (const { asked } of this.#partitions.values()) this.#endFetch(asked);
    this.#partitions.clear();
    this.#active.clear();
    this.#moved.clear();
    this.#wake();
  }

  /** It may stand differently now. Cheap: most of what moves is written to, and is looked at only when the follower can be answered. */
  moved(key: string): void {
    const partition = this.#partitions.get(key);
    if (partition === undefined) return;
    this.#moved.add(partition);
    this.#wake();
  }

  /** Called when something moved, or when another request was taken. */
  onWake(wake: () => void): void {
    this.#wake = wake;
  }

  /** Looks at what moved. False: nothing did. */
  lookAgain(): boolean {
    if (this.#moved.size === 0) return false;
    const moved = [...this.#moved];
    this.#moved.clear();
    for (const partition of moved) this.#look(partition, (leader) => leader.positionOf(this.from, partition.asked));
    return true;
  }

  /** Those that are throttled come last: nobody waits for them. */
  get active(): readonly SessionPartition[] {
    const active = [...this.#active];
    const isLast = ({ position }: SessionPartition) => position !== null && isThrottled(position.throttledBy);
    return active.some(isLast) ? [...active.filter((each) => !isLast(each)), ...active.filter(isLast)] : active;
  }

  /** There is something that cannot wait: records that may be sent, a refusal, a divergence. */
  mayBeEnough(share: ThrottledShare): boolean {
    for (const { position } of this.#active) {
      if (position === null) continue;
      if (isUrgent(position.answer) || (position.isReadable && share.bytesFor(position.throttledBy) > 0)) return true;
    }
    return false;
  }

  get hasNews(): boolean {
    for (const { position, told } of this.#active) if (position !== null && isNews(position.answer, told)) return true;
    return false;
  }

  /** Records of it were read; the others come first next time, for a full answer leaves out the last ones. */
  wasRead(partition: SessionPartition): void {
    if (this.#active.delete(partition)) this.#active.add(partition);
  }

  /** This answer is on its way. It counts as heard when the follower says so. */
  noteSent(partition: SessionPartition, { error, diverging, highWatermark, logStartOffset }: ReplicaFetchedPartition): void {
    if (error === "NONE" && diverging === null) this.#unheard.set(partition, { highWatermark, logStartOffset });
  }

  #allHeard(): void {
    // each of them is active still, and is looked at with this request
    for (const [partition, told] of this.#unheard) partition.told = told;
  }

  #name(asked: ReplicaFetchPartition): void {
    const key = partitionKey(asked.topicId, asked.partition);
    const known = this.#partitions.get(key);
    if (known === undefined) {
      const named: SessionPartition = { key, asked, told: null, position: null };
      this.#partitions.set(key, named);
      this.#active.add(named);
      return;
    }
    // in another epoch, or after a cut, it may know less than it was told
    if (asked.leaderEpoch !== known.asked.leaderEpoch || asked.fetchOffset < known.asked.fetchOffset) known.told = null;
    known.asked = asked;
    this.#active.add(known);
  }

  #forget({ topicId, partition }: ReplicaName): void {
    const key = partitionKey(topicId, partition);
    const known = this.#partitions.get(key);
    if (known === undefined) return;
    this.#endFetch(known.asked);
    this.#partitions.delete(key);
    this.#active.delete(known);
    this.#moved.delete(known);
  }

  #endFetch({ topicId, partition }: ReplicaFetchPartition): void {
    const leader = this.#leaders.leaderOf(topicId, partition);
    if (typeof leader !== "string") leader.endFetch(this.from);
  }

  #look(partition: SessionPartition, by: (leader: ReplicaLeader) => ReplicaPosition): void {
    const leader = this.#leaders.leaderOf(partition.asked.topicId, partition.asked.partition);
    const position = typeof leader === "string" ? nowhere(partition.asked, leader) : by(leader);
    const isQuiet = position.isSteady && !position.isReadable && !isNews(position.answer, partition.told);
    partition.position = isQuiet ? null : position;
    if (isQuiet) this.#active.delete(partition);
    else this.#active.add(partition);
  }
}

/** To be acted upon at once, unlike a high watermark. */
export function isUrgent({ error, diverging }: ReplicaFetchedPartition): boolean {
  return error !== "NONE" || diverging !== null;
}

/** A high watermark or log start that the follower does not know yet, as far as we know. */
export function isNews(answer: ReplicaFetchedPartition, told: Told | null): boolean {
  return !isUrgent(answer) && (told?.highWatermark !== answer.highWatermark || told.logStartOffset !== answer.logStartOffset);
}

function nowhere(asked: ReplicaFetchPartition, error: KafkaErrorCode): ReplicaPosition {
  return { answer: refusal(asked, error), isReadable: false, isSteady: false, throttledBy: unthrottled };
}

export function refusal({ topicId, partition }: ReplicaFetchPartition, error: KafkaErrorCode): ReplicaFetchedPartition {
  return {
    topicId,
    partition,
    error,
    leaderEpoch: -1,
    highWatermark: -1,
    logStartOffset: -1,
    diverging: null,
    epochs: [],
    recordsBytes: 0,
  };
}
