import type { BrokerId, TopicId } from "../../protocol/base/ids.ts";
import { InvariantViolation, invariant, unreachable } from "../../protocol/base/invariant.ts";
import type { PartitionRecord, ReplicaFetchedPartition, ReplicaFetchPartition } from "../../protocol/peer/messages.ts";
import { baseOffsetAt, batchHeaderBytes, lastOffsetAt } from "../../protocol/records/batch-header.ts";
import { type Log, LogOffline } from "../log/log-contract.ts";
import type { TopicSettings } from "../runtime/config/topic-settings.ts";
import { nothingKept } from "./damaged-replica.ts";
import type { PartitionEnvironment, ReplicaIdentity } from "./environment.ts";
import type { FollowerStanding } from "./follower-reader.ts";
import { adoptHighWatermark, afterStartingOver, afterTruncation, decide, type FollowerState } from "./follower-state.ts";
import { noEpoch } from "./log-position.ts";
import type { FetchApplied, FollowedPartition } from "./replication-contract.ts";

export interface FollowershipParts {
  readonly identity: ReplicaIdentity;
  readonly log: Log;
  /** The topic's, as they now are. */
  readonly settings: () => TopicSettings;
  readonly environment: PartitionEnvironment;
  readonly onDataDiverged: (reason: string) => void;
  readonly onLogOffline: (error: LogOffline) => void;
  /** The log begins where the leader's does, and has nothing yet. */
  readonly onBegunAnew: () => void;
}

/** A replica while it follows one leader in one epoch. A thin shell around `follower-state.ts`. */
export class Followership implements FollowedPartition {
  readonly topic: string;
  readonly partition: number;
  readonly topicId: TopicId;
  readonly #parts: FollowershipParts;
  #state: FollowerState;
  #isNewcomer: boolean;
  #isInSync: boolean;
  #isCompared = false;
  #cuts = 0;
  #isThrottled: boolean;
  #hasEnded = false;
  /** The answer being applied; null: none. One at a time. */
  #underway: Promise<FetchApplied> | null = null;
  #fetchChanged: () => void = () => undefined;
  readonly #stopListening: () => void;

  constructor(parts: FollowershipParts, record: PartitionRecord, highWatermark: number) {
    const { leader, leaderEpoch } = record;
    const { brokerId } = parts.environment.config;
    this.#isNewcomer = isNewcomer(record, brokerId);
    this.#isInSync = record.isr.includes(brokerId);
    const leaderRecovering = record.leaderRecovering || mayKnowTooMuch(record, brokerId);
    this.topic = parts.identity.topic;
    this.partition = parts.identity.partition;
    this.topicId = parts.identity.topicId;
    this.#parts = parts;
    this.#isThrottled = this.#mustBeThrottled();
    const { writtenEndOffset } = parts.log;
    invariant(highWatermark <= writtenEndOffset, "a follower begins with a high watermark within its log", () => ({
      highWatermark,
      writtenEndOffset,
    }));
    this.#state = { leader, leaderEpoch, leaderRecovering, highWatermark };
    this.#stopListening = parts.log.onDamaged(() => this.#fetchChanged());
  }

  onFetchChanged(listener: () => void): void {
    this.#fetchChanged = listener;
  }

  get leader(): BrokerId {
    return this.#state.leader;
  }

  get leaderEpoch(): number {
    return this.#state.leaderEpoch;
  }

  get isNewcomer(): boolean {
    return this.#isNewcomer;
  }

  get highWatermark(): number {
    return this.#state.highWatermark;
  }

