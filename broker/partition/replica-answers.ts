import type { BrokerId } from "../../protocol/base/ids.ts";
import type { KafkaErrorCode } from "../../protocol/errors/kafka-errors.ts";
import type { ReplicaFetchedPartition, ReplicaFetchPartition } from "../../protocol/peer/messages.ts";
import type { Log } from "../log/log-contract.ts";
import type { FetchingReplica, ReplicaPosition } from "./contract.ts";
import type { ReplicaIdentity } from "./environment.ts";
import type { LeaderState } from "./leader-state.ts";
import { type LogPosition, noEpoch } from "./log-position.ts";

type LogEnds = Pick<Log, "startOffset" | "writtenEndOffset">;
type Standing = Pick<LeaderState, "epoch" | "highWatermark">;

/** What a leader tells its followers, and which high watermark it told each of them last. */
export class ReplicaAnswers {
  readonly #identity: ReplicaIdentity;
  readonly #toldHighWatermarks = new Map<BrokerId, number>();

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
      recordsBytes: 0,
    };
  }

  refusal(state: Standing, log: LogEnds, error: KafkaErrorCode): ReplicaPosition {
    return { answer: { ...this.standing(state, log), error }, isReadable: false, hasNewHighWatermark: false };
  }

  position(state: Standing, log: LogEnds, position: LogPosition, from: FetchingReplica, asked: ReplicaFetchPartition): ReplicaPosition {
    const answer = this.standing(state, log);
    switch (position.kind) {
      case "agrees":
        return {
          answer,
          isReadable: asked.fetchOffset < log.writtenEndOffset,
          hasNewHighWatermark: this.#toldHighWatermarks.get(from.brokerId) !== state.highWatermark,
        };
      case "diverging":
        return {
          answer: { ...answer, diverging: { epoch: position.epoch, endOffset: position.endOffset } },
          isReadable: false,
          hasNewHighWatermark: false,
        };
      case "out-of-range": {
        const diverging = { epoch: noEpoch, endOffset: log.writtenEndOffset };
        return { answer: { ...answer, error: "OFFSET_OUT_OF_RANGE", diverging }, isReadable: false, hasNewHighWatermark: false };
      }
    }
  }

  noteSent(to: BrokerId, highWatermark: number): void {
    this.#toldHighWatermarks.set(to, highWatermark);
  }

  /** A new epoch: its followers may be new to it. */
  forget(): void {
    this.#toldHighWatermarks.clear();
  }
}
