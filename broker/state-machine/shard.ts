import type { Clock, Timer } from "../../protocol/base/clock.ts";
import { invariant } from "../../protocol/base/invariant.ts";
import type { Logger } from "../../protocol/base/logger.ts";
import type { KafkaError, KafkaErrorCode, Outcome } from "../../protocol/errors/kafka-errors.ts";
import { noProducerId, noSequence } from "../../protocol/records/batch-header.ts";
import { decodeBatch } from "../../protocol/records/decode-batch.ts";
import { encodeEndMarker } from "../../protocol/records/end-marker.ts";
import type { VersionedMarker } from "../log/log-contract.ts";
import type { Deadlines } from "../partition/deadlines.ts";
import type { AppendedState } from "../partition/internal-topic-partitions.ts";
import type { Decision, Now, ReplayedBatch, ShardEnvironment, StateMachine, Transaction } from "./contract.ts";
import { type EncodedBatch, inBatches, type ShardLog } from "./shard-log.ts";
import { type Ran, type Settlement, Ticket } from "./ticket.ts";
import { TimerHeap } from "./timer-heap.ts";

export interface ShardParts<M extends StateMachine> {
  readonly stateLog: ShardLog;
  readonly clock: Clock;
  readonly deadlines: Deadlines;
  readonly log: Logger;
  readonly config: ShardConfig;
  readonly makeMachine: (environment: ShardEnvironment) => M;
}

export interface ShardConfig {
  /** How long an answer waits for the in-sync replicas. */
  readonly commitTimeoutMs: number;
  /** Bytes of the log read at a time while it is loaded. */
  readonly loadBufferBytes: number;
  /**
   * Requests of one shard that may wait for an answer: for other requests, or for the replicas. Beyond, COORDINATOR_NOT_AVAILABLE before
   * anything is done.
   */
  readonly waitingMax: number;
}

/** Answers that wait for one append, in the order in which they were decided. */
interface Parked {
  readonly endOffset: number;
  readonly committed: Promise<KafkaErrorCode>;
  settlements: Settlement[];
  /** Answered by now, one way or the other: an answer that comes later has to wait on its own. */
  isOver: boolean;
}

/** A decision without what it answers. */
type Effects = Omit<Decision<unknown>, "answer">;

/** Timers whose records were refused are called again after this long. */
const retryMs = 1_000;
/** A timer may be set for later than the machine's timers can count. */
const sleepMaxMs = 24 * 3_600_000;
/** Timers handled in one turn of the loop. */
const timersPerTurnMax = 500;
/**
 * Answers that go out in one turn of the loop: one decision may settle very many requests at once, and each answer is encoded and written.
 */
const answersPerTurnMax = 500;

/**
 * The state of one partition of an internal topic, for as long as this broker leads it: loads the log, then runs one operation after the
 * other, each in one turn of the loop.
 * See `contract.ts` for the order of things.
 */
export class Shard<M extends StateMachine> {
  readonly #parts: ShardParts<M>;
  readonly #machine: M;
  readonly #timers: TimerHeap;
  readonly #ended = new AbortController();
  /** Requests without an answer yet. */
  readonly #waiting = new Set<Ticket<never>>();
  #leaderEpoch: number;
  #isServing = false;
  /** The last append that may not be committed yet. */
  #last: Parked | null = null;
  #timer: Timer | null = null;
  #timerAtMs = Number.POSITIVE_INFINITY;