  /** What those who read here must know. */
  get standing(): FollowerStanding {
    const { leader, leaderEpoch, highWatermark } = this.#state;
    const [isInSync, isCompared, cuts, hasEnded] = [this.#isInSync, this.#isCompared, this.#cuts, this.#hasEnded];
    return { leader, leaderEpoch, highWatermark, isInSync, isCompared, cuts, hasEnded };
  }

  /** The same epoch again: the leader may have recovered meanwhile. */
  note(record: PartitionRecord): void {
    const { environment, identity } = this.#parts;
    const { brokerId } = environment.config;
    const before = this.#isNewcomer;
    const wasInSync = this.#isInSync;
    this.#isNewcomer = isNewcomer(record, brokerId);
    this.#isInSync = record.isr.includes(brokerId);
    this.#state = { ...this.#state, leaderRecovering: record.leaderRecovering || mayKnowTooMuch(record, brokerId) };
    if (this.#isNewcomer !== before) environment.news.follows(identity);
    if (this.#isInSync !== wasInSync) environment.news.committed(identity.key);
    this.lookAtThrottle();
  }

  get isThrottled(): boolean {
    return this.#isThrottled;
  }

  /** The topic's lists may have changed. */
  lookAtThrottle(): void {
    const before = this.#isThrottled;
    this.#isThrottled = this.#mustBeThrottled();
    if (this.#isThrottled !== before) this.#fetchChanged();
  }

  #mustBeThrottled(): boolean {
    const { settings, environment, identity } = this.#parts;
    return !this.#isInSync && settings().followerThrottledReplicas.has(identity.partition, environment.config.brokerId);
  }

  /** No answer is applied from here on; resolves when the one being applied is done with the log. */
  async end(): Promise<void> {
    this.#hasEnded = true;
    this.#stopListening();
    this.#fetchChanged();
    await this.#underway;
  }

  nextFetch(): ReplicaFetchPartition | null {
    const { log } = this.#parts;
    // What is queued but not written must not be acknowledged; it will be written in a moment.
    if (this.#hasEnded || this.#underway !== null || log.writtenEndOffset < log.endOffset) return null;
    invariant(this.highWatermark <= log.endOffset, "the high watermark is within the log that a fetch acknowledges", () => ({
      highWatermark: this.highWatermark,
      endOffset: log.endOffset,
    }));
    const isEmpty = log.endOffset === log.startOffset && log.lastEpoch < 0;
    return {
      topicId: this.topicId,
      partition: this.partition,
      leaderEpoch: this.#state.leaderEpoch,
      fetchOffset: this.#fetchOffset,
      lastFetchedEpoch: isEmpty || log.damage !== null ? noEpoch : log.lastEpoch,
      logStartOffset: log.startOffset,
    };
  }

  /** What a fetch acknowledges: our end; nothing, when what we have is damaged. */
  get #fetchOffset(): number {
    return this.#parts.log.damage === null ? this.#parts.log.endOffset : nothingKept;
  }

  async applyFetched(asked: ReplicaFetchPartition, answer: ReplicaFetchedPartition, records: Buffer): Promise<FetchApplied> {
    if (this.#hasEnded) return "ended";
    // Race: (1) asked at offset 70; (2) no answer in time, asked again, answered and appended up to 90; (3) the first answer arrives.
    // An answer is for the log as it was when it was asked for.
    if (this.#underway !== null || asked.fetchOffset !== this.#fetchOffset) return "ignored";
    this.#underway = this.#carryOut(answer, records);
    try {
      return await this.#underway;
    } finally {
      this.#underway = null;
    }
  }

  async #carryOut(answer: ReplicaFetchedPartition, records: Buffer): Promise<FetchApplied> {
    try {
      return await this.#step(answer, records);
    } catch (error) {
      if (error instanceof InvariantViolation) throw error;
      if (error instanceof LogOffline) {
        this.#parts.onLogOffline(error);
        return "ended";
      }
      this.#parts.environment.logger.error({ err: error, partition: this.#parts.identity.key }, "a fetch answer could not be carried out");
      return "back-off";
    }
  }

  async #step(answer: ReplicaFetchedPartition, records: Buffer): Promise<FetchApplied> {
    const { log, identity, environment, onDataDiverged } = this.#parts;
    const { endOffset } = log;
    const step = decide(this.#state, log, answer);
    switch (step.kind) {
      case "append":
        // before the fetched records are appended: when nothing of the last segment is left, they go to a new one, as they did at the
        // leader
        if (startIn(this.#state, answer, log) > log.startOffset) await log.advanceStartOffset(startIn(this.#state, answer, log));
        if (this.#hasEnded) return "ended";
        invariant(log.endOffset === endOffset, "what came continues the log: nobody else appends to a follower's", () => ({
          asked: endOffset,
          endOffset: log.endOffset,
        }));
        if (records.length > 0 && !(await this.#append(records, answer.epochs))) return "back-off";
        if (records.length > 0) await log.written(log.endOffset);
        // The leadership may have moved while this was written. The bytes stay, and are compared by epoch before anything is built on them;
        // the high watermark was true under this leader, and what is committed remains so.
        this.#adopt(step.leaderHighWatermark);
        await log.advanceStartOffset(startIn(this.#state, answer, log));
        return this.#hasEnded ? "ended" : "applied";
      case "truncate": {
        const fields = { partition: identity.key, fromOffset: log.endOffset, toOffset: step.toOffset, leaderEpoch: this.leaderEpoch };
        environment.logger.info(fields, "cutting what the leader does not have");
        this.#noteCut();
        await this.#retreat(step.toOffset);
        await log.truncateTo(step.toOffset);
        invariant(log.endOffset <= step.toOffset, "the log was cut", () => ({ step, endOffset: log.endOffset }));
        // whole batches were cut, including one with committed records if the leader's divergence is in its middle
        if (log.endOffset < this.highWatermark && !this.#state.leaderRecovering) return this.#lostCommitted(step.toOffset);
        this.#state = afterTruncation(this.#state, log.endOffset);
        return this.#hasEnded ? "ended" : "applied";
      }
      case "start-over": {
        const fields = { partition: identity.key, endOffset: log.endOffset, atOffset: step.atOffset, leaderEpoch: this.leaderEpoch };
        environment.logger.info({ ...fields, damage: log.damage }, "beginning again where the leader's log begins");
        this.#noteCut();
        if (step.atOffset < this.highWatermark) await this.#retreat(step.atOffset);
        await log.truncateFullyAndStartAt(step.atOffset);
        this.#state = afterStartingOver(this.#state, step.atOffset);
        this.#parts.onBegunAnew();
        return this.#hasEnded ? "ended" : "applied";
      }
      case "back-off":
        environment.logger.debug({ partition: identity.key, error: step.error }, "the leader refused a fetch");
        return "back-off";
      case "data-diverged":
        onDataDiverged(step.reason);
        return "ended";
      default:
        return unreachable(step);
    }
  }

  /** The leader has found nothing in our log that is not in its own. */
  #adopt(leaderHighWatermark: number): void {
    const { log, environment, identity } = this.#parts;
    const before = this.#state;
    this.#state = adoptHighWatermark(before, leaderHighWatermark, log.writtenEndOffset);
    if (this.#isCompared && this.#state === before) return;
    this.#isCompared = true;
    environment.news.committed(identity.key);
  }

  /** Before anything is: nothing is read from here on until the leader has compared again. */
  #noteCut(): void {
    this.#cuts++;
    this.#isCompared = false;
  }

  /**
   * When a cut lowers the high watermark (after an unclean election), it is lowered on disk before the log is cut. Otherwise: (1) the log
   * is cut below the high watermark of the last checkpoint, and grows again; (2) this process dies before the next checkpoint; (3)
   * restarted, it takes the records that replaced the old ones for committed, and refuses the next leader that lacks them.
   */
  async #retreat(toOffset: number): Promise<void> {
    const isLower = toOffset < this.highWatermark;
    // a damaged replica is in no in-sync set by now: it need not keep what it knows to be committed
    this.#state = this.#parts.log.damage === null ? afterTruncation(this.#state, toOffset) : afterStartingOver(this.#state, toOffset);
    if (isLower) await this.#parts.environment.lowerHighWatermark(this.#parts.identity.key, toOffset);
  }

  /** No leader of ours ends a batch in the middle of another leader's: that is as wrong as a leader that wants committed records cut. */
  #lostCommitted(toOffset: number): FetchApplied {
    const { log, onDataDiverged } = this.#parts;
    const { highWatermark, leader, leaderEpoch } = this.#state;
    this.#state = afterStartingOver(this.#state, log.endOffset);
    // another broker leads by now, or none: the next role here compares again
    if (this.#hasEnded) return "ended";
    onDataDiverged(
      `leader ${leader} in epoch ${leaderEpoch} demanded truncation to ${toOffset}, inside a batch: the log ends at ${log.endOffset} now, below the committed offset ${highWatermark}`,
    );
    return "ended";
  }

  /** False: the fetched records cannot be appended. */
  async #append(records: Buffer, epochs: ReplicaFetchedPartition["epochs"]): Promise<boolean> {
    const { log, identity, environment } = this.#parts;
    const fields = { partition: identity.key, leader: this.leader, endOffset: log.endOffset, bytes: records.length };
    if (records.length >= batchHeaderBytes && beginsInside(log, records)) {
      this.#noteCut();
      this.#state = afterStartingOver(this.#state, baseOffsetAt(records, 0));
      await log.truncateFullyAndStartAt(baseOffsetAt(records, 0));
    }
    if (records.length < batchHeaderBytes || baseOffsetAt(records, 0) < log.endOffset) {
      environment.logger.error(fields, "the leader sent what does not continue this log");
      return false;
    }
    if (log.appendAsFollower(records, epochs)) return true;
    environment.logger.error(fields, "the leader sent a damaged batch");
    return false;
  }
}

/**
 * A reassignment adds this replica, and it is not in sync. If it has a log, that is from an earlier time at which it was one, and what it
 * knows to be committed may be gone on the leader. Race:
 * 1. This broker is away. Another one, out of sync, is elected uncleanly.
 * 2. This broker's replica is removed, and with it the reason to remember that election.
 * 3. It is added again, and comes back with its old log.
 */
function mayKnowTooMuch({ reassignment, isr }: PartitionRecord, self: BrokerId): boolean {
  return reassignment?.adding.includes(self) === true && !isr.includes(self);
}

/**
 * It has to be copied here. Not one that is given up, and so is being added and removed: it was in sync once, and the leader does not take
 * it back, so that it would never be over.
 */
function isNewcomer(record: PartitionRecord, self: BrokerId): boolean {
  return mayKnowTooMuch(record, self) && record.reassignment?.removing.includes(self) !== true;
}

/** Where our log may begin: where the leader's does, as far as we know it to be committed, and never before it does now. */
function startIn({ highWatermark }: FollowerState, { logStartOffset }: ReplicaFetchedPartition, { startOffset }: Log): number {
  return Math.max(Math.min(logStartOffset, highWatermark), startOffset);
}

/**
 * The leader's log may begin inside a batch, and batches are kept whole. A log that was emptied to begin there takes all of
 * the batch; its start follows the leader's as soon as that is written.
 */
function beginsInside({ startOffset, endOffset }: Log, records: Buffer): boolean {
  return startOffset === endOffset && baseOffsetAt(records, 0) < endOffset && lastOffsetAt(records, 0) >= endOffset;
}
