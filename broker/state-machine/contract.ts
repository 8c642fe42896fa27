import type { BatchInfo } from "../../protocol/records/batch-header.ts";
import type { AppendOptions } from "../partition/client-contract.ts";
import type { Settlement, Ticket } from "./ticket.ts";

/**
 * State that this broker keeps in the partitions of an internal topic, as a replicated state machine: the log is the truth, and the state
 * in memory is derived from its records. Each partition that this broker leads has a *shard*, with a state machine of its user's kind. A
 * shard runs one operation at a time, each in one turn of the loop:
 *
 *   1. decide the operation reads the machine's state and answers a Decision: records, and the answer. The state that the records describe
 *      is not changed yet.
 *   2. append   the records go to the partition's log as one batch. Refused (too few in-sync replicas, too large, ...): nothing was
 *      appended, nothing changes, the answer is the error.
 *   3. replay   accepted: the same `replay` that reads the log after a move applies the records to the state, in the same turn. Then
 *      `accepted` changes what is kept in memory only.
 *   4. park the answer waits until the in-sync replicas have everything that was appended up to here. So do the answers of operations
 *      without records: no client ever sees a state that a failing leader could still lose.
 *
 * An append that was accepted is never rolled back: it is committed, or the leadership ends, and with it the shard and all that waits in it
 * (NOT_COORDINATOR). When a commit takes too long, the *answer* is COORDINATOR_NOT_AVAILABLE; the record stays in the log and in the state,
 * which therefore always agree. A new leader replays its log to the end and serves only when all of it is committed.
 */

/** What the user of this room brings: its state, and what records mean for it. No I/O: requests and time in, decisions out. */
export interface StateMachine {
  /**
   * Applies a record: one of the log when it is loaded, or one that was just appended. Throws MalformedFrame for one of the log that it
   * cannot read: that is skipped, with a line in the broker's log. Records of control batches are passed in, too: their keys are not the
   * machine's own.
   */
  replay(record: StateRecord, batch: ReplayedBatch): void;
  /** The whole log was replayed and is committed: timers may be set, and operations follow. */
  loaded(now: Now): void;
  /** The leadership is over: nothing is asked of it any more. */
  ended(): void;
}

/** What a machine gets from its shard. */
export interface ShardEnvironment {
  readonly timers: ShardTimers;
  /**
   * The present epoch of the leadership that the shard lives for: it may continue in a higher one. Fences what an earlier coordinator
   * began.
   */
  leaderEpoch(): number;
  /** The largest batch that the log accepts now: what could only be changed by a larger one is not begun. */
  batchBytesMax(): number;
}

/** When something happens. Timeouts are counted in `monotonicMs`, what goes into records in `wallMs`. */
export interface Now {
  readonly monotonicMs: number;
  readonly wallMs: number;
}

/** One record of an internal topic. A null value is a tombstone. */
export interface StateRecord {
  readonly key: Buffer;
  readonly value: Buffer | null;
}

/**
 * The batch that a record came in. A batch appended by a decision has no producer (-1), unless it has a `transaction`; a batch of the log
 * may belong to a transaction, or be the control batch that ends one.
 */
export type ReplayedBatch = Pick<
  BatchInfo,
  "baseOffset" | "producerId" | "producerEpoch" | "baseSequence" | "isTransactional" | "isControl"
>;

/** The connection that a request came over: what it says of the request's age. */
export interface RequestOrigin {
  /** When the connection was accepted, monotonic. No request that came over it was sent before. */
  readonly acceptedMs: number;
  /** Nothing more is begun that comes over it: what was begun is answered, then it is closed, and the client opens another. */
  retire(): void;
}

/** The outcome of an operation. Records are appended together or not at all, unless they are `divisible`. */
export interface Decision<T> {
  readonly records: readonly StateRecord[];
  /**
   * Each record has a meaning of its own: they may be appended in several batches, and be refused from one of them on. For what can outgrow
   * a batch. Default false.
   */
  readonly divisible?: boolean;
  /**
   * The records are part of the transaction that this producer has open: they are in the log as its batches, and a control batch of it says
   * what becomes of them (`Shards.appendMarker`). The log refuses a producer whose epoch is over. Left out: they are nobody's.
   */
  readonly transaction?: Transaction;
  /** The answer to the request, or the ticket of one that a later decision settles. */
  readonly answer: T | Ticket<T>;
  /** Tickets of earlier requests that are answered with this decision, once it is committed. */
  readonly settled?: readonly Settlement[];
  /**
   * Called in the same turn when the records were appended and replayed: changes the state that records do not hold (waiting requests,
   * timers), and may settle more tickets.
   */
  readonly accepted?: () => readonly Settlement[];
}

export interface Transaction extends Pick<ReplayedBatch, "producerId" | "producerEpoch"> {
  /** Needed where the producer has nothing open in the partition: see `Shards.enter`. */
  readonly guard?: AppendOptions["guard"];
}

/** A decision that only answers. */
export interface Answered<T> {
  readonly records: readonly StateRecord[];
  readonly answer: T;
}

export function answered<T>(answer: T): Answered<T> {
  return { records: [], answer };
}

/**
 * Timers of a shard, by key; setting a key again replaces it. Moving a deadline to later costs next to nothing. Times are
 * monotonic.
 */
export interface ShardTimers {
  /** `expired` is an operation like any other. When its records are refused, it is called again a while later. */
  set(key: string, deadlineMs: number, expired: (now: Now) => Decision<null>): void;
  cancel(key: string): void;
}
