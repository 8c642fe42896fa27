import type { BrokerId } from "../../protocol/base/ids.ts";
import type { KafkaError, KafkaErrorCode } from "../../protocol/errors/kafka-errors.ts";
import type { ReplicaFetchedPartition, ReplicaFetchPartition } from "../../protocol/peer/messages.ts";
import type { EpochStart, Log } from "../log/log-contract.ts";
import type { ReplicaIdentity } from "./environment.ts";
import type { LeaderState } from "./leader-state.ts";
import { type LogPosition, noEpoch } from "./log-position.ts";
import type { FetchingReplica, ReplicaPosition } from "./replication-contract.ts";

type LogEnds = Pick<Log, "startOffset" | "writtenEndOffset">;
type Standing = Pick<LeaderState, "epoch" | "highWatermark">;

/** What a follower needs to learn once: both are in every answer. */
type Told = Pick<ReplicaFetchedPartition, "highWatermark" | "logStartOffset">;

/** In one answer; the next one tells of later ones. */
const toldEpochsMax = 1000;

/** What a leader answers to its followers' fetches, records aside. It remembers what it told each of them last, to know what is news. */
export class ReplicaAnswers {
  readonly #identity: ReplicaIdentity;
  /** By follower, in this epoch. */
  readonly #told = new Map<BrokerId, Told>();

  constructor(identity: ReplicaIdentity) {
    this.#identity = identity;
  }

  /** Where the leader stands; no records. */
  standing({ epoch, highWatermark }: Standing, { startOffset }: LogEnds): ReplicaFetchedPartition {
    return {
      topicId: this.#identity.topicId,
      partition: this.#identity.partition,
      error: "NONE",
      leaderEpoch: epoch,
      highWatermark,
      logStartOffset: startOffset,
      diverging: null,
      epochs: [],
      recordsBytes: 0,
    };
  }

  refusal(state: Standing, log: LogEnds, error: KafkaErrorCode): ReplicaPosition {
    return { answer: { ...this.standing(state, log), error }, isReadable: false, hasNews: false };
  }

  /** The answer to a fetch from a position in our log: where we stand, and from where on the follower's log is not ours. */
  position(state: Standing, log: LogEnds, position: LogPosition, from: FetchingReplica, asked: ReplicaFetchPartition): ReplicaPosition {
    const answer = this.standing(state, log);
    const told = this.#told.get(from.brokerId);
    switch (position.kind) {
      case "agrees":
        return {
          answer,
          isReadable: asked.fetchOffset < log.writtenEndOffset,
          hasNews: told?.highWatermark !== answer.highWatermark || told.logStartOffset !== answer.logStartOffset,
        };
      case "diverging":
        return {
          answer: { ...answer, diverging: { epoch: position.epoch, endOffset: position.endOffset } },
          isReadable: false,
          hasNews: false,
        };
      case "out-of-range": {
        // With our end instead of a divergence: a follower that is ahead of us truncates there.
        const diverging = { epoch: noEpoch, endOffset: log.writtenEndOffset };
        return { answer: { ...answer, error: "OFFSET_OUT_OF_RANGE", diverging }, isReadable: false, hasNews: false };
      }
    }
  }

  /** This answer is on its way. Should it be lost, the follower learns of it from the next one that is given because the wait is over. */
  noteSent(to: BrokerId, { highWatermark, logStartOffset }: Told): void {
    this.#told.set(to, { highWatermark, logStartOffset });
  }

  /** A new epoch: what was sent in the last one is sent again. */
  forget(): void {
    this.#told.clear();
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
