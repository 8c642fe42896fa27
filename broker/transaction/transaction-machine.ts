import { partitionKey, type TopicPartition } from "../../protocol/base/ids.ts";
import { invariant } from "../../protocol/base/invariant.ts";
import type { KafkaError, KafkaErrorCode } from "../../protocol/errors/kafka-errors.ts";
import {
  answered,
  type Decision,
  type Now,
  type ReplayedBatch,
  type ShardEnvironment,
  type StateMachine,
  type StateRecord,
} from "../state-machine/contract.ts";
import type { StateMemory } from "../state-machine/state-memory.ts";
import { sweep } from "../state-machine/sweep.ts";
import type { Settlement } from "../state-machine/ticket.ts";
import { EndingWaits } from "./ending-waits.ts";
import type { EndedTransaction, MarkerSender } from "./marker-order.ts";
import {
  completed,
  contains,
  type Ending,
  follows,
  initialized,
  isPrepared,
  newTransaction,
  type Producer,
  placesOf,
  prepared,
  raisingVersion,
  type Transaction,
  withPartitions,
} from "./transaction.ts";
import { TransactionBook } from "./transaction-book.ts";
import { readTransaction, readTransactionKey, transactionRecord, transactionTombstone } from "./transaction-records.ts";
import { type EndOrder, judgeAdd, judgeEnd, judgeInit, judgeVerification } from "./transaction-rules.ts";

export interface TransactionMachineConfig {
  /** `transaction.abort.timed.out.transaction.cleanup.interval.ms` */
  readonly timeoutCheckMs: number;
  /** `transactional.id.expiration.ms` */
  readonly expirationMs: number;
  /** `transaction.remove.expired.transaction.cleanup.interval.ms` */
  readonly expirationCheckMs: number;
}

export interface TransactionMachineParts extends ShardEnvironment {
  readonly sender: MarkerSender;
  /** Shared with the other shards of the broker. */
  readonly memory: StateMemory;
  readonly config: TransactionMachineConfig;
  /** The cluster's finalized `transaction.version`. */
  readonly transactionVersion: () => number;
}

export interface InitOrder {
  readonly timeoutMs: number;
  /** What the producer had; null: it begins anew. */
  readonly expected: Producer | null;
  /** A producer id that nobody has; null: none was fetched yet. */
  readonly freshId: number | null;
}

/** `needs-id`: nothing was done; to be asked again with a fresh producer id. */
export type WithProducer = { readonly error: KafkaError } | ({ readonly error: null } & Producer) | "needs-id";

export interface DescribedTransaction {
  readonly transaction: Transaction;
  /** While it is being ended: those without their marker. */
  readonly partitions: readonly TopicPartition[];
}

const timeoutTimer = "time out";
const expiryTimer = "expire";
const retryMs = 1_000;
/** Ids looked at in one turn of the loop. */
const looksPerTurnMax = 5_000;
const pauseMs = 1;
/**
 * A transaction's record has all its partitions, and is written anew with each that joins: a request of a few bytes must not append
 * megabytes. So much has tens of thousands of partitions.
 */
const recordBytesMax = 256 * 1024;
/** What the record about its end takes beyond the one about its partitions: without that much room, a transaction could not be ended. */
const endingBytes = 256;

/**
 * Everything a shard knows of its transactional ids, and how each request is handled. No I/O: requests and time in, decisions out; records
 * in, state changed.
 *
 * Its races, with the coordinator itself:
 *   - It dies between Prepare and the markers, or between them and Complete: the next one reads Prepare in the log, and sends them all
 *     again (`loaded`). A partition that has its marker answers that it has.
 *   - It sleeps, and wakes up: its appends are refused, for its leadership is over, and markers that it still sends have the epoch of that
 *     leadership, which the partitions refuse once they have seen the next coordinator's.
 *   - A timeout and an EndTxn: whichever record is appended first decides; the other request meets its outcome.
 *   - The wall clock jumps: timeouts count monotonic time, and begin anew where the log is loaded. Only what is too old to be kept is told
 *     by the wall clock, once, when it is loaded.
 */
export class TransactionMachine implements StateMachine {
  readonly #parts: TransactionMachineParts;
  readonly #book: TransactionBook;
  readonly #ended = new AbortController();
  readonly #waits = new EndingWaits();
  /** Of the operation under way. */
  #now: Now = { monotonicMs: 0, wallMs: 0 };
  #isLoaded = false;

  constructor(parts: TransactionMachineParts) {
    this.#parts = parts;
    this.#book = new TransactionBook(parts.memory);
  }

