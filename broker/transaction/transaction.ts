import { partitionKey, type TopicPartition } from "../../protocol/base/ids.ts";

/** In the order of Kafka's numbers for them. `Dead` and `PrepareEpochFence` are in no log: Kafka has them in memory only. */
export const transactionStates = [
  "Empty",
  "Ongoing",
  "PrepareCommit",
  "PrepareAbort",
  "CompleteCommit",
  "CompleteAbort",
  "Dead",
  "PrepareEpochFence",
] as const;
export type TransactionState = (typeof transactionStates)[number];

/** By topic. */
export type Partitions = ReadonlyMap<string, ReadonlySet<number>>;

/** What a producer writes with. */
export interface Producer {
  readonly producerId: number;
  readonly producerEpoch: number;
}

/** A transactional id: a value, replaced as a whole by each record. */
export interface Transaction extends Producer {
  readonly transactionalId: string;
  /** What the producer had until the last change, where that was another id; -1: the same. */
  readonly previousProducerId: number;
  /** While the last transaction of an exhausted producer id is being ended: what follows it; -1: nothing. */
  readonly nextProducerId: number;
  /** The one before, which is recognised when it asks again; -1: none. Not in the log, except where it follows from the rest. */
  readonly lastProducerEpoch: number;
  readonly timeoutMs: number;
  readonly state: TransactionState;
  readonly partitions: Partitions;
  /** Wall clock; -1: none has begun. */
  readonly startedMs: number;
  readonly updatedMs: number;
  /** The transaction version by which the last change was made. */
  readonly clientVersion: number;
}

/** The highest epoch that a producer writes with: the one above only fences. */
export const lastUsableEpoch = 0x7fff - 1;

/** From this transaction version on the epoch rises with every end (KIP-890). */
export const raisingVersion = 2;

export function isPrepared(state: TransactionState): boolean {
  return state === "PrepareCommit" || state === "PrepareAbort";
}

/** Whether the last transaction was committed; null: none is ended. */
export function outcomeOf(state: TransactionState): "commit" | "abort" | null {
  if (state === "PrepareCommit" || state === "CompleteCommit") return "commit";
  return state === "PrepareAbort" || state === "CompleteAbort" ? "abort" : null;
}

/** Shared: there may be very many ids without a transaction. */
export const noPartitions: Partitions = new Map();

/** A new transactional id. */
export function newTransaction(transactionalId: string, producerId: number, timeoutMs: number, wallMs: number): Transaction {
  return {
    transactionalId,
    producerId,
    producerEpoch: 0,
    previousProducerId: -1,
    nextProducerId: -1,
    lastProducerEpoch: -1,
    timeoutMs,
    state: "Empty",
    partitions: noPartitions,
    startedMs: -1,
    updatedMs: wallMs,
    clientVersion: 0,
  };
}

/** A producer has begun with the id: what it writes with from now on, and what the one before is recognised by. */
export function initialized(
  known: Transaction,
  to: Pick<Transaction, "producerId" | "producerEpoch" | "previousProducerId" | "lastProducerEpoch" | "timeoutMs">,
  wallMs: number,
): Transaction {
  return {
    ...known,
    ...to,
    state: "Empty",
    nextProducerId: -1,
    partitions: noPartitions,
    startedMs: -1,
    updatedMs: wallMs,
    clientVersion: 0,
  };
}

export function withPartitions(known: Transaction, added: readonly TopicPartition[], clientVersion: number, wallMs: number): Transaction {
  const isOpen = known.state === "Ongoing";
  const partitions = new Map<string, ReadonlySet<number>>(isOpen ? known.partitions : []);
  const byTopic = Map.groupBy(added, ({ topic }) => topic);
  for (const [topic, places] of byTopic)
    partitions.set(topic, new Set([...(partitions.get(topic) ?? []), ...places.map(({ partition }) => partition)]));
  return {
    ...known,
    state: "Ongoing",
    partitions,
    startedMs: isOpen ? known.startedMs : wallMs,
    updatedMs: wallMs,
    clientVersion,
    ...(isOpen ? {} : { previousProducerId: -1, lastProducerEpoch: -1 }),
  };
}

export interface Ending {
  readonly kind: "commit" | "abort";
  /** The markers get an epoch of their own, above that of the records. */
  readonly raisesEpoch: boolean;
  /** By the rules of which transaction version. */
  readonly version: number;
  /** What follows when the epoch is exhausted; -1: the next InitProducerId sees to it. */
  readonly nextProducerId: number;
}

/** What becomes of it is decided. */
export function prepared(known: Transaction, { kind, raisesEpoch, version, nextProducerId }: Ending, wallMs: number): Transaction {
  const isOpen = known.state === "Ongoing";
  return {
    ...known,
    state: kind === "commit" ? "PrepareCommit" : "PrepareAbort",
    producerEpoch: known.producerEpoch + (raisesEpoch ? 1 : 0),
    lastProducerEpoch: raisesEpoch && version >= raisingVersion ? known.producerEpoch : -1,
    previousProducerId: -1,
    nextProducerId,
    partitions: isOpen ? known.partitions : noPartitions,
    startedMs: isOpen ? known.startedMs : wallMs,
    updatedMs: wallMs,
    clientVersion: version,
  };
}

/** Every partition has its marker. */
export function completed(known: Transaction, wallMs: number): Transaction {
  const state = known.state === "PrepareCommit" ? "CompleteCommit" : "CompleteAbort";
  const next = follows(known);
  const rotated = next.producerId === known.producerId ? {} : { previousProducerId: known.producerId };
  return { ...known, ...next, ...rotated, state, nextProducerId: -1, partitions: noPartitions, updatedMs: wallMs };
}

/** What the producer writes its next transaction with. */
export function follows({ producerId, producerEpoch, nextProducerId }: Transaction): Producer {
  return nextProducerId >= 0 ? { producerId: nextProducerId, producerEpoch: 0 } : { producerId, producerEpoch };
}

export function contains({ partitions }: Pick<Transaction, "partitions">, { topic, partition }: TopicPartition): boolean {
  return partitions.get(topic)?.has(partition) === true;
}

/** By `topic-partition`. */
export function placesOf({ partitions }: Pick<Transaction, "partitions">): Map<string, TopicPartition> {
  const places = new Map<string, TopicPartition>();
  for (const [topic, ids] of partitions) for (const partition of ids) places.set(partitionKey(topic, partition), { topic, partition });
  return places;
}
