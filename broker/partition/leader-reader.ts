import type { BrokerId } from "../../protocol/base/ids.ts";
import type { Outcome } from "../../protocol/errors/kafka-errors.ts";
import type { FoundRecord } from "../log/log-contract.ts";
import type { ConsumerRead, ConsumerReadOptions, ListingLeader, OffsetTarget, ReadingLeader } from "./client-contract.ts";
import type { ReplicaLog } from "./environment.ts";
import type { LeaderLogStart } from "./leader-log-start.ts";
import { consumerRefusal, epochRefusal, findOffset, readVisible, visibleEnds } from "./leader-reads.ts";
import type { LeaderState } from "./leader-state.ts";
import { consumerPositionIn } from "./log-position.ts";
import type { Members } from "./members.ts";
import { nearestReplica } from "./read-replica.ts";

/** What a leader knows of itself now. */
export interface LeaderStanding {
  readonly state: LeaderState;
  readonly hasEnded: boolean;
  readonly isSessionProved: boolean;
  /** Another in-sync replica may be asked for what is damaged here. */
  readonly hasBetterCopy: boolean;
}

export interface LeaderReaderParts {
  readonly replica: ReplicaLog;
  readonly standing: () => LeaderStanding;
  readonly members: Pick<Members, "isReadable">;
  readonly logStart: Pick<LeaderLogStart, "startOf">;
}

/** What consumers read of a leader. */
export class LeaderReader implements ReadingLeader, ListingLeader {
  readonly #parts: LeaderReaderParts;

  constructor(parts: LeaderReaderParts) {
    this.#parts = parts;
  }

  async read(options: ConsumerReadOptions): Promise<Outcome<ConsumerRead>> {
    const { replica, standing } = this.#parts;
    const { fetchOffset, lastFetchedEpoch, near = [] } = options;
    const { log, settings } = replica;
    const { state, isSessionProved } = standing();
    const { highWatermark, epoch } = state;
    const refusal = consumerRefusal(options, epoch, settings);
    if (refusal !== null) return { error: refusal };
    const position = consumerPositionIn(log, fetchOffset, lastFetchedEpoch);
    // Race: (1) this process is stopped, another broker leads and appends; (2) it wakes up, and a consumer that does not know of that
    // either asks for what was appended since; (3) told that there is no such offset, it starts over. Only a session proved now may say so.
    if (position.kind === "out-of-range") return { error: isSessionProved ? "OFFSET_OUT_OF_RANGE" : "NOT_LEADER_OR_FOLLOWER" };
    const ends = visibleEnds(log, highWatermark);
    const nothing = { error: null, ...ends, logStartOffset: log.startOffset, chunks: [], sizeInBytes: 0, diverging: null };
    if (position.kind === "diverging") return { ...nothing, diverging: { epoch: position.epoch, endOffset: position.endOffset } };
    const preferredReadReplica = near.length === 0 ? null : this.#nearest(state, near, fetchOffset);
    if (preferredReadReplica !== null) return { ...nothing, preferredReadReplica };
    // a new leader's high watermark may be below what consumers read from the last one: nothing is visible until it has caught up
    if (fetchOffset >= highWatermark) return nothing;
    const read = await readVisible(log, options, ends);
    const { hasEnded, state: now, hasBetterCopy } = standing();
    if (hasEnded || now.epoch !== epoch) return { error: "NOT_LEADER_OR_FOLLOWER" };
    if (read.error === "CORRUPT_MESSAGE" && hasBetterCopy) return { error: "KAFKA_STORAGE_ERROR" };
    if (read.error !== null) return read;
    return { ...nothing, ...read };
  }

  async listOffset(target: OffsetTarget, currentLeaderEpoch: number, committedOnly = false): Promise<Outcome<FoundRecord>> {
    const { replica, standing } = this.#parts;
    const { state } = standing();
    const refusal = epochRefusal(currentLeaderEpoch, state.epoch);
    if (refusal !== null) return { error: refusal };
    const found = await findOffset(replica.log, state, target, committedOnly);
    return standing().hasEnded ? { error: "NOT_LEADER_OR_FOLLOWER" } : found;
  }

  #nearest(state: LeaderState, near: readonly BrokerId[], fetchOffset: number): BrokerId | null {
    const { members, logStart } = this.#parts;
    const usable = near.filter((id) => members.isReadable(id));
    return nearestReplica(state, usable, fetchOffset, (id) => logStart.startOf(id));
  }
}