  replay({ key, value }: StateRecord, { isControl }: ReplayedBatch): void {
    if (isControl) return;
    const transactionalId = readTransactionKey(key);
    if (transactionalId === null) return;
    if (value === null) this.#book.delete(transactionalId);
    else this.#apply(readTransaction(transactionalId, value));
  }

  loaded(now: Now): void {
    invariant(!this.#isLoaded, "a log is loaded once");
    this.#isLoaded = true;
    this.#now = now;
    this.#book.loaded(now);
    for (const id of this.#book.ids()) this.#send(id);
    this.#lookForTimeouts(now.monotonicMs + this.#parts.config.timeoutCheckMs);
    this.#scheduleExpiry(now);
  }

  ended(): void {
    this.#ended.abort();
    this.#book.clear();
    this.#waits.endAll();
  }

  /** Ids here. */
  get size(): number {
    return this.#book.size;
  }

  get ongoingCount(): number {
    return this.#book.ongoing.size;
  }

  /** InitProducerId with a transactional id. */
  initProducer(transactionalId: string, order: InitOrder, now: Now): Decision<WithProducer> {
    this.#now = now;
    const known = this.#book.get(transactionalId)?.transaction;
    const { timeoutMs, expected, freshId } = order;
    const verdict = judgeInit(known, expected);
    if (verdict.kind === "refused") return answered({ error: verdict.error });
    if (verdict.kind === "rotates" && freshId === null) return answered<WithProducer>("needs-id");
    if (known === undefined) return this.#admitted(newTransaction(transactionalId, freshId!, timeoutMs, now.wallMs));
    const { producerId, producerEpoch, previousProducerId, lastProducerEpoch } = known;
    const same = { producerId, producerEpoch, previousProducerId, lastProducerEpoch, timeoutMs };
    switch (verdict.kind) {
      case "fences":
        return this.#decide<WithProducer>(this.#abandoned(known), { error: "CONCURRENT_TRANSACTIONS" });
      case "repeated":
        return this.#began(initialized(known, same, now.wallMs));
      case "raises": {
        const last = verdict.isRecognized ? producerEpoch : -1;
        const raised = { ...same, producerEpoch: producerEpoch + 1, lastProducerEpoch: last, previousProducerId: -1 };
        return this.#began(initialized(known, raised, now.wallMs));
      }
      case "rotates": {
        const recognized = verdict.isRecognized ? { previousProducerId: producerId, lastProducerEpoch: producerEpoch } : noneBefore;
        return this.#began(initialized(known, { producerId: freshId!, producerEpoch: 0, timeoutMs, ...recognized }, now.wallMs));
      }
    }
  }

  /** Partitions join the transaction, which begins with the first of them. */
  addPartitions(
    transactionalId: string,
    producer: Producer,
    partitions: readonly TopicPartition[],
    version: number,
    now: Now,
  ): Decision<KafkaErrorCode> {
    this.#now = now;
    const known = this.#book.get(transactionalId)?.transaction;
    const verdict = judgeAdd(known, producer, partitions);
    if (verdict.kind === "refused") return answered<KafkaErrorCode>(verdict.error);
    if (verdict.kind === "known") return answered<KafkaErrorCode>("NONE");
    invariant(known !== undefined, "only to a known id something is added");
    const next = withPartitions(known, partitions, version, now.wallMs);
    if (!this.#book.hasRoomFor(next)) return answered<KafkaErrorCode>("COORDINATOR_NOT_AVAILABLE");
    const record = transactionRecord(next);
    const bytes = record.key.length + (record.value?.length ?? 0) + endingBytes;
    if (bytes > Math.min(this.#parts.batchBytesMax(), recordBytesMax)) return answered<KafkaErrorCode>("MESSAGE_TOO_LARGE");
    return { records: [record], answer: "NONE" };
  }

  /** For each partition, whether it is in the transaction; TRANSACTION_ABORTABLE: it is not. */
  verify(transactionalId: string, producer: Producer, partitions: readonly TopicPartition[]): Decision<readonly KafkaErrorCode[]> {
    const known = this.#book.get(transactionalId)?.transaction;
    const verdict = judgeVerification(known, producer);
    const ofEach = (place: TopicPartition): KafkaErrorCode => {
      if (verdict.kind === "refused") return verdict.error;
      return known !== undefined && contains(known, place) ? "NONE" : "TRANSACTION_ABORTABLE";
    };
    return answered(partitions.map(ofEach));
  }

  /** EndTxn. */
  end(transactionalId: string, order: EndOrder & { readonly freshId: number | null }, now: Now): Decision<WithProducer> {
    this.#now = now;
    const known = this.#book.get(transactionalId)?.transaction;
    const verdict = judgeEnd(known, order);
    if (verdict.kind === "refused") return answered({ error: verdict.error });
    if (verdict.kind === "repeated") return answered({ error: null, ...verdict.follows });
    if (verdict.needsId && order.freshId === null) return answered<WithProducer>("needs-id");
    invariant(known !== undefined, "only a known id is ended");
    const { kind, raisesEpoch } = order;
    const version = raisesEpoch ? raisingVersion : 0;
    const ending: Ending = { kind, raisesEpoch, version, nextProducerId: verdict.needsId ? order.freshId! : -1 };
    const next = prepared(known, ending, now.wallMs);
    const answer: WithProducer = { error: null, ...follows(next) };
    // nothing was written: no partition needs a marker
    if (next.partitions.size === 0) return { records: [transactionRecord(next), transactionRecord(completed(next, now.wallMs))], answer };
    return this.#decide<WithProducer>(next, answer);
  }

  /** These have their marker. With the last of them, the transaction is complete. */
  marked(ended: EndedTransaction, partitions: readonly TopicPartition[], now: Now): Decision<null> {
    this.#now = now;
    const entry = this.#book.get(ended.transactionalId);
    // told late: of a transaction that is over
    if (entry === undefined || !isAbout(entry.transaction, ended)) return answered(null);
    for (const { topic, partition } of partitions) entry.unmarked.delete(partitionKey(topic, partition));
    if (entry.unmarked.size > 0) return answered(null);
    const { transactionalId } = ended;
    // should the record be refused
    this.#parts.timers.set(completionTimer(transactionalId), now.monotonicMs + retryMs, (then) => this.#completion(transactionalId, then));
    return this.#completion(transactionalId, now);
  }

  /** A partition has a marker of a later coordinator. That may be this one, in a later epoch of its leadership. */
  fenced(ended: EndedTransaction): Decision<null> {
    const entry = this.#book.get(ended.transactionalId);
    const isLater = this.#parts.leaderEpoch() > ended.coordinatorEpoch;
    if (entry !== undefined && isAbout(entry.transaction, ended) && isLater) this.#send(ended.transactionalId);
    return answered(null);
  }

  describe(transactionalId: string): Decision<DescribedTransaction | null> {
    const entry = this.#book.get(transactionalId);
    if (entry === undefined) return answered(null);
    const { transaction, unmarked } = entry;
    const places = isPrepared(transaction.state) ? unmarked : placesOf(transaction);
    return answered({ transaction, partitions: [...places.values()] });
  }

  list(): Decision<readonly Transaction[]> {
    return answered([...this.#book.values()].map(({ transaction }) => transaction));
  }

  /** Resolves when what is being ended under this id has ended, or the shard has; at once when nothing is; null: too many wait. */
  whenEnded(transactionalId: string): Promise<void> | null {
    const state = this.#book.get(transactionalId)?.transaction.state;
    return state !== undefined && isPrepared(state) ? this.#waits.wait(transactionalId) : Promise.resolve();
  }

  #apply(transaction: Transaction): void {
    const { transactionalId, state } = transaction;
    this.#book.set(transaction, this.#now.monotonicMs);
    if (!isPrepared(state)) this.#waits.hasEnded(transactionalId);
    if (this.#isLoaded && !isPrepared(state)) this.#parts.timers.cancel(completionTimer(transactionalId));
  }

  #admitted(transaction: Transaction): Decision<WithProducer> {
    return this.#book.hasRoomFor(transaction) ? this.#began(transaction) : answered({ error: "COORDINATOR_NOT_AVAILABLE" });
  }

  /** What the record does not say of it is kept in memory: a coordinator that loads the log does not recognise the epoch before. */
  #began(transaction: Transaction): Decision<WithProducer> {
    const { transactionalId, producerId, producerEpoch, lastProducerEpoch } = transaction;
    const accepted = () => {
      this.#book.remember(transactionalId, lastProducerEpoch);
      return [];
    };
    return { records: [transactionRecord(transaction)], answer: { error: null, producerId, producerEpoch }, accepted };
  }

  /** The transaction is aborted by the coordinator: its producer is fenced by the raised epoch. */
  #abandoned(known: Transaction): Transaction {
    const version = this.#parts.transactionVersion();
    return prepared(known, { kind: "abort", raisesEpoch: true, version, nextProducerId: -1 }, this.#now.wallMs);
  }

  /** The markers go out when the record is committed: an outcome that a failing leader could lose is told to nobody. */
  #decide<T>(next: Transaction, answer: T): Decision<T> {
    const { transactionalId } = next;
    return { records: [transactionRecord(next)], answer, accepted: () => [this.#sending(transactionalId)] };
  }

  /** When the commit takes too long, answers are over; the order waits on. */
  #sending(transactionalId: string): Settlement {
    return {
      release: () => this.#send(transactionalId),
      fail: () => {
        if (this.#ended.signal.aborted) return;
        const again = () => ({ records: [], answer: null, settled: [this.#sending(transactionalId)] });
        this.#parts.timers.set(`send ${transactionalId}`, this.#now.monotonicMs + retryMs, again);
      },
    };
  }

  #send(transactionalId: string): void {
    const entry = this.#book.get(transactionalId);
    if (entry === undefined || this.#ended.signal.aborted) return;
    const { transaction, unmarked } = entry;
    const { producerId, producerEpoch, clientVersion: transactionVersion, state } = transaction;
    if (!isPrepared(state)) return;
    const kind = state === "PrepareCommit" ? "commit" : "abort";
    const ended = {
      transactionalId,
      producerId,
      producerEpoch,
      coordinatorEpoch: this.#parts.leaderEpoch(),
      transactionVersion,
      kind,
    } as const;
    this.#parts.sender.send({ ...ended, partitions: [...unmarked.values()], signal: this.#ended.signal });
  }

  #completion(transactionalId: string, now: Now): Decision<null> {
    this.#now = now;
    const entry = this.#book.get(transactionalId);
    if (entry === undefined || !isPrepared(entry.transaction.state) || entry.unmarked.size > 0) return answered(null);
    return { records: [transactionRecord(completed(entry.transaction, now.wallMs))], answer: null };
  }

  /** One after the other: each record may be as large as a batch. */
  #lookForTimeouts(atMs: number, places: Iterator<string> | null = null): void {
    this.#parts.timers.set(timeoutTimer, atMs, (now) => {
      this.#now = now;
      const steps = places ?? [...this.#book.ongoing][Symbol.iterator]();
      const found = this.#nextOverdue(steps, now);
      if (found === "end") this.#lookForTimeouts(now.monotonicMs + this.#parts.config.timeoutCheckMs);
      else this.#lookForTimeouts(now.monotonicMs + pauseMs, steps);
      // refused: the timer is called again, and goes on with the others; this one is found at the next look
      return typeof found === "string" ? answered(null) : this.#decide(this.#abandoned(found), null);
    });
  }

  #nextOverdue(steps: Iterator<string>, { monotonicMs }: Now): Transaction | "none" | "end" {
    for (let looks = 0; looks < looksPerTurnMax; looks++) {
      const { done, value } = steps.next();
      if (done === true) return "end";
      const entry = this.#book.get(value);
      if (entry?.transaction.state === "Ongoing" && monotonicMs - entry.openSinceMs >= entry.transaction.timeoutMs)
        return entry.transaction;
    }
    return "none";
  }

  /**
   * A producer that sleeps for longer than its id is kept finds it unknown (INVALID_PRODUCER_ID_MAPPING), or, with InitProducerId, begins
   * with another producer id: nothing that it still has in flight is taken for the new one's.
   */
  #scheduleExpiry(now: Now): void {
    const { timers, config } = this.#parts;
    const steps = this.#everyId();
    const isOver = (id: string, { monotonicMs }: Now) => {
      const entry = this.#book.get(id);
      if (entry === undefined || entry.transaction.state === "Ongoing" || isPrepared(entry.transaction.state)) return false;
      return monotonicMs - entry.sinceMs >= config.expirationMs;
    };
    const recordsOf = (id: string, then: Now) => {
      this.#now = then;
      return isOver(id, then) ? [transactionTombstone(id)] : [];
    };
    const whenOver = (then: Now) => this.#scheduleExpiry(then);
    sweep(
      { timers, key: expiryTimer, steps, bytesOf: (id) => 2 * id.length + 64, recordsOf, whenOver },
      now.monotonicMs + config.expirationCheckMs,
    );
  }

  /** As they are when the sweep begins. */
  *#everyId(): Generator<string> {
    yield* [...this.#book.ids()];
  }
}

const completionTimer = (transactionalId: string) => `complete ${transactionalId}`;

const noneBefore = { previousProducerId: -1, lastProducerEpoch: -1 } as const;

function isAbout({ state, producerId, producerEpoch }: Transaction, ended: EndedTransaction): boolean {
  return isPrepared(state) && producerId === ended.producerId && producerEpoch === ended.producerEpoch;
}
