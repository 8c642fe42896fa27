import { invariant } from "../../protocol/base/invariant.ts";
import { noProducerId } from "../../protocol/records/batch-header.ts";

/**
 * The producer id and epoch under which batches are numbered. A broker lets a raised epoch begin at 0 and refuses everything of an earlier
 * one, however late it arrives.
 */
export interface ProducerIdentity {
  readonly producerId: number;
  readonly producerEpoch: number;
}

/** A batch's place among its partition's records: together with the batch's size, it identifies a retry. */
export interface BatchNumber extends ProducerIdentity {
  /** Records numbered before it under this identity; the sequence on the wire is its remainder by 2^31. */
  readonly position: number;
}

const epochMax = 2 ** 15 - 1;

/**
 * The numbers of one partition. Pure state.
 *
 * A numbering is valid until one of its batches fails for good: the broker accepts nothing after a missing number. Then the partition
 * continues under a raised epoch, from 0, as soon as no batch with an old number is in flight or waits to be retried.
 */
export class Numbering {
  #identity: ProducerIdentity | null = null;
  /** An id that may not be used again here: its epochs are used up, or another producer has it. */
  #spentId: number = noProducerId;
  #next = 0;
  #hasGap = false;

  /** The leader is known to have what was numbered so far: it would refuse a number out of order. */
  isProven = false;
  readonly #isTransactional: boolean;

  /** `isTransactional`: the transactions' coordinator raises epochs, and nobody else. Whatever it offers is begun with, from 0. */
  constructor(isTransactional = false) {
    this.#isTransactional = isTransactional;
  }

  get hasGap(): boolean {
    return this.#hasGap;
  }

  /** False: an identity other than `offered` has to be fetched first. */
  canNumber(offered: ProducerIdentity | null): boolean {
    if (this.#isTransactional) return offered !== null && !(this.#hasGap && this.isCurrent(offered));
    const isSpent = this.#identity === null || (this.#hasGap && this.#identity.producerEpoch >= epochMax);
    return !isSpent || (offered !== null && offered.producerId !== (this.#identity?.producerId ?? this.#spentId));
  }

  number(recordsCount: number, offered: ProducerIdentity | null): BatchNumber {
    invariant(this.canNumber(offered), "a batch is numbered under an identity");
    if (this.#isTransactional) this.#follow(offered as ProducerIdentity);
    else if (this.#hasGap) this.startAnew();
    this.#identity ??= offered as ProducerIdentity;
    const number = { ...this.#identity, position: this.#next };
    this.#next += recordsCount;
    return number;
  }

  #follow(offered: ProducerIdentity): void {
    if (this.isCurrent(offered)) return;
    this.#identity = offered;
    this.#begin();
  }

  /** Whether the number is of the numbering in force. */
  isCurrent({ producerId, producerEpoch }: ProducerIdentity): boolean {
    return this.#identity?.producerId === producerId && this.#identity.producerEpoch === producerEpoch;
  }

  /** A batch with this number failed for good. */
  lost(number: BatchNumber): void {
    if (this.isCurrent(number)) this.#hasGap = true;
  }

  /** The next number is 0, under a raised epoch. */
  startAnew(): void {
    const before = this.#identity;
    if (before === null || before.producerEpoch >= epochMax) return this.abandonId();
    this.#identity = { ...before, producerEpoch: before.producerEpoch + 1 };
    this.#begin();
  }

  /** The next number is 0, under another id. */
  abandonId(): void {
    if (this.#identity !== null) this.#spentId = this.#identity.producerId;
    this.#identity = null;
    this.#begin();
  }

  #begin(): void {
    this.#next = 0;
    this.#hasGap = false;
    this.isProven = false;
  }
}
