import type { BrokerId } from "../../protocol/base/ids.ts";
import type { Outcome } from "../../protocol/errors/kafka-errors.ts";
import type { ConsumerRead, ConsumerReadOptions, NotYet, ReadingLeader } from "./client-contract.ts";
import type { ClusterView } from "./cluster-contract.ts";
import type { ReplicaLog } from "./environment.ts";
import { consumerRefusal, readVisible, visibleEnds } from "./leader-reads.ts";
import { positionIn } from "./log-position.ts";

/** What a follower knows of itself now. */
export interface FollowerStanding {
  readonly leader: BrokerId;
  readonly leaderEpoch: number;
  readonly highWatermark: number;
  /** As far as the metadata goes. */
  readonly isInSync: boolean;
  /** Its leader has found, under this epoch, that its log is the beginning of the leader's. */
  readonly isCompared: boolean;
  /** Counts the times that its log was cut: what was read before may be gone. */
  readonly cuts: number;
  /** Another role has followed. */
  readonly hasEnded: boolean;
}

export interface FollowerReaderParts {
  readonly replica: ReplicaLog;
  readonly standing: () => FollowerStanding;
  readonly cluster: Pick<ClusterView, "isSilent" | "sessionProvedUntilMs">;
  readonly nowMs: () => number;
  /** A consumer reads here. */
  readonly onRead: (leader: BrokerId) => void;
}

/** It may be in the leader's log. Not OFFSET_OUT_OF_RANGE: some clients would begin elsewhere, without having asked the leader. */
const unknown = { error: "OFFSET_NOT_AVAILABLE" } as const;

function notYet(meanwhile: ConsumerRead | null): NotYet {
  return { ...unknown, isExpectedSoon: true, meanwhile };
}

/**
 * What consumers close by read of a follower (KIP-392): what it knows to be committed, and it says nothing of the rest. That is safe for as
 * long as it follows: what is committed under one leader is so under the next (docs/correctness.md, "Reading from a follower").
 */
export class FollowerReader implements ReadingLeader {
  readonly #parts: FollowerReaderParts;

  constructor(parts: FollowerReaderParts) {
    this.#parts = parts;
  }

  async read(options: ConsumerReadOptions): Promise<Outcome<ConsumerRead> | NotYet> {
    const { replica, standing, onRead } = this.#parts;
    const { log, settings } = replica;
    const { leader, leaderEpoch, highWatermark, isCompared, cuts } = standing();
    const { fetchOffset, lastFetchedEpoch } = options;
    const refusal = consumerRefusal(options, leaderEpoch, settings);
    if (refusal !== null) return { error: refusal };
    if (!this.#isVouchedFor()) return unknown;
    onRead(leader);
    const ends = visibleEnds(log, highWatermark);
    const nothing = { ...ends, logStartOffset: log.startOffset, chunks: [], sizeInBytes: 0, diverging: null };
    if (!isCompared) return notYet(nothing);
    // where our log begins the leader's does, or before: what is below is gone there, too
    if (fetchOffset < log.startOffset) return { error: "OFFSET_OUT_OF_RANGE" };
    if (fetchOffset > highWatermark) return notYet(fetchOffset <= log.writtenEndOffset ? nothing : null);
    // from where on the reader's records are not ours is for the leader to say
    if (positionIn(log, fetchOffset, lastFetchedEpoch).kind !== "agrees") return unknown;
    if (fetchOffset === highWatermark) return { error: null, ...nothing };
    const read = await readVisible(log, options, ends);
    // Race: (1) it reads from the disk; (2) after an unclean election, the log is cut below what is being read, or where it would be; (3)
    // the read ends, or fails.
    if (standing().hasEnded || standing().cuts !== cuts) {
      if (read.error === null) read.release?.();
      return unknown;
    }
    if (read.error !== null) return read.error === "CORRUPT_MESSAGE" ? { error: "KAFKA_STORAGE_ERROR" } : read;
    return { ...nothing, ...read };
  }

  /**
   * Otherwise others may have gone on without this replica, and nobody would tell a consumer that waits here: it has left the in-sync set,
   * or hears neither from its leader nor from the coordinator.
   */
  #isVouchedFor(): boolean {
    const { replica, standing, cluster, nowMs } = this.#parts;
    const { isInSync, leader, hasEnded } = standing();
    return !hasEnded && isInSync && replica.log.damage === null && cluster.sessionProvedUntilMs > nowMs() && !cluster.isSilent(leader);
  }
}