  constructor(parts: ShardParts<M>, leaderEpoch: number) {
    this.#parts = parts;
    this.#leaderEpoch = leaderEpoch;
    this.#timers = new TimerHeap((deadlineMs) => this.#arm(deadlineMs));
    this.#machine = parts.makeMachine({
      timers: this.#timers,
      leaderEpoch: () => this.#leaderEpoch,
      batchBytesMax: () => {
        const standing = parts.stateLog.standing();
        return standing.error === null ? standing.batchBytesMax : 0;
      },
    });
  }

  get isServing(): boolean {
    return this.#isServing;
  }

  /** As it is now, to be read only; null: it does not serve. What it says may not be committed yet. */
  get machine(): M | null {
    return this.#isServing ? this.#machine : null;
  }

  /** Requests that wait for others or for the replicas. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /** The leadership continues in a higher epoch: the log is the same, and so is the state built from it. */
  goOn(leaderEpoch: number): void {
    this.#leaderEpoch = leaderEpoch;
  }

  /** Reads the log; serves from when it resolves, unless the leadership ended. */
  async load(): Promise<void> {
    const { stateLog, clock, log } = this.#parts;
    const startMs = clock.monotonicMs();
    const replay: M["replay"] = (record, batch) => {
      if (!this.#ended.signal.aborted) this.#machine.replay(record, batch);
    };
    const loaded = await stateLog.readWhole(replay, this.#ended.signal);
    if (loaded === null || this.#ended.signal.aborted) return;
    invariant(!this.#isServing && this.#last === null, "a shard appends nothing before it has read its log");
    this.#machine.loaded(this.#now());
    this.#isServing = true;
    const next = this.#timers.nextMs();
    if (next !== null) this.#arm(next);
    const tookMs = Math.round(clock.monotonicMs() - startMs);
    log.info({ partition: stateLog.ref.partition, ...loaded, tookMs }, `coordinating the ${stateLog.what} of a partition`);
  }

  /** The leadership is over: nothing that waits will be answered here. */
  end(): void {
    this.#ended.abort();
    this.#isServing = false;
    this.#timer?.cancel();
    this.#timer = null;
    for (const ticket of [...this.#waiting]) ticket.fail("NOT_COORDINATOR");
    this.#waiting.clear();
    this.#machine.ended();
  }

  /**
   * Errors: NOT_COORDINATOR, COORDINATOR_LOAD_IN_PROGRESS while the log is read, COORDINATOR_NOT_AVAILABLE when too much waits or a commit
   * takes too long, or why the records were refused.
   */
  run<T>(operation: (machine: M, now: Now) => Decision<T>): Promise<Ran<T>> {
    const { stateLog, config } = this.#parts;
    if (!this.#isServing) return refused(this.#ended.signal.aborted ? "NOT_COORDINATOR" : "COORDINATOR_LOAD_IN_PROGRESS");
    const standing = stateLog.standing();
    // Race (I8): (1) this process is stopped for longer than its session lives, another broker coordinates; (2) it wakes up and finds
    // requests in its buffers. What it knows is old.
    if (standing.error !== null || !standing.isProved) return refused("NOT_COORDINATOR");
    if (this.#waiting.size >= config.waitingMax) return refused("COORDINATOR_NOT_AVAILABLE");
    const now = this.#now();
    const decision = operation(this.#machine, now);
    const ticket = decision.answer instanceof Ticket ? decision.answer : new Ticket<T>();
    this.#track(ticket);
    const own = decision.answer instanceof Ticket ? [] : [ticket.settlement(decision.answer)];
    const refusal = this.#carryOut(decision, own, now);
    if (refusal !== null) ticket.fail(refusal);
    return ticket.answer;
  }

  /** Something that is not a request. */
  runAll(operation: (machine: M, now: Now) => readonly Decision<null>[]): void {
    if (!this.#isServing) return;
    const now = this.#now();
    for (const decision of operation(this.#machine, now)) this.#carryOut(decision, [], now);
  }

  /** Appends, replays, parks the answers. Answers why the records were refused, or null. */
  #carryOut(decision: Effects, own: readonly Settlement[], now: Now): KafkaError | null {
    // what was already changed in memory (and only there) has its answers, whatever happens to the records
    const settled = decision.settled ?? [];
    const refusal = this.#append(decision, now);
    this.#park(refusal === null ? [...settled, ...own, ...(decision.accepted?.() ?? [])] : settled);
    return refusal;
  }

  /**
   * The end of a transaction, after all that was decided before. Where the log takes it, it is replayed in the same turn, and so are those
   * that come after it told what it changed. NOT_LEADER_OR_FOLLOWER while the log is read: what is read has an end, and whoever sends the
   * marker sends it again.
   */
  appendMarker(marker: VersionedMarker): Outcome<AppendedState> {
    if (!this.#isServing) return { error: "NOT_LEADER_OR_FOLLOWER" };
    const { stateLog } = this.#parts;
    const standing = stateLog.standing();
    if (standing.error !== null) return standing;
    const appended = stateLog.appendMarker(marker);
    // nothing was appended of one that the log has the like of
    if (appended.error !== null || appended.endOffset === standing.endOffset) return appended;
    const { endOffset, committed } = appended;
    this.#last = { endOffset, committed, settlements: [], isOver: false };
    const { producerId, producerEpoch } = marker;
    const batch = { baseOffset: standing.endOffset, producerId, producerEpoch, baseSequence: noSequence };
    for (const { key, value } of decodeBatch(encodeEndMarker(marker, this.#now().wallMs)))
      if (key !== null) this.#machine.replay({ key, value }, { ...batch, isTransactional: true, isControl: true });
    this.#watch(this.#last);
    return appended;
  }

  #append({ records, divisible = false, transaction }: Effects, now: Now): KafkaError | null {
    if (records.length === 0) return null;
    const standing = this.#parts.stateLog.standing();
    if (standing.error !== null) return refusalOf(standing.error);
    const batches = inBatches(records, { batchBytesMax: standing.batchBytesMax, divisible, timestampMs: now.wallMs, transaction });
    if (batches === null) return "MESSAGE_TOO_LARGE";
    const before = this.#last;
    let refusal: KafkaError | null = null;
    for (const batch of batches) {
      refusal = this.#appendBatch(batch, transaction);
      if (refusal !== null) break;
    }
    if (this.#last !== null && this.#last !== before) this.#watch(this.#last);
    return refusal;
  }

  #appendBatch({ bytes, records }: EncodedBatch, transaction: Transaction | undefined): KafkaError | null {
    const appended = this.#parts.stateLog.append(bytes, transaction?.guard);
    if (appended.error !== null) return refusalOf(appended.error);
    const { endOffset, committed } = appended;
    const baseOffset = endOffset - records.length;
    invariant(baseOffset >= (this.#last?.endOffset ?? 0), "appends follow each other", () => ({ baseOffset, last: this.#last?.endOffset }));
    this.#last = { endOffset, committed, settlements: [], isOver: false };
    const batch = { baseOffset, ...(transaction === undefined ? ordinary : transactional(transaction)) };
    for (const record of records) this.#machine.replay(record, batch);
    return null;
  }

  /** These answers go out when everything appended up to here is committed. */
  #park(settlements: readonly Settlement[]): void {
    if (settlements.length === 0) return;
    const last = this.#last;
    if (last === null) {
      this.#answer(settlements, null);
      return;
    }
    if (!last.isOver) {
      for (const settlement of settlements) last.settlements.push(settlement);
      return;
    }
    // the last append takes longer than answers wait: requests that arrive now wait as long for it
    const waitedAgain: Parked = { ...last, settlements: [...settlements], isOver: false };
    this.#last = waitedAgain;
    this.#watch(waitedAgain);
  }

  #watch(parked: Parked): void {
    const { deadlines, clock, config } = this.#parts;
    const forget = deadlines.add(clock.monotonicMs() + config.commitTimeoutMs, () => this.#settle(parked, "COORDINATOR_NOT_AVAILABLE"));
    void parked.committed.then((end) => {
      forget();
      if (this.#last === parked) this.#last = null;
      this.#settle(parked, end === "NONE" ? null : refusalOf(end));
    });
  }

  #settle(parked: Parked, error: KafkaError | null): void {
    if (parked.isOver) return;
    parked.isOver = true;
    const { settlements } = parked;
    parked.settlements = [];
    this.#answer(settlements, error);
  }

  /**
   * Very many are sent over several turns. When the leadership ends meanwhile, those that are left have been failed with all that wait, and
   * this does nothing to them.
   */
  #answer(settlements: readonly Settlement[], error: KafkaError | null, from = 0): void {
    const end = Math.min(from + answersPerTurnMax, settlements.length);
    for (let at = from; at < end; at++) {
      const { release, fail } = settlements[at]!;
      if (error === null) release();
      else fail(error);
    }
    if (end < settlements.length) this.#parts.clock.schedule(0, () => this.#answer(settlements, error, end));
  }

  #track<T>(ticket: Ticket<T>): void {
    const waiting = ticket as unknown as Ticket<never>;
    this.#waiting.add(waiting);
    void ticket.answer.then(() => this.#waiting.delete(waiting));
  }

  #arm(deadlineMs: number): void {
    if (!this.#isServing || deadlineMs >= this.#timerAtMs) return;
    const { clock } = this.#parts;
    this.#timer?.cancel();
    this.#timerAtMs = deadlineMs;
    const delayMs = Math.min(Math.max(0, deadlineMs - clock.monotonicMs()), sleepMaxMs);
    this.#timer = clock.schedule(delayMs, () => this.#tick());
  }

  #tick(): void {
    this.#timer = null;
    this.#timerAtMs = Number.POSITIVE_INFINITY;
    if (!this.#isServing) return;
    const now = this.#now();
    const standing = this.#parts.stateLog.standing();
    // no member is removed by a broker that cannot tell whether it still coordinates
    if (standing.error !== null || !standing.isProved) return this.#arm(now.monotonicMs + retryMs);
    for (let handled = 0; handled < timersPerTurnMax; handled++) {
      const expired = this.#timers.takeDue(now.monotonicMs);
      if (expired === null) break;
      const refusal = this.#carryOut(expired.decide(now), [], now);
      if (refusal !== null) this.#timers.set(expired.key, now.monotonicMs + retryMs, expired.decide);
    }
    const next = this.#timers.nextMs();
    if (next !== null) this.#arm(next);
  }

  #now(): Now {
    const { clock } = this.#parts;
    return { monotonicMs: clock.monotonicMs(), wallMs: clock.nowMs() };
  }
}

/** What our own batches say of a producer, unless they are part of a transaction: there is none. */
const ordinary: Omit<ReplayedBatch, "baseOffset"> = {
  producerId: noProducerId,
  producerEpoch: -1,
  baseSequence: noSequence,
  isTransactional: false,
  isControl: false,
};

function transactional({ producerId, producerEpoch }: Transaction): Omit<ReplayedBatch, "baseOffset"> {
  return { ...ordinary, producerId, producerEpoch, isTransactional: true };
}

function refused<T>(error: KafkaError): Promise<Ran<T>> {
  return Promise.resolve({ error });
}

/** A partition's errors, as a coordinator's clients know them. */
function refusalOf(error: KafkaErrorCode): KafkaError {
  switch (error) {
    case "NOT_LEADER_OR_FOLLOWER":
    case "KAFKA_STORAGE_ERROR":
      return "NOT_COORDINATOR";
    case "MESSAGE_TOO_LARGE":
    // of a producer's transaction
    case "INVALID_PRODUCER_EPOCH":
    case "INVALID_TXN_STATE":
      return error;
    default:
      invariant(error !== "NONE", "a refusal has an error");
      return "COORDINATOR_NOT_AVAILABLE";
  }
}
