import { type Clock, sleep } from "../../protocol/base/clock.ts";
import { partitionKey, type TopicPartition } from "../../protocol/base/ids.ts";
import type { Logger } from "../../protocol/base/logger.ts";
import type { KafkaError, KafkaErrorCode, Outcome } from "../../protocol/errors/kafka-errors.ts";
import type { Decision, Now, RequestOrigin } from "../state-machine/contract.ts";
import type { ShardConfig } from "../state-machine/shard.ts";
import { type LedPartitions, Shards } from "../state-machine/shards.ts";
import { StateMemory } from "../state-machine/state-memory.ts";
import type { Ran } from "../state-machine/ticket.ts";
import type { EndedTransaction } from "./marker-order.ts";
import { BatchingMarkerSender, type Deliver, type LeaderView } from "./marker-sender.ts";
import { type Producer, raisingVersion, type Transaction } from "./transaction.ts";
import { TransactionMachine, type TransactionMachineConfig, type WithProducer } from "./transaction-machine.ts";
import { transactionStateTopic } from "./transaction-records.ts";

export interface TransactionCoordinatorConfig {
  readonly machine: TransactionMachineConfig;
  readonly shard: ShardConfig;
  /** `transaction.max.timeout.ms` */
  readonly timeoutMaxMs: number;
  /** Over all ids here: see `StateMemory`. */
  readonly memoryBytesMax: number;
}

/** What the coordinator needs of the rest of the cluster. */
export interface ClusterOfTransactions {
  readonly images: { readonly current: LeaderView; onChange(listener: (view: LeaderView) => void): () => void };
  readonly producerIds: { next(): Promise<Outcome<{ readonly producerId: number }>> };
  readonly deliver: Deliver;
  /** The cluster's finalized `transaction.version`. */
  readonly transactionVersion: () => number;
}

export interface TransactionCoordinatorParts {
  readonly partitions: LedPartitions;
  readonly cluster: ClusterOfTransactions;
  readonly clock: Clock;
  readonly log: Logger;
  readonly config: TransactionCoordinatorConfig;
}

/** Partitions that are about to be written to in a transaction. */
export interface JoiningPartitions extends Producer {
  readonly transactionalId: string;
  readonly partitions: readonly TopicPartition[];
  /** From transaction version 2 on they join by that; before, they are only looked for. */
  readonly adds: boolean;
}

export interface ListedTransactions {
  /** Null like NONE, or why the list is not complete. */
  readonly error: KafkaError | null;
  readonly transactions: readonly Transaction[];
}

/** What waits for longer is told to ask again: the request may hold up others of its connection. */
const endingWaitMs = 300;
/** Others may be faster each time. */
const attemptsMax = 5;

function isConcurrent(ran: Ran<unknown>): boolean {
  if (ran.error !== null) return ran.error === "CONCURRENT_TRANSACTIONS";
  const { value } = ran;
  const error = typeof value === "object" && value !== null && "error" in value ? value.error : value;
  return error === "CONCURRENT_TRANSACTIONS";
}

/** The transactional ids that this broker coordinates: one shard for each partition of `__transaction_state` that it leads. */
export class TransactionCoordinator {
  readonly memory: StateMemory;
  readonly #parts: TransactionCoordinatorParts;
  readonly #shards: Shards<TransactionMachine>;
  readonly #sender: BatchingMarkerSender;

