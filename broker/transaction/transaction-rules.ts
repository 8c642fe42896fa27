import type { TopicPartition } from "../../protocol/base/ids.ts";
import type { KafkaError } from "../../protocol/errors/kafka-errors.ts";
import {
  contains,
  follows,
  isPrepared,
  lastUsableEpoch,
  outcomeOf,
  type Producer,
  raisingVersion,
  type Transaction,
} from "./transaction.ts";

/**
 * Who may do what to a transactional id: pure judgements of a request by the state that it meets.
 *
 * What version 1 leaves open, and nothing here can see, for the epoch stays the same from one transaction to the next:
 *   1. the producer adds a partition to its transaction T1; the request is delayed, and sent again over another connection;
 *   2. T1 is ended; T2 of the same epoch begins;
 *   3. the delayed request arrives: the partition is in T2. Alone it does no harm, an end marker more. But
 *   4. a record of T1 that was delayed as well (its producer gave it up and aborted) now passes the verification in front of the log, and,
 *      where its sequence follows, is written and committed with T2. A delayed EndTxn of T1 ends T2 in the same way.
 * (A marker of T1 that was sent twice, of which one arrives that late, does not end T2 in its partition: see `MarkerOrders`.)
 * Verification closes what is more frequent: records that arrive while no transaction has their partition. Version 2 closes the rest: the
 * end of T1 raises the epoch, so that in step 3 and 4 every late request of T1 names an epoch that is over (PRODUCER_FENCED).
 */

export type Refused = { readonly kind: "refused"; readonly error: KafkaError };

const refused = (error: KafkaError): Refused => ({ kind: "refused", error });

export type AddVerdict = Refused | { readonly kind: "known" } | { readonly kind: "adds" };

/** Partitions join: by AddPartitionsToTxn or AddOffsetsToTxn, or, from version 2 on, because they are written to. */
export function judgeAdd(known: Transaction | undefined, producer: Producer, partitions: readonly TopicPartition[]): AddVerdict {
  const transaction = present(known, producer);
  if ("kind" in transaction) return transaction;
  if (transaction.state === "Ongoing" && partitions.every((place) => contains(transaction, place))) return { kind: "known" };
  return { kind: "adds" };
}

/** Whether partitions are in the transaction: asked before records of version 1 are written. */
export function judgeVerification(known: Transaction | undefined, producer: Producer): Refused | { readonly kind: "open" } {
  const transaction = present(known, producer);
  return "kind" in transaction ? transaction : { kind: "open" };
}

/** The transaction, when the producer is the present one and may write. */
function present(known: Transaction | undefined, { producerId, producerEpoch }: Producer): Transaction | Refused {
  if (known === undefined) return refused("INVALID_PRODUCER_ID_MAPPING");
  // with the answer of EndTxn the producer has what follows, while the markers are still written
  const next = follows(known);
  if (isPrepared(known.state) && next.producerId === producerId && next.producerEpoch === producerEpoch)
    return refused("CONCURRENT_TRANSACTIONS");
  if (known.producerId !== producerId) return refused("INVALID_PRODUCER_ID_MAPPING");
  if (known.producerEpoch !== producerEpoch || producerEpoch > lastUsableEpoch) return refused("PRODUCER_FENCED");
  return known;
}

export interface EndOrder {
  readonly producer: Producer;
  readonly kind: "commit" | "abort";
  /** EndTxn from 5 on: transaction version 2. */
  readonly raisesEpoch: boolean;
}

export type EndVerdict =
  | Refused
  /** It was ended like that before, and the answer was lost: what follows. */
  | { readonly kind: "repeated"; readonly follows: Producer }
  /** With the epoch exhausted, a new producer id has to follow. */
  | { readonly kind: "ends"; readonly needsId: boolean };

