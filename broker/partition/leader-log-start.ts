import type { BrokerId } from "../../protocol/base/ids.ts";
import type { KafkaError, Outcome } from "../../protocol/errors/kafka-errors.ts";
import { LogOffline } from "../log/log-contract.ts";
import type { PartitionEnvironment, ReplicaIdentity, ReplicaLog } from "./environment.ts";
import type { LeaderState } from "./leader-state.ts";

export interface LeaderLogStartParts {
  readonly identity: ReplicaIdentity;
  readonly replica: ReplicaLog;
  readonly environment: PartitionEnvironment;
  /** As the leader has it now. */
  readonly state: () => Pick<LeaderState, "highWatermark" | "followers" | "isr" | "reassignment">;
  readonly isAlive: (id: BrokerId) => boolean;
  readonly onLogOffline: (error: LogOffline) => void;
}

type DeletionEnd = KafkaError | null;

interface Waiter {
  readonly offset: number;
  readonly settle: (end: DeletionEnd) => void;
}

/** In DeleteRecords: everything that is committed. */
const upToHighWatermark = -1;

/**
 * The lowest log start of all live replicas: none has a record below it. -1 as long as one of them has not reported where its log begins.
 */
export function lowWatermark(
  ownStartOffset: number,
  followers: Iterable<BrokerId>,
  starts: ReadonlyMap<BrokerId, number>,
  isAlive: (id: BrokerId) => boolean,
): number {
  let lowest = ownStartOffset;
  for (const id of followers) if (isAlive(id)) lowest = Math.min(lowest, starts.get(id) ?? -1);
  return lowest;
}

/**
 * A leader's part in where its log begins: it alone decides, by retention and on request. The followers learn its start with their fetches,
 * raise theirs to it, and report that with their next fetches, once a crash can no longer undo it.
 */
export class LeaderLogStart {
  readonly #parts: LeaderLogStartParts;
  readonly #starts = new Map<BrokerId, number>();
  readonly #waiting = new Set<Waiter>();

  constructor(parts: LeaderLogStartParts) {
    this.#parts = parts;
  }

  /** One check of the log's age and size. */
  async retain(): Promise<void> {
    const { replica, environment, state } = this.#parts;
    const { log } = replica;
    const before = log.startOffset;
    await log.retain({ highWatermark: state().highWatermark, nowMs: environment.clock.nowMs() });
    if (log.startOffset > before) this.#moved(before);
  }

  /** Deletes what is below `beforeOffset`; resolves when no live replica has it any more. */
  async deleteRecords(beforeOffset: number, timeoutMs: number): Promise<Outcome<{ readonly lowWatermark: number }>> {
    const { replica, environment, state } = this.#parts;
    const { log, settings } = replica;
    const { highWatermark } = state();
    if (settings.cleanupPolicy === "compact") return { error: "POLICY_VIOLATION" };
    const offset = beforeOffset === upToHighWatermark ? highWatermark : beforeOffset;
    if (offset < 0 || offset > highWatermark) return { error: "OFFSET_OUT_OF_RANGE" };
    const deadlineMs = environment.clock.monotonicMs() + Math.max(0, timeoutMs);
    const before = log.startOffset;
    try {
      const durable = log.advanceStartOffset(offset);
      if (log.startOffset > before) this.#moved(before);
      await durable;
    } catch (error) {
      if (!(error instanceof LogOffline)) throw error;
      this.#parts.onLogOffline(error);
      return { error: "KAFKA_STORAGE_ERROR" };
    }
    const error = await this.#untilGone(offset, deadlineMs);
    return error === null ? { error: null, lowWatermark: this.#lowWatermark } : { error };
  }

  /** A follower's log begins there. */
  note(from: BrokerId, startOffset: number): void {
    this.#starts.set(from, startOffset);
    this.look();
  }

  /** Where the follower's log begins, as it said last. */
  startOf(id: BrokerId): number | undefined {
    return this.#starts.get(id);
  }

  /** A follower has fetched, or may have died. */
  look(): void {
    if (this.#waiting.size === 0) return;
    const lowest = this.#lowWatermark;
    for (const waiter of this.#waiting) if (waiter.offset <= lowest) waiter.settle(null);
  }

  end(error: KafkaError): void {
    for (const waiter of this.#waiting) waiter.settle(error);
  }

  get #lowWatermark(): number {
    const { replica, state, isAlive } = this.#parts;
    const { followers, isr, reassignment } = state();
    // one that is only being added begins where our log does, but it may be a while until it has its turn
    const hasBegun = (id: BrokerId) => isr.has(id) || reassignment?.adding.includes(id) !== true || followers.get(id)!.brokerEpoch >= 0;
    return lowWatermark(replica.log.startOffset, [...followers.keys()].filter(hasBegun), this.#starts, isAlive);
  }

  #moved(fromOffset: number): void {
    const { identity, replica, environment } = this.#parts;
    const { startOffset } = replica.log;
    environment.logger.info({ partition: identity.key, fromOffset, startOffset }, "log start moved: the records before it are deleted");
    environment.news.committed(identity.key);
    environment.news.written(identity);
  }

  #untilGone(offset: number, deadlineMs: number): Promise<DeletionEnd> {
    if (this.#lowWatermark >= offset) return Promise.resolve(null);
    const { deadlines, config } = this.#parts.environment;
    // they are deleted here, and will be on the followers; the client is told that it takes longer than the request may wait
    if (this.#waiting.size >= config.appendWaitersMax) return Promise.resolve("REQUEST_TIMED_OUT");
    return new Promise((resolve) => {
      const forget = deadlines.add(deadlineMs, () => waiter.settle("REQUEST_TIMED_OUT"));
      const waiter: Waiter = {
        offset,
        settle: (end) => {
          this.#waiting.delete(waiter);
          forget();
          resolve(end);
        },
      };
      this.#waiting.add(waiter);
    });
  }
}
