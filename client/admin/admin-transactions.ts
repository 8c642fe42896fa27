import { type BrokerId, byTopicAndPartition, type TopicPartition } from "../../protocol/base/ids.ts";
import { apis } from "../../protocol/messages/apis.ts";
import type { DescribeTransactionsResponse } from "../../protocol/messages/describe-transactions.ts";
import { KafkaProtocolError } from "../base/errors.ts";
import { transactionCoordinator } from "../coordinator/coordinated.ts";
import { CoordinatorLink } from "../coordinator/coordinator-link.ts";
import { answeredFor, askLeaders, byTopic } from "../metadata/ask-leaders.ts";
import type { Cluster } from "../metadata/cluster.ts";
import type { ItemResult } from "./admin-types.ts";

export interface TransactionListing {
  readonly transactionalId: string;
  readonly producerId: number;
  /** Empty, Ongoing, PrepareCommit, PrepareAbort, CompleteCommit, CompleteAbort, PrepareEpochFence or Dead. */
  readonly state: string;
}

/** Of all that is named, a transaction has to match. */
export interface TransactionFilter {
  readonly states?: readonly string[];
  readonly producerIds?: readonly number[];
  /** Open for longer than this. Milliseconds. Brokers that are too old to know it list all. */
  readonly openForMs?: number;
}

export interface TransactionDescription extends TransactionListing {
  readonly producerEpoch: number;
  readonly timeoutMs: number;
  /** Milliseconds since 1970; null: no transaction is open. */
  readonly startTimeMs: number | null;
  /** What was written to; while it is ended, where the end is not written yet. */
  readonly partitions: readonly TopicPartition[];
}

/** A producer that a partition's leader remembers. */
export interface ProducerState {
  readonly producerId: number;
  readonly producerEpoch: number;
  readonly lastSequence: number;
  /** Of its last batch. Milliseconds since 1970; -1: none. */
  readonly lastTimestampMs: number;
  /** Of the last end of a transaction; -1: none. */
  readonly coordinatorEpoch: number;
  /** First offset of its open transaction; null: none is open. */
  readonly transactionStartOffset: number | null;
}

export interface PartitionProducers extends TopicPartition {
  readonly producers: readonly ProducerState[];
}

/** A transaction in one partition, to be ended there past its coordinator. */
export interface TransactionToAbort extends TopicPartition {
  readonly producerId: number;
  readonly producerEpoch: number;
  readonly coordinatorEpoch: number;
}

/** Lists every broker's. Rejects when one does not answer: a list that lacks some would look complete. */
export async function listTransactions(
  cluster: Cluster,
  { states = [], producerIds = [], openForMs = -1 }: TransactionFilter,
  deadlineMs: number,
): Promise<readonly TransactionListing[]> {
  await cluster.retrying(deadlineMs, () => cluster.metadata.refresh());
  const build = () => ({
    stateFilters: states,
    producerIdFilters: producerIds,
    durationFilter: openForMs,
    transactionalIdPattern: null,
  });
  const perBroker = (broker: BrokerId) =>
    cluster.retrying(deadlineMs, async () => {
      if (!cluster.metadata.snapshot.brokers.has(broker)) return []; // stopped since; another has what it had
      const connection = await cluster.pool.toBroker(broker);
      const answer = await connection.request(apis.listTransactions, build);
      if (answer.errorCode !== "NONE") throw new KafkaProtocolError(answer.errorCode, `transactions of broker ${broker}`);
      return answer.transactionStates;
    });
  const listed = (await Promise.all([...cluster.metadata.snapshot.brokers.keys()].map(perBroker))).flat();
  const unique = new Map(
    listed.map(({ transactionalId, producerId, transactionState }) => {
      return [transactionalId, { transactionalId, producerId, state: transactionState }];
    }),
  );
  return [...unique.values()].toSorted((a, b) => (a.transactionalId < b.transactionalId ? -1 : 1));
}

