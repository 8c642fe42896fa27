import type { TopicPartition } from "../../protocol/base/ids.ts";
import {
  InvalidArgument,
  InvalidTransactionState,
  KafkaProtocolError,
  ProducerFailed,
  TransactionFailed,
  TransactionOutcomeUnknown,
} from "../base/errors.ts";
import type { GroupMetadata, TransactionPosition } from "../coordinator/group-metadata.ts";
import type { Cluster } from "../metadata/cluster.ts";
import { judgeFailure, mayBeDone, type RefusedBy } from "./transaction-errors.ts";
import { checkMayBegin, checkMayEnd, checkMaySend, type Ending, type Phase, stopReason } from "./transaction-phase.ts";
import { type Patience, type TransactionIdentity, TransactionRequests } from "./transaction-requests.ts";
import type { TransactionVersion } from "./transaction-version.ts";

export interface TransactionSettings {
  readonly transactionalId: string;
  readonly transactionTimeoutMs: number;
  /** How long the end of a transaction is asked for. Milliseconds. */
  readonly deliveryTimeoutMs: number;
  /** How long beginning may take: the transaction of a producer before may have to be ended first. Milliseconds. */
  readonly maxBlockMs: number;
}

/** The producer, as its transactions see it. */
export interface TransactionWriter {
  /** What is sent from now on is written under this id and epoch. */
  useIdentity(identity: TransactionIdentity): void;
  /** Resolves when all that was sent was acknowledged or has failed. */
  flush(): Promise<void>;
  /** What has not left yet fails with the reason. */
  drop(reason: Error): void;
  /** What may be written has changed. */
  wake(): void;
}

/** A partition to write to. `key` is what it is known by here. */
export interface WrittenPartition extends TopicPartition {
  readonly key: string;
}

/**
 * A transactional producer's transactions, one at a time.
 *
 * What must hold at the end of one:
 * 1. Everything that was sent in it was acknowledged before its commit is asked for, and whatever fails makes it one that can only be
 *    aborted.
 * 2. Nothing of it is on its way when its end is asked for. Of version 1, a batch whose answer was lost may still be: then the epoch is
 *    raised after the abort, and its leader refuses it.
 * 3. An end that was asked for and not answered is asked for again with the same epoch, until an answer says how it ended. It is never said
 *    to be aborted while the commit may have been carried out.
 */
export class Transactions {
  readonly transactionalId: string;
  readonly #cluster: Cluster;
  readonly #settings: TransactionSettings;
  readonly #writer: TransactionWriter;
  readonly #requests: TransactionRequests;
  #phase: Phase = { kind: "fresh" };
  /** Counts transactions: what belongs to an earlier one has no say in this one. */
  #serial = 0;
  #identity: TransactionIdentity | null = null;
  #version: TransactionVersion = 1;
  /** Something under the present epoch is lost, or may arrive late: nothing else is written under it. */
  #mustRaise = false;
  /** The coordinator knows of it, or may. */
  #isKnown = false;
  /** Whether the coordinator has them, or is being asked to. */
  readonly #added = new Map<string, boolean>();
  readonly #toAdd = new Map<string, WrittenPartition>();
  #adding: Promise<void> | null = null;
  readonly #groups = new Set<string>();
  readonly #offsetsUnderWay = new Set<Promise<void>>();

  constructor(cluster: Cluster, settings: TransactionSettings, writer: TransactionWriter) {
    this.transactionalId = settings.transactionalId;
    this.#cluster = cluster;
    this.#settings = settings;
    this.#writer = writer;
    this.#requests = new TransactionRequests(cluster, settings.transactionalId, settings.transactionTimeoutMs);
  }

  /** By whose rules the present one is written. */
  get version(): TransactionVersion {
    return this.#version;
  }

