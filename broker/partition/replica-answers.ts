import type { BrokerId } from "../../protocol/base/ids.ts";
import type { KafkaErrorCode } from "../../protocol/errors/kafka-errors.ts";
import type { ReplicaFetchedPartition, ReplicaFetchPartition } from "../../protocol/peer/messages.ts";
import type { Log } from "../log/log-contract.ts";
import type { ReplicaIdentity } from "./environment.ts";
import type { LeaderState } from "./leader-state.ts";
import { type LogPosition, noEpoch } from "./log-position.ts";
import type { FetchingReplica, ReplicaPosition } from "./replication-contract.ts";

type LogEnds = Pick<Log, "startOffset" | "writtenEndOffset">;
type Standing = Pick<LeaderState, "epoch" | "highWatermark">;

/** What a leader tells its followers, and which high watermark and log start it told each of them last. */
type Told = Pick<ReplicaFetchedPartition, "highWatermark" | "logStartOffset">;

export class ReplicaAnswers {
  readonly #identity: ReplicaIdentity;
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
        const diverging = { epoch: noEpoch, endOffset: log.writtenEndOffset };
        return { answer: { ...answer, error: "OFFSET_OUT_OF_RANGE", diverging }, isReadable: false, hasNews: false };
      }
    }
  }

  noteSent(to: BrokerId, { highWatermark, logStartOffset }: Told): void {
    this.#told.set(to, { highWatermark, logStartOffset });
  }

  /** A new epoch: its followers may be new to it. */
  forget(): void {
    this.#told.clear();
  }
}
