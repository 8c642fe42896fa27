import { array, nullableArray, struct } from "../../protocol/schema/composites.ts";
import { type Message, type MessageType, message } from "../../protocol/schema/message.ts";
import { int8, int16, int32, int64, string } from "../../protocol/schema/primitives.ts";
import { MalformedFrame, Reader } from "../../protocol/wire/reader.ts";
import { Writer } from "../../protocol/wire/writer.ts";
import type { StateRecord } from "../state-machine/contract.ts";
import {
  isPrepared,
  lastUsableEpoch,
  noPartitions,
  type Partitions,
  raisingVersion,
  type Transaction,
  type TransactionState,
  transactionStates,
} from "./transaction.ts";

/** The topic in which the state of transactions is kept. */
export const transactionStateTopic = "__transaction_state";

/** The records of `__transaction_state`, as Kafka writes them. No API has these messages. */
const noApi = -1;

const keyVersion = 0;
const plainValueVersion = 0;
/** The first one with tagged fields. */
const taggedValueVersion = 1;

export const transactionLogKey = message(
  { name: "TransactionLogKey", apiKey: noApi, versions: [0, 0], flexibleSince: null },
  { transactionalId: string() },
);

export const transactionLogValue = message(
  { name: "TransactionLogValue", apiKey: noApi, versions: [0, 1], flexibleSince: 1 },
  {
    producerId: int64(),
    /** What the last transaction was written with, where that is another one. */
    previousProducerId: int64({ since: 1, tag: 0, absent: -1 }),
    /** What follows once the transaction is complete, where that is another one. */
    nextProducerId: int64({ since: 1, tag: 1, absent: -1 }),
    producerEpoch: int16(),
    /** Of two-phase commit (KIP-939), which is not served: read over. */
    nextProducerEpoch: int16({ since: 1, tag: 3, absent: -1 }),
    transactionTimeoutMs: int32(),
    transactionStatus: int8(),
    /** Null where there can be none. */
    transactionPartitions: nullableArray(struct({ topic: string(), partitionIds: array(int32()) })),
    transactionLastUpdateTimestampMs: int64(),
    transactionStartTimestampMs: int64(),
    clientTransactionVersion: int16({ since: 1, tag: 2, absent: 0 }),
  },
);
export type TransactionLogValue = MessageType<typeof transactionLogValue>;

export function transactionRecord(transaction: Transaction): StateRecord {
  const { transactionalId, producerId, previousProducerId, nextProducerId, clientVersion } = transaction;
  const isTagged = previousProducerId >= 0 || nextProducerId >= 0 || clientVersion > 0;
  const value: TransactionLogValue = {
    producerId,
    previousProducerId,
    nextProducerId,
    producerEpoch: transaction.producerEpoch,
    nextProducerEpoch: -1,
    transactionTimeoutMs: transaction.timeoutMs,
    transactionStatus: transactionStates.indexOf(transaction.state),
    transactionPartitions:
      transaction.state === "Empty" ? null : [...transaction.partitions].map(([topic, ids]) => ({ topic, partitionIds: [...ids] })),
    transactionLastUpdateTimestampMs: transaction.updatedMs,
    transactionStartTimestampMs: transaction.startedMs,
    clientTransactionVersion: clientVersion,
  };
  return { key: keyOf(transactionalId), value: versioned(transactionLogValue, value, isTagged ? taggedValueVersion : plainValueVersion) };
}

export function transactionTombstone(transactionalId: string): StateRecord {
  return { key: keyOf(transactionalId), value: null };
}

/** What a record is about; null: it is of a kind that came after us. Throws MalformedFrame. */
export function readTransactionKey(key: Buffer): string | null {
  const reader = new Reader(key);
  if (reader.int16() !== keyVersion) return null;
  return transactionLogKey.read(reader, keyVersion).transactionalId;
}

/** Throws MalformedFrame, also for a version or a state that we do not know: a downgrade must not lose what it cannot read. */
export function readTransaction(transactionalId: string, bytes: Buffer): Transaction {
  const reader = new Reader(bytes);
  const version = reader.int16();
  if (version < plainValueVersion || version > taggedValueVersion) throw new MalformedFrame(`TransactionLogValue in version ${version}`);
  const value = transactionLogValue.read(reader, version);
  const { producerId, previousProducerId, nextProducerId, producerEpoch, clientTransactionVersion: clientVersion } = value;
  const state = stateOf(value.transactionStatus);
  if (producerId < 0 || producerEpoch < 0) throw new MalformedFrame(`a transaction of producer ${producerId} in epoch ${producerEpoch}`);
  const read = {
    transactionalId,
    producerId,
    // Kafka writes it always
    previousProducerId: previousProducerId === producerId ? -1 : previousProducerId,
    nextProducerId: isPrepared(state) ? nextProducerId : -1,
    producerEpoch,
    timeoutMs: value.transactionTimeoutMs,
    state,
    partitions: partitionsOf(value.transactionPartitions),
    updatedMs: value.transactionLastUpdateTimestampMs,
    startedMs: value.transactionStartTimestampMs,
    clientVersion,
  };
  return { ...read, lastProducerEpoch: lastEpochOf(read) };
}

/**
 * The epoch before the present one, as far as a record says it: ends of version 2 raise it by one, and where it was exhausted, a new
 * producer id begins at 0.
 */
function lastEpochOf({ state, clientVersion, producerEpoch, previousProducerId }: Omit<Transaction, "lastProducerEpoch">): number {
  if (clientVersion < raisingVersion || state === "Empty" || state === "Ongoing") return -1;
  return producerEpoch === 0 && previousProducerId >= 0 ? lastUsableEpoch : producerEpoch - 1;
}

function stateOf(status: number): TransactionState {
  const state = transactionStates[status];
  if (state === undefined) throw new MalformedFrame(`a transaction in state ${status}`);
  return state;
}

function partitionsOf(topics: TransactionLogValue["transactionPartitions"]): Partitions {
  if (topics === null || topics.length === 0) return noPartitions;
  const partitions = new Map<string, Set<number>>();
  for (const { topic, partitionIds } of topics) {
    const known = partitions.get(topic) ?? new Set();
    for (const id of partitionIds) known.add(id);
    partitions.set(topic, known);
  }
  return partitions;
}

function keyOf(transactionalId: string): Buffer {
  return versioned(transactionLogKey, { transactionalId }, keyVersion);
}

/** A key or value as in records: its version, then the message. */
function versioned<T>(of: Message<T>, value: T, version: number): Buffer {
  const writer = new Writer(128);
  writer.int16(version);
  of.write(writer, value, version);
  return Buffer.concat(writer.chunks());
}