  /** Why what waits to be sent will not be; null: it may be. */
  get stopReason(): Error | null {
    return stopReason(this.#phase);
  }

  /** Batches have waited for no id in vain: a transaction begins with one. */
  get lastError(): Error | null {
    return null;
  }

  /** Null: the producer goes on. */
  get overReason(): Error | null {
    return this.#phase.kind === "over" ? this.#phase.reason : null;
  }

  /** That transaction is not ended yet, as far as is known. */
  isPresent(serial: number): boolean {
    const { kind } = this.#phase;
    return serial === this.#serial && (kind === "open" || kind === "doomed" || kind === "ending" || kind === "unsettled");
  }

  /** Fences other producers of the id, once. `begin` does it, too. */
  async initialize(): Promise<void> {
    if (this.#phase.kind === "over") throw this.#phase.reason;
    if (this.#phase.kind === "fresh") await this.#prepare(this.#phase);
  }

  /** Returns the transaction's number. */
  async begin(): Promise<number> {
    checkMayBegin(this.#phase);
    await this.#prepare(this.#phase);
    this.#version = this.#requests.offered;
    this.#isKnown = false;
    this.#added.clear();
    this.#toAdd.clear();
    this.#groups.clear();
    this.#serial++;
    this.#phase = { kind: "open" };
    return this.#serial;
  }

  /** Ready for the next one: what the last one left unsettled is settled first. */
  async #prepare(before: Phase): Promise<void> {
    this.#phase = { kind: "beginning" };
    try {
      if (before.kind === "unsettled") await this.#settle(before.how, before.mayBeDone);
      this.#phase = { kind: "beginning" };
      if (this.#identity === null || this.#mustRaise) await this.#takeIdentity();
      this.#phase = { kind: "ready" };
    } catch (error) {
      if ((this.#phase as Phase).kind === "beginning") this.#phase = before.kind === "unsettled" ? { kind: "ready" } : before;
      throw error;
    }
  }

  async #settle(how: Ending, mayBeDone: boolean): Promise<void> {
    try {
      await this.#end(how, mayBeDone);
    } catch (error) {
      if ((this.#phase as Phase).kind !== "doomed") throw error;
      await this.#end("abort", true); // its commit was refused
    }
  }

  async #takeIdentity(): Promise<void> {
    try {
      const deadlineMs = this.#nowMs() + this.#settings.maxBlockMs;
      this.#use(await this.#requests.initialize(this.#identity, { deadlineMs }));
      this.#mustRaise = false;
    } catch (error) {
      if (!this.#cluster.isClosed && judgeFailure(error, "coordinator") === "fatal") throw this.#over(error);
      throw error;
    }
  }

  #use(identity: TransactionIdentity): void {
    const { producerId, producerEpoch } = this.#identity ?? {};
    if (identity.producerId === producerId && identity.producerEpoch === producerEpoch) return;
    this.#identity = identity;
    this.#mustRaise = false;
    this.#writer.useIdentity(identity);
  }

  #nowMs(): number {
    return this.#cluster.runtime.clock.monotonicMs();
  }

  /** Throws why nothing can be sent in it; returns its number. `serial` undefined: in whichever is open. */
  checkMaySend(serial: number | undefined): number {
    this.#checkIsPresent(serial);
    checkMaySend(this.#phase);
    return this.#serial;
  }

  #checkIsPresent(serial: number | undefined): void {
    if (serial !== undefined && serial !== this.#serial) throw new InvalidTransactionState("that transaction was ended before");
  }

  /**
   * Whether batches for the partition may go out. With version 1 it is added to the transaction first, together with others that wait for
   * the same.
   */
  admits(partition: WrittenPartition): boolean {
    if (this.#version === 2) {
      this.#isKnown = true;
      return true;
    }
    const isAdded = this.#added.get(partition.key);
    if (isAdded !== undefined) return isAdded;
    this.#toAdd.set(partition.key, partition);
    this.#adding ??= this.#add(this.#serial).finally(() => {
      this.#adding = null;
      this.#writer.wake();
    });
    return false;
  }

  async #add(serial: number): Promise<void> {
    await null; // what is sent in the same turn is added together
    const isWanted = () => serial === this.#serial && this.stopReason === null;
    while (this.#toAdd.size > 0 && isWanted()) {
      const partitions = [...this.#toAdd.values()];
      this.#toAdd.clear();
      for (const { key } of partitions) this.#added.set(key, false);
      this.#isKnown = true;
      try {
        await this.#requests.addPartitions(this.#presentIdentity, partitions, { ...this.#patience(), isWanted });
      } catch (error) {
        this.#mustRaise = true; // it may be added yet
        return this.#failed(serial, error, "coordinator");
      }
      for (const { key } of partitions) this.#added.set(key, true);
      this.#writer.wake();
    }
  }

  /** A batch of it has failed for good. `isNumbered`: it leaves a gap, or may arrive late. */
  batchFailed(error: unknown, isNumbered: boolean): void {
    if (this.#version === 1 && isNumbered) this.#mustRaise = true;
    this.#failed(this.#serial, error, "leader");
  }

  /** A record of it was not written, for whatever reason. */
  sendFailed(serial: number, error: unknown): void {
    this.#failed(serial, error, "leader");
  }

  #failed(serial: number, error: unknown, by: RefusedBy): void {
    const isOpen = this.#phase.kind === "open" || (this.#phase.kind === "ending" && this.#phase.how === "commit");
    if (serial !== this.#serial || !isOpen) return;
    if (judgeFailure(error, by) === "fatal") this.#over(error);
    else this.#phase = { kind: "doomed", reason: error };
    this.#writer.wake();
  }

  #over(cause: unknown): ProducerFailed {
    const why = cause instanceof Error ? cause.message : String(cause);
    const reason = new ProducerFailed(`this producer of ${this.transactionalId} can write no more transactions: ${why}`, cause);
    this.#phase = { kind: "over", reason };
    this.#writer.wake();
    return reason;
  }

  /** The group's positions become committed with the transaction, or not at all. */
  sendOffsets(serial: number | undefined, group: GroupMetadata, positions: readonly TransactionPosition[]): Promise<void> {
    const present = this.checkMaySend(serial);
    if (typeof group?.groupId !== "string" || group.groupId === "")
      throw new InvalidArgument("sendOffsets needs a consumer of a group, or its groupMetadata()");
    if (positions.length === 0) return Promise.resolve();
    const sent = this.#sendOffsets(present, group, positions);
    this.#offsetsUnderWay.add(sent);
    const isDone = () => this.#offsetsUnderWay.delete(sent);
    sent.then(isDone, isDone);
    return sent;
  }

  async #sendOffsets(serial: number, group: GroupMetadata, positions: readonly TransactionPosition[]): Promise<void> {
    const patience = { ...this.#patience(), isWanted: () => serial === this.#serial && this.stopReason === null };
    const identity = this.#presentIdentity;
    this.#isKnown = true;
    try {
      if (this.#version === 1 && !this.#groups.has(group.groupId)) {
        await this.#requests.addOffsets(identity, group.groupId, patience);
        this.#groups.add(group.groupId);
      }
      await this.#requests.commitOffsets({ identity, version: this.#version }, group, positions, patience);
    } catch (error) {
      if (this.#version === 1) this.#mustRaise = true; // it may be done yet
      this.#failed(serial, error, "coordinator");
      throw this.stopReason ?? error;
    }
  }

  /** Waits for what was sent in it. Throws TransactionFailed where it can only be aborted: which is not done by itself. */
  async commit(serial: number): Promise<void> {
    this.#checkIsPresent(serial);
    const before = this.#phase;
    checkMayEnd(before, "commit");
    this.#phase = { kind: "ending", how: "commit" };
    if (before.kind === "unsettled") return this.#end("commit", before.mayBeDone);
    await Promise.allSettled(this.#offsetsUnderWay);
    await this.#writer.flush();
    const stopped = this.stopReason;
    if (stopped !== null) throw stopped;
    if (this.#isKnown) await this.#end("commit", false);
    else this.#phase = { kind: "ready" };
  }

  /** What was not written yet is not; what was is never read by those who read what is committed. */
  async abort(serial: number, timeoutMs = this.#settings.deliveryTimeoutMs): Promise<void> {
    this.#checkIsPresent(serial);
    checkMayEnd(this.#phase, "abort");
    this.#phase = { kind: "ending", how: "abort" };
    this.#toAdd.clear();
    this.#writer.drop(new TransactionFailed("the transaction was aborted"));
    await this.#writer.flush();
    await Promise.allSettled([this.#adding, ...this.#offsetsUnderWay]);
    if (this.#isKnown) await this.#end("abort", false, timeoutMs);
    else this.#phase = { kind: "ready" };
    // now, for what arrives late would open another transaction
    if (this.#mustRaise) await this.#prepare(this.#phase).catch(() => undefined);
  }

  /** For `close`: a transaction that is open is aborted, as far as that can be done in time. */
  async close(): Promise<void> {
    const { kind } = this.#phase;
    if (kind !== "open" && kind !== "doomed") return;
    const timeoutMs = Math.min(this.#settings.deliveryTimeoutMs, this.#cluster.settings.requestTimeoutMs);
    await this.abort(this.#serial, timeoutMs).catch((error: unknown) => {
      this.#cluster.runtime.log.warn({ transactionalId: this.transactionalId, err: error }, "the open transaction could not be aborted");
    });
  }

  async #end(how: Ending, mayBeDoneBefore: boolean, timeoutMs = this.#settings.deliveryTimeoutMs): Promise<void> {
    let mayHaveEnded = mayBeDoneBefore;
    let isSent = false;
    const patience: Patience = {
      deadlineMs: this.#nowMs() + timeoutMs,
      onSent: () => {
        isSent = true;
      },
      onFailure: (error) => {
        mayHaveEnded ||= isSent && mayBeDone(error);
        isSent = false;
      },
    };
    try {
      this.#use(await this.#requests.end({ identity: this.#presentIdentity, version: this.#version }, how, patience));
      this.#phase = { kind: "ready" };
    } catch (error) {
      if (how === "commit") throw this.#commitFailed(error, mayHaveEnded);
      this.#abortFailed(error);
    }
  }

  #commitFailed(error: unknown, mayHaveEnded: boolean): Error {
    const isFatal = !this.#cluster.isClosed && judgeFailure(error, "coordinator") === "fatal";
    if (isFatal) this.#over(error);
    else if (mayHaveEnded) this.#phase = { kind: "unsettled", how: "commit", mayBeDone: true };
    else this.#phase = { kind: "doomed", reason: error };
    if (!mayHaveEnded) return this.stopReason as Error;
    const why = error instanceof Error ? error.message : String(error);
    return new TransactionOutcomeUnknown(`whether the transaction is committed is not known: ${why}`, this.stopReason ?? error);
  }

  /** Whatever it is, nothing is committed. Throws what the application has to know. */
  #abortFailed(error: unknown): void {
    const code = error instanceof KafkaProtocolError ? error.code : null;
    // nothing is open there, or nothing is known of it: a raised epoch makes sure
    if (code === "INVALID_TXN_STATE" || code === "UNKNOWN_PRODUCER_ID") {
      this.#mustRaise = true;
      this.#phase = { kind: "ready" };
      return;
    }
    if (!this.#cluster.isClosed && judgeFailure(error, "coordinator") === "fatal") throw this.#over(error);
    this.#phase = { kind: "unsettled", how: "abort", mayBeDone: true };
    const why = error instanceof Error ? error.message : String(error);
    throw new TransactionFailed(`the abort was not answered, the coordinator aborts by itself after transactionTimeoutMs: ${why}`, error);
  }

  get #presentIdentity(): TransactionIdentity {
    if (this.#identity === null) throw new InvalidTransactionState("no transaction has begun");
    return this.#identity;
  }

  #patience(): Patience {
    return { deadlineMs: this.#nowMs() + this.#settings.deliveryTimeoutMs };
  }
}
