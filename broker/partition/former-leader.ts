import type { Outcome } from "../../protocol/errors/kafka-errors.ts";
import type { FoundRecord } from "../log/log-contract.ts";
import type { ConsumerRead, ConsumerReadOptions, ListingLeader, OffsetTarget, ReadingLeader } from "./client-contract.ts";
import type { ReplicaLog } from "./environment.ts";
import { consumerRefusal, epochRefusal, readVisible, visibleEnds } from "./leader-reads.ts";
import { positionIn } from "./log-position.ts";

export interface LedUntilNow {
  readonly epoch: number;
  readonly highWatermark: number;
}

/** It can say nothing of what came after it, so whoever asks for that looks for another leader. */
const unknown = { error: "NOT_LEADER_OR_FOLLOWER" } as const;

/**
 * What a broker still serves of a partition that it led, after its session with the coordinator was lost and until it is assigned again:
 * the records below the high watermark that it had. They are committed under any leader, so consumers may read them while no broker has a
 * session. A consumer that has read them all hears that nobody leads here: otherwise it would wait here for ever, while another leads.
 */
export class FormerLeader implements ReadingLeader, ListingLeader {
  readonly #replica: ReplicaLog;
  readonly #led: LedUntilNow;
  #hasEnded = false;

  constructor(replica: ReplicaLog, led: LedUntilNow) {
    this.#replica = replica;
    this.#led = led;
  }

  /** Another role may change the log. */
  end(): void {
    this.#hasEnded = true;
  }

  async read(options: ConsumerReadOptions): Promise<Outcome<ConsumerRead>> {
    const { fetchOffset, lastFetchedEpoch } = options;
    const { log, settings } = this.#replica;
    const { highWatermark, epoch } = this.#led;
    const refusal = consumerRefusal(options, epoch, settings);
    if (refusal !== null) return { error: refusal };
    if (fetchOffset >= highWatermark || positionIn(log, fetchOffset, lastFetchedEpoch).kind !== "agrees") return unknown;
    const ends = visibleEnds(log, highWatermark);
    const read = await readVisible(log, options, ends);
    if (read.error !== null) return read.error === "CORRUPT_MESSAGE" ? { error: "KAFKA_STORAGE_ERROR" } : read;
    if (this.#hasEnded) {
      read.release?.();
      return unknown;
    }
    return { ...ends, logStartOffset: log.startOffset, diverging: null, ...read };
  }

  /** Only where the log begins: the end, and what is not found, are for a leader to say. */
  async listOffset(target: OffsetTarget, currentLeaderEpoch: number): Promise<Outcome<FoundRecord>> {
    const refusal = epochRefusal(currentLeaderEpoch, this.#led.epoch);
    if (refusal !== null) return { error: refusal };
    const { log } = this.#replica;
    if (target.kind !== "earliest") return unknown;
    const leaderEpoch = log.startOffset < log.writtenEndOffset ? log.epochAt(log.startOffset) : this.#led.epoch;
    return { error: null, offset: log.startOffset, timestampMs: -1, leaderEpoch: leaderEpoch ?? -1 };
  }
}
