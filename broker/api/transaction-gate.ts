import { partitionKey, type TopicPartition } from "../../protocol/base/ids.ts";
import type { KafkaError, KafkaErrorCode } from "../../protocol/errors/kafka-errors.ts";
import { attributeBits, batchHeaderBytes, fieldAt, readInt64 } from "../../protocol/records/batch-header.ts";
import type { AppendOptions, GuardingLeader, LeaderLookup } from "../partition/client-contract.ts";
import type { TransactionGuard } from "../partition/transaction-guards.ts";
import { isInternalTopic } from "../runtime/topic-names.ts";
import type { TransactionVerifier } from "../runtime/transaction-verifier.ts";

export interface TransactionGateParts {
  readonly partitions: LeaderLookup<GuardingLeader>;
  readonly verifier: TransactionVerifier;
  /** `transaction.partition.verification.enable`, as it is now. Partitions are added all the same. */
  readonly verifies: () => boolean;
}

/** A request's batches that belong to transactions. */
export interface ProducedTransaction {
  readonly transactionalId: string;
  readonly producerId: number;
  readonly producerEpoch: number;
  readonly partitions: readonly TopicPartition[];
  readonly sizeInBytes: number;
  /** Of the Produce request. */
  readonly apiVersion: number;
}

/** How a partition's batch may be appended, or why not. */
export type Entrance =
  | { readonly error: null; readonly guard: AppendOptions["guard"] }
  | { readonly error: KafkaError; readonly message: string };

type AppendEntered = (entrances: ReadonlyMap<string, Entrance>) => void;

/** From this version of Produce on, partitions join a transaction by being written to (KIP-890). */
const joinsSinceVersion = 12;
const abortableSinceVersion = 11;

/** Of the whole broker. A request's bytes count against other bounds only while its connection is open. */
const waitingBytesMax = 64 * 1024 * 1024;
const waitingRequestsMax = 10_000;

const open: Entrance = { error: null, guard: undefined };

/**
 * The first batch of a transaction in a partition waits here until the transaction coordinator was asked about it, and what the same
 * producer sends meanwhile waits behind it. Whatever else is produced goes past. See `TransactionGuards` for what may happen meanwhile.
 */
export class TransactionGate {
  readonly #parts: TransactionGateParts;
  /** By producer id: settled once those before are appended or refused. */
  readonly #last = new Map<number, Promise<void>>();
  #requests = 0;
  #bytes = 0;

  constructor(parts: TransactionGateParts) {
    this.#parts = parts;
  }

  /**
   * Calls `append` with how each partition's batch may be appended, by `topic-3`: in this turn, if everything is open already (false), or
   * later (true).
   */
  enter(batch: ProducedTransaction, append: AppendEntered): boolean {
    const { producerId, producerEpoch, partitions, sizeInBytes } = batch;
    const before = this.#last.get(producerId);
    if (before === undefined && partitions.every((ref) => this.#isOpen(ref, producerId, producerEpoch))) {
      append(new Map(partitions.map((ref) => [keyOf(ref), open])));
      return false;
    }
    if (this.#requests >= waitingRequestsMax || (this.#requests > 0 && this.#bytes + sizeInBytes > waitingBytesMax)) {
      append(refusedAll(batch, "NOT_ENOUGH_REPLICAS", "too many batches wait for the transaction coordinator"));
      return false;
    }
    this.#requests++;
    this.#bytes += sizeInBytes;
    const entered = this.#enterAfter(before, batch, append);
    this.#last.set(producerId, entered);
    void entered.then(() => {
      this.#requests--;
      this.#bytes -= sizeInBytes;
      if (this.#last.get(producerId) === entered) this.#last.delete(producerId);
    });
    return true;
  }

  /**
   * Or it is not led here, which whoever appends finds out. What is open under an earlier epoch does not count (KIP-890): (1) the producer
   * commits; (2) its epoch is raised and it is answered; (3) the marker has not come here yet; (4) a batch of its next transaction does.
   * Taken as part of the open one, it would be added to no transaction, and make the marker look late.
   */
  #isOpen(ref: TopicPartition, producerId: number, producerEpoch: number): boolean {
    const leader = this.#parts.partitions.leader(ref);
    return typeof leader === "string" || leader.openTransactionOf(producerId, producerEpoch) !== null;
  }

  async #enterAfter(before: Promise<void> | undefined, batch: ProducedTransaction, append: AppendEntered): Promise<void> {
    if (before !== undefined) await before;
    const { partitions, verifier, verifies } = this.#parts;
    const { transactionalId, producerId, producerEpoch, apiVersion } = batch;
    const held = batch.partitions.flatMap((ref) => {
      const leader = partitions.leader(ref);
      if (typeof leader === "string" || leader.openTransactionOf(producerId, producerEpoch) !== null) return [];
      return [{ ref, leader, guard: leader.guards.take(producerId, producerEpoch) }];
    });
    const adds = apiVersion >= joinsSinceVersion;
    const asked = held.map(({ ref }) => ref);
    const isWaived = !adds && !verifies();
    const errors =
      isWaived || asked.length === 0
        ? null
        : await verifier.verify({ transactionalId, producerId, producerEpoch, partitions: asked, adds });
    const entrances = new Map<string, Entrance>(batch.partitions.map((ref) => [keyOf(ref), open]));
    for (const { ref, guard } of held) {
      const error = errors === null ? "NONE" : (errors.get(keyOf(ref)) ?? "COORDINATOR_NOT_AVAILABLE");
      entrances.set(keyOf(ref), error === "NONE" ? admitted(guard, isWaived) : refused(error, apiVersion));
    }
    // in one turn with the answer: whoever is next finds the transaction open
    append(entrances);
    for (const { leader, guard } of held) leader.guards.giveBack(guard);
  }
}