  constructor(parts: TransactionCoordinatorParts) {
    const { partitions, cluster, clock, log, config } = parts;
    const { images, deliver, transactionVersion } = cluster;
    this.#parts = parts;
    const memory = new StateMemory(config.memoryBytesMax);
    this.memory = memory;
    const sender = new BatchingMarkerSender({
      images,
      deliver,
      marked: (ended, places) => this.#marked(ended, places),
      fenced: (ended) => void this.#shards.run(ended.transactionalId, (machine) => machine.fenced(ended)),
      clock,
      log,
    });
    this.#sender = sender;
    const partitionCount = () => images.current.topics.get(transactionStateTopic)?.partitions.length ?? 0;
    this.#shards = new Shards<TransactionMachine>({
      topic: { name: transactionStateTopic, what: "transactions", partitionCount },
      partitions,
      clock,
      log,
      config: config.shard,
      makeMachine: (environment) => new TransactionMachine({ ...environment, sender, memory, config: config.machine, transactionVersion }),
    });
  }

  /** On the shard that the id belongs to. Errors: see `Shards.run`; and INVALID_REQUEST for an empty id. */
  run<T>(
    transactionalId: string,
    operation: (machine: TransactionMachine, now: Now) => Decision<T>,
    origin?: RequestOrigin,
  ): Promise<Ran<T>> {
    if (transactionalId === "") return Promise.resolve({ error: "INVALID_REQUEST" });
    return this.#runWhenFree(transactionalId, operation, origin);
  }

  /** While the last transaction is being ended, the next one waits for a moment: the markers are usually written by then. */
  async #runWhenFree<T>(
    transactionalId: string,
    operation: (machine: TransactionMachine, now: Now) => Decision<T>,
    origin?: RequestOrigin,
  ): Promise<Ran<T>> {
    const { clock } = this.#parts;
    const untilMs = clock.monotonicMs() + endingWaitMs;
    for (let attempt = 1; ; attempt++) {
      let whenEnded: (() => Promise<void> | null) | null = null;
      const ran = await this.#shards.run(
        transactionalId,
        (machine, now) => {
          whenEnded = () => machine.whenEnded(transactionalId);
          return operation(machine, now);
        },
        origin,
      );
      const leftMs = untilMs - clock.monotonicMs();
      if (!isConcurrent(ran) || whenEnded === null || leftMs <= 0 || attempt === attemptsMax) return ran;
      const ended = (whenEnded as () => Promise<void> | null)();
      if (ended === null) return ran;
      const stop = new AbortController();
      await Promise.race([ended, sleep(clock, leftMs, stop.signal).catch(() => undefined)]);
      stop.abort();
    }
  }

  /**
   * As `run`, for what may need a producer id that nobody has: one is fetched only when it does, and the operation is run again. It may
   * meet another state then, and decide otherwise: the id is not used.
   */
  async runWithId(
    transactionalId: string,
    operation: (machine: TransactionMachine, freshId: number | null, now: Now) => Decision<WithProducer>,
    origin?: RequestOrigin,
  ): Promise<Exclude<WithProducer, "needs-id">> {
    const first = await this.run(transactionalId, (machine, now) => operation(machine, null, now), origin);
    if (first.error !== null) return first;
    if (first.value !== "needs-id") return first.value;
    const fresh = await this.#parts.cluster.producerIds.next();
    if (fresh.error !== null) return { error: fresh.error };
    const second = await this.run(transactionalId, (machine, now) => operation(machine, fresh.producerId, now), origin);
    if (second.error !== null) return second;
    return second.value === "needs-id" ? { error: "COORDINATOR_NOT_AVAILABLE" } : second.value;
  }

  /** Longer transactions are not begun: they would hold read_committed consumers back for as long. */
  allowsTimeout(timeoutMs: number): boolean {
    return timeoutMs > 0 && timeoutMs <= this.#parts.config.timeoutMaxMs;
  }

  /**
   * For partitions that are about to be written to; by `topic-partition`. NONE: write. TRANSACTION_ABORTABLE: it is not in the transaction.
   * The other errors are about the producer, or about this coordinator, and for all of them alike.
   */
  async verify(
    { transactionalId, partitions, adds, ...producer }: JoiningPartitions,
    origin?: RequestOrigin,
  ): Promise<ReadonlyMap<string, KafkaErrorCode>> {
    const ran = adds
      ? await this.run<KafkaErrorCode>(
          transactionalId,
          (machine, now) => machine.addPartitions(transactionalId, producer, partitions, raisingVersion, now),
          origin,
        )
      : await this.run<readonly KafkaErrorCode[]>(
          transactionalId,
          (machine) => machine.verify(transactionalId, producer, partitions),
          origin,
        );
    const ofEach = (at: number): KafkaErrorCode => {
      if (ran.error !== null) return ran.error;
      return typeof ran.value === "string" ? ran.value : ran.value[at]!;
    };
    return new Map(partitions.map(({ topic, partition }, at) => [partitionKey(topic, partition), ofEach(at)]));
  }

  /** From every shard here; while one of them is loading, the list is not complete and says so. */
  async list(): Promise<ListedTransactions> {
    const listed = await this.#shards.runOnEach<readonly Transaction[]>((machine) => machine.list());
    const error = listed.find((ran) => ran.error !== null && ran.error !== "NOT_COORDINATOR")?.error ?? null;
    return { error, transactions: listed.flatMap((ran) => (ran.error === null ? ran.value : [])) };
  }

  /** Partitions coordinated here and loaded. */
  get servingCount(): number {
    return this.#shards.servingCount;
  }

  /** Transactions that are decided and not complete: their markers are being written. */
  get endingCount(): number {
    return this.#sender.size;
  }

  close(): void {
    this.#shards.close();
    this.#sender.close();
  }

  /**
   * Whether note was taken. Not while this broker cannot tell whether it still coordinates, nor while its log takes no records: the sender
   * asks again, until the shard ends.
   */
  async #marked(ended: EndedTransaction, partitions: readonly TopicPartition[]): Promise<boolean> {
    const ran = await this.#shards.run(ended.transactionalId, (machine, now) => machine.marked(ended, partitions, now));
    return ran.error === null;
  }
}