/** One that does not exist comes back as TRANSACTIONAL_ID_NOT_FOUND. */
export async function describeTransaction(
  cluster: Cluster,
  transactionalId: string,
  deadlineMs: number,
): Promise<ItemResult<TransactionDescription>> {
  const link = new CoordinatorLink(cluster, transactionCoordinator(transactionalId));
  const errorOf = ({ transactionStates }: DescribeTransactionsResponse) => transactionStates[0]?.errorCode ?? "UNKNOWN_SERVER_ERROR";
  try {
    const build = () => ({ transactionalIds: [transactionalId] });
    const answer = await link.retrying(apis.describeTransactions, build, { errorOf }, deadlineMs);
    const found = answer.transactionStates[0] as DescribeTransactionsResponse["transactionStates"][number];
    const { transactionState: state, producerId, producerEpoch, transactionTimeoutMs, transactionStartTimeMs, topics } = found;
    return {
      error: null,
      transactionalId,
      producerId,
      state,
      producerEpoch,
      timeoutMs: transactionTimeoutMs,
      startTimeMs: transactionStartTimeMs < 0 ? null : transactionStartTimeMs,
      partitions: topics
        .flatMap(({ topic, partitions }) => partitions.map((partition) => ({ topic, partition })))
        .toSorted(byTopicAndPartition),
    };
  } catch (error) {
    if (!(error instanceof KafkaProtocolError)) throw error;
    return { transactionalId, error };
  }
}

/** In the order of the queries: what the partitions' leaders remember of producers. */
export async function describeProducers(
  cluster: Cluster,
  partitions: readonly TopicPartition[],
  deadlineMs: number,
): Promise<readonly ItemResult<PartitionProducers>[]> {
  const answers = await askLeaders<TopicPartition, PartitionProducers>(cluster, partitions, deadlineMs, {
    waitMs: 0,
    async ask(connection, asked, signal) {
      const topics = byTopic(asked, ({ partition }) => partition).map(({ name, partitions: partitionIndexes }) => ({
        name,
        partitionIndexes,
      }));
      const answer = await connection.request(apis.describeProducers, () => ({ topics }), { signal });
      return asked.map(({ topic, partition }) => {
        const found = answeredFor(answer.topics, { topic, partition }, "the producers of");
        if (found instanceof KafkaProtocolError) return found;
        return { topic, partition, producers: found.activeProducers.map(producerState) };
      });
    },
  });
  return answers.map((answer, i): ItemResult<PartitionProducers> => {
    if (!(answer instanceof KafkaProtocolError)) return { ...answer, error: null };
    const { topic, partition } = partitions[i] as TopicPartition;
    return { topic, partition, error: answer };
  });
}

interface WireProducer {
  readonly producerId: number;
  readonly producerEpoch: number;
  readonly lastSequence: number;
  readonly lastTimestamp: number;
  readonly coordinatorEpoch: number;
  readonly currentTxnStartOffset: number;
}

function producerState({ lastTimestamp, currentTxnStartOffset, ...rest }: WireProducer): ProducerState {
  const transactionStartOffset = currentTxnStartOffset < 0 ? null : currentTxnStartOffset;
  const { producerId, producerEpoch, lastSequence, coordinatorEpoch } = rest;
  return { producerId, producerEpoch, lastSequence, lastTimestampMs: lastTimestamp, coordinatorEpoch, transactionStartOffset };
}

/** Rejects with INVALID_PRODUCER_EPOCH where the producer has a newer epoch, TRANSACTION_COORDINATOR_FENCED for an old coordinator's. */
export async function abortTransaction(cluster: Cluster, wanted: TransactionToAbort, deadlineMs: number): Promise<void> {
  const { topic, partition, producerId, producerEpoch, coordinatorEpoch } = wanted;
  const markers = [
    {
      producerId,
      producerEpoch,
      transactionResult: false,
      topics: [{ name: topic, partitionIndexes: [partition] }],
      coordinatorEpoch: Math.max(coordinatorEpoch, 0),
      transactionVersion: 0,
    },
  ];
  const [answer] = await askLeaders<TopicPartition, true>(cluster, [{ topic, partition }], deadlineMs, {
    waitMs: 0,
    async ask(connection, asked, signal) {
      const { markers: ended } = await connection.request(apis.writeTxnMarkers, () => ({ markers }), { signal });
      const topics = ended.flatMap((marker) => marker.topics);
      return asked.map((query) => {
        const found = answeredFor(topics, query, "aborting a transaction in");
        return found instanceof KafkaProtocolError ? found : true;
      });
    },
  });
  if (answer instanceof KafkaProtocolError) throw answer;
}