export function judgeEnd(known: Transaction | undefined, order: EndOrder): EndVerdict {
  const { producer, kind, raisesEpoch } = order;
  if (known === undefined) return refused("INVALID_PRODUCER_ID_MAPPING");
  if (isRepeated(known, order)) {
    if (outcomeOf(known.state) !== kind) return refused("INVALID_TXN_STATE");
    const next = follows(known);
    // the coordinator has aborted it and fenced its epoch with the last one there is, which nobody writes with
    return next.producerEpoch > lastUsableEpoch ? refused("PRODUCER_FENCED") : { kind: "repeated", follows: next };
  }
  const transaction = present(known, producer);
  if ("kind" in transaction) return transaction;
  const needsId = raisesEpoch && producer.producerEpoch >= lastUsableEpoch;
  if (transaction.state === "Ongoing") return { kind: "ends", needsId };
  // A producer of version 2 does not know whether anything it wrote has arrived. With a raised epoch nothing of it can, any more.
  return raisesEpoch && kind === "abort" ? { kind: "ends", needsId } : refused("INVALID_TXN_STATE");
}

/**
 * An EndTxn whose answer was lost. In version 1 it has the same epoch. In version 2 the one before: (1) EndTxn of epoch 5 is decided, and
 * the epoch is 6; (2) the answer is lost; (3) EndTxn of epoch 5 again: it must not be fenced, and is answered 6 as before. Once anything
 * was begun with 6, it cannot come from a producer that still waits for an answer.
 */
function isRepeated(known: Transaction, { producer, raisesEpoch }: EndOrder): boolean {
  if (outcomeOf(known.state) === null) return false;
  const isRaised = known.clientVersion >= raisingVersion;
  const { producerId, producerEpoch } = producer;
  // before the first epoch there is none, whatever a request says
  if (isRaised !== raisesEpoch || producerEpoch < 0) return false;
  if (known.producerId === producerId) return producerEpoch === (isRaised ? known.producerEpoch - 1 : known.producerEpoch);
  return known.previousProducerId === producerId && known.producerEpoch === 0 && producerEpoch === lastUsableEpoch;
}

export type InitVerdict =
  | Refused
  /** Its open transaction is aborted first, and the producer asks again. */
  | { readonly kind: "fences" }
  /** With the epoch raised; `isRecognized`: the producer said what it had. */
  | { readonly kind: "raises"; readonly isRecognized: boolean }
  /** What was answered before, and lost. */
  | { readonly kind: "repeated" }
  /** A new producer id. */
  | { readonly kind: "rotates"; readonly isRecognized: boolean };

/** `expected`: what the producer had, to go on with (KIP-360); null: it begins anew, and whoever had the id is fenced. */
export function judgeInit(known: Transaction | undefined, expected: Producer | null): InitVerdict {
  if (known === undefined) return { kind: "rotates", isRecognized: false };
  if (expected !== null && !isOfProducer(known, expected)) return refused("PRODUCER_FENCED");
  if (isPrepared(known.state)) return refused("CONCURRENT_TRANSACTIONS");
  const isPresent = expected !== null && expected.producerId === known.producerId && expected.producerEpoch === known.producerEpoch;
  // a late request of an earlier producer must not abort what the present one has open
  if (known.state === "Ongoing") return expected === null || isPresent ? { kind: "fences" } : refused("PRODUCER_FENCED");
  const isExhausted = known.producerEpoch >= lastUsableEpoch;
  if (expected === null || isPresent) return { kind: isExhausted ? "rotates" : "raises", isRecognized: isPresent };
  // Race: (1) InitProducerId of epoch 5 makes it 6; (2) the answer is lost; (3) the producer asks again, with 5.
  const wasBefore =
    expected.producerId === known.producerId
      ? expected.producerEpoch === known.lastProducerEpoch
      : known.producerEpoch === 0 && known.previousProducerId === expected.producerId;
  if (!wasBefore) return refused("PRODUCER_FENCED");
  return known.producerEpoch > lastUsableEpoch ? { kind: "rotates", isRecognized: true } : { kind: "repeated" };
}

function isOfProducer(known: Transaction, { producerId, producerEpoch }: Producer): boolean {
  return producerId === known.producerId || (producerId === known.previousProducerId && producerEpoch >= lastUsableEpoch);
}