function admitted(guard: TransactionGuard, isWaived: boolean): Entrance {
  return { error: null, guard: isWaived ? "waived" : guard };
}

/** As producers know it: older clients do not retry everything that may be retried. */
function refused(error: KafkaErrorCode, apiVersion: number): Entrance {
  switch (error) {
    case "CONCURRENT_TRANSACTIONS":
      if (apiVersion >= joinsSinceVersion) return { error, message: "the producer's last transaction is being ended" };
      return { error: "NOT_ENOUGH_REPLICAS", message: "the producer's last transaction is being ended" };
    case "NOT_COORDINATOR":
    case "COORDINATOR_NOT_AVAILABLE":
    case "COORDINATOR_LOAD_IN_PROGRESS":
    case "REQUEST_TIMED_OUT":
    case "NETWORK_EXCEPTION":
      return { error: "NOT_ENOUGH_REPLICAS", message: `the transaction coordinator was asked in vain: ${error}` };
    case "PRODUCER_FENCED":
      return { error: "INVALID_PRODUCER_EPOCH", message: "a newer producer has taken over the transactional id" };
    case "TRANSACTION_ABORTABLE":
      return {
        error: apiVersion >= abortableSinceVersion ? error : "INVALID_TXN_STATE",
        message: "the partition is not in the producer's transaction",
      };
    case "NONE":
      return open;
    default:
      return { error, message: `the transaction coordinator refused it: ${error}` };
  }
}

function refusedAll({ partitions }: Pick<ProducedTransaction, "partitions">, error: KafkaError, message: string) {
  return new Map<string, Entrance>(partitions.map((ref) => [keyOf(ref), { error, message }]));
}

function keyOf({ topic, partition }: TopicPartition): string {
  return partitionKey(topic, partition);
}

/** What of a request belongs to transactions. */
export type FoundTransaction =
  | { readonly kind: "none" }
  | { readonly kind: "one"; readonly transaction: ProducedTransaction }
  | { readonly kind: "refused"; readonly error: KafkaError; readonly message: string };

export interface FoundBatch {
  readonly ref: TopicPartition;
  readonly batch: Buffer;
}

const transactionalIdMaxLength = 32_767;

/** As far as can be told without checking the batches. A request speaks for one producer. */
export function findTransaction(transactionalId: string | null, batches: Iterable<FoundBatch>, apiVersion: number): FoundTransaction {
  const partitions = new Map<string, TopicPartition>();
  let [producerId, producerEpoch, sizeInBytes] = [-1, -1, 0];
  for (const { ref, batch } of batches) {
    if (batch.length < batchHeaderBytes || (batch.readInt16BE(fieldAt.attributes) & attributeBits.transactional) === 0) continue;
    const [id, epoch] = [readInt64(batch, fieldAt.producerId), batch.readInt16BE(fieldAt.producerEpoch)];
    if (partitions.size > 0 && (id !== producerId || epoch !== producerEpoch))
      return { kind: "refused", error: "INVALID_PRODUCER_ID_MAPPING", message: "the batches of one transaction have several producers" };
    [producerId, producerEpoch] = [id, epoch];
    sizeInBytes += batch.length;
    partitions.set(keyOf(ref), ref);
    if (isInternalTopic(ref.topic))
      return { kind: "refused", error: "INVALID_TOPIC_EXCEPTION", message: "the brokers' own topics are in no client's transaction" };
  }
  if (partitions.size === 0) return { kind: "none" };
  if (transactionalId === null)
    return { kind: "refused", error: "TRANSACTIONAL_ID_AUTHORIZATION_FAILED", message: "a transaction's batches without transactional id" };
  if (transactionalId.length > transactionalIdMaxLength)
    return { kind: "refused", error: "INVALID_REQUEST", message: "the transactional id is too long" };
  if (!Number.isSafeInteger(producerId) || producerId < 0 || producerEpoch < 0)
    return { kind: "refused", error: "INVALID_PRODUCER_ID_MAPPING", message: "no producer has this id and epoch" };
  const transaction = { transactionalId, producerId, producerEpoch, partitions: [...partitions.values()], sizeInBytes, apiVersion };
  return { kind: "one", transaction };
}
