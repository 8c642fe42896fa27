import type { BrokerId } from "../../protocol/base/ids.ts";
import type { KafkaError, KafkaErrorCode, Outcome } from "../../protocol/errors/kafka-errors.ts";
import type { ReplicaFetchedPartition, ReplicaFetchPartition } from "../../protocol/peer/messages.ts";
import type { EpochStart, Log, ReadResult } from "../log/log-contract.ts";
import { nothingKept } from "./damaged-replica.ts";
import type { PartitionEnvironment, ReplicaIdentity, ReplicaLog } from "./environment.ts";
import { isSteady, isWaitedFor, type LeaderState, mustHave } from "./leader-state.ts";
import { followerPositionIn, type LogPosition, noEpoch } from "./log-position.ts";
import { type FetchingReplica, type ReplicaPosition, type ReplicaRead, type ThrottledBy, unthrottled } from "./replication-contract.ts";

/** In one answer; the next one tells of later ones. */
const toldEpochsMax = 1000;

export interface ReplicaAnswersParts {
  readonly identity: ReplicaIdentity;
  readonly replica: ReplicaLog;
  readonly environment: Pick<PartitionEnvironment, "cluster">;
  /** As the leader has it now. */
  readonly state: () => LeaderState;
}

/** What a leader answers to its followers' fetches. */
export class ReplicaAnswers {
  readonly #parts: ReplicaAnswersParts;

  constructor(parts: ReplicaAnswersParts) {
    this.#parts = parts;
  }

  /** Whether a fetch acknowledges what is below its offset: it comes from where it may, and what the follower has there is ours. */
  isAcknowledgement(from: FetchingReplica, asked: ReplicaFetchPartition): boolean {
    if (this.#refusal(from, asked) !== null) return false;
    return asked.fetchOffset === nothingKept || this.#logPosition(asked).kind === "agrees";
  }

  /** Where a fetch stands: what it could be answered now. `isRepeated`: its follower's later requests count as the same fetch. */
  positionOf(from: FetchingReplica, asked: ReplicaFetchPartition, isRepeated: boolean): ReplicaPosition {
    const state = this.#parts.state();
    const refusal = this.#refusal(from, asked);
    if (refusal !== null) return this.#refused(refusal);
    // it wants to empty its log, and may not while it could be elected for what it has
    if (asked.fetchOffset === nothingKept && mustHave(state).has(from.brokerId)) return this.#refused("INELIGIBLE_REPLICA");
    const { log } = this.#parts.replica;
    const answer = this.#standing();
    const position = this.#logPosition(asked);
    switch (position.kind) {
      case "agrees": {
        const { brokerId, brokerEpoch } = from;
        const repeated = { from: brokerId, brokerEpoch, fetchOffset: asked.fetchOffset };
        return {
          answer,
          isReadable: asked.fetchOffset < log.writtenEndOffset,
          isSteady: isRepeated && isSteady(state, repeated),
          throttledBy: this.#throttledBy(brokerId),
        };
      }
      case "diverging": {
        const diverging = { epoch: position.epoch, endOffset: position.endOffset };
        return { answer: { ...answer, diverging }, isReadable: false, isSteady: false, throttledBy: unthrottled };
      }
      case "out-of-range": {
        // With our end instead of a divergence: a follower that is ahead of us truncates there.
        const diverging = { epoch: noEpoch, endOffset: log.writtenEndOffset };
        return {
          answer: { ...answer, error: "OFFSET_OUT_OF_RANGE", diverging },
          isReadable: false,
          isSteady: false,
          throttledBy: unthrottled,
        };
      }
    }
  }

  /** The answer with what was read for the fetch, unless its epoch is over meanwhile. */
  withRecords(asked: ReplicaFetchPartition, read: Outcome<ReadResult>): ReplicaRead {
    const refused = (error: KafkaErrorCode) => ({ answer: this.#refused(error).answer, records: [] });
    if (asked.leaderEpoch !== this.#parts.state().epoch) return refused("FENCED_LEADER_EPOCH");
    if (read.error !== null) return refused(read.error);
    const epochs = epochsBehind(this.#parts.replica.log, asked);
    const { chunks: records, sizeInBytes: recordsBytes, release } = read;
    return { answer: { ...this.#standing(), epochs, recordsBytes }, records, release };
  }

  /**
   * Not one that producers wait for; that is not only who is in sync. Otherwise: (1) it has caught up, and its joining is being written, or
   * it was away for a moment; (2) a producer's records come, and the quota is spent by other partitions; (3) the producer waits for the
   * quota.
   */
  #throttledBy(follower: BrokerId): ThrottledBy {
    const state = this.#parts.state();
    if (isWaitedFor(state, follower)) return unthrottled;
    const { identity, replica } = this.#parts;
    const { leaderThrottledReplicas, followerThrottledReplicas } = replica.settings;
    return {
      leader: leaderThrottledReplicas.has(identity.partition, state.self),
      follower: followerThrottledReplicas.has(identity.partition, follower),
    };
  }

  #logPosition(asked: ReplicaFetchPartition): LogPosition {
    return followerPositionIn(this.#parts.replica.log, asked);
  }

  /** Where the leader stands; no records. */
  #standing(): ReplicaFetchedPartition {
    const { identity, replica, state } = this.#parts;
    const { epoch, highWatermark } = state();
    return {
      topicId: identity.topicId,
      partition: identity.partition,
      error: "NONE",
      leaderEpoch: epoch,
      highWatermark,
      logStartOffset: replica.log.startOffset,
      diverging: null,
      epochs: [],
      recordsBytes: 0,
    };
  }

  #refused(error: KafkaErrorCode): ReplicaPosition {
    return { answer: { ...this.#standing(), error }, isReadable: false, isSteady: false, throttledBy: unthrottled };
  }

  #refusal(from: FetchingReplica, { leaderEpoch }: ReplicaFetchPartition): KafkaError | null {
    return replicaFetchRefusal(this.#parts.state(), from, leaderEpoch, this.#parts.environment.cluster.registration(from.brokerId));
  }
}

/**
 * Why a follower's fetch is not answered, and acknowledges nothing. Only a fetch of its broker's registered life does. One that the
 * metadata does not name yet fetches again in a moment: it learned whom to follow from the controller, which is about to tell us of it.
 */
export function replicaFetchRefusal(
  { epoch, followers }: Pick<LeaderState, "epoch" | "followers">,
  { brokerId, brokerEpoch }: FetchingReplica,
  leaderEpoch: number,
  registration: number | null,
): KafkaError | null {
  if (leaderEpoch !== epoch) return leaderEpoch < epoch ? "FENCED_LEADER_EPOCH" : "UNKNOWN_LEADER_EPOCH";
  if (!followers.has(brokerId)) return "REPLICA_NOT_AVAILABLE";
  if (registration === null) return "BROKER_ID_NOT_REGISTERED";
  return brokerEpoch === registration ? null : "STALE_BROKER_EPOCH";
}

/**
 * What a follower must be sent of our epochs to know their bounds as we do. As a rule nothing: they are those of its last record, and of
 * the records that follow.
 */
export function epochsBehind(
  log: Pick<Log, "epochsFrom">,
  { fetchOffset, lastFetchedEpoch }: { readonly fetchOffset: number; readonly lastFetchedEpoch: number },
): readonly EpochStart[] {
  return log
    .epochsFrom(fetchOffset)
    .filter(({ epoch }) => epoch > lastFetchedEpoch)
    .slice(0, toldEpochsMax);
}
