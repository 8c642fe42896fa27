/**
 * The client library: write with `Producer`, read with `Consumer`, manage with `Admin`. Speaks the Kafka protocol, to Ottla or to Apache
 * Kafka.
 *
 * ```ts
 * import { Admin, Consumer, Producer, jsonSerde, stringSerde } from "ottla";
 *
 * const bootstrap = "127.0.0.1:9092";
 * await using admin = new Admin({ bootstrap });
 * await admin.createTopicIfMissing({ name: "greetings", partitions: 3, replicationFactor: 3 });
 *
 * await using producer = new Producer({ bootstrap, keySerde: stringSerde, valueSerde: jsonSerde<{ text: string }>() });
 * await producer.send({ topic: "greetings", key: "anna", value: { text: "hello" } });
 *
 * await using consumer = new Consumer({ bootstrap, valueSerde: jsonSerde<{ text: string }>(), stopAtEnd: true });
 * await consumer.assign([{ topic: "greetings", from: "beginning" }]);
 * for await (const record of consumer) console.log(record.offset, record.value?.text);
 *
 * await using member = new Consumer({ bootstrap, group: "readers", offsetReset: "earliest" });
 * await member.subscribe(["greetings"]);
 * for await (const record of member) console.log(record.partition, record.offset);
 * ```
 */
import "./base/node-version.ts";

export type { TopicPartition } from "../protocol/base/ids.ts";
export type { KafkaError } from "../protocol/errors/kafka-errors.ts";
export type { CompressionCodec } from "../protocol/records/batch-header.ts";
export type { RecordHeader } from "../protocol/records/record.ts";
export { Admin, type AdminOptions } from "./admin/admin.ts";
export type { GroupDescription, GroupListing, GroupMemberDescription, GroupRebalance, GroupType } from "./admin/admin-groups.ts";
export type {
  PartitionProducers,
  ProducerState,
  TransactionDescription,
  TransactionFilter,
  TransactionListing,
  TransactionToAbort,
} from "./admin/admin-transactions.ts";
export type {
  ClusterDescription,
  ConfigChange,
  ConfigEntry,
  ConfigResource,
  ConfigSource,
  ConfigSynonym,
  CreatedTopic,
  ItemResult,
  NewPartitions,
  NewTopic,
  OffsetRequest,
  OffsetResult,
  ResourceChange,
  ResourceConfigs,
  ResourceReplacement,
  TopicDescription,
} from "./admin/admin-types.ts";
export { orThrow } from "./admin/admin-types.ts";
export type { GroupLag, OutOfRange } from "./admin/group-lag.ts";
export type { PartitionReassignment, ReplicasWanted } from "./admin/reassignments.ts";
export type { DeletedRecords, RecordsToDelete } from "./admin/records-deletion.ts";
export type { BrokerLogDirectories, LogDirectoryDescription, ReplicaInDirectory, ReplicaMove } from "./admin/replica-directories.ts";
export type { PresentTopic, TopicDifference } from "./admin/topic-creation.ts";
export type {
  ClientDiagnostic,
  ClientEventMap,
  ClientEventName,
  ClientIdentity,
  CommitEvent,
  ConnectedEvent,
  ConnectionPurpose,
  DisconnectedEvent,
  FetchEvent,
  LeaderMovedEvent,
  MetadataEvent,
  ProduceEvent,
  RebalanceEvent,
  RetryEvent,
  SettledEvent,
  ThrottledEvent,
} from "./base/client-event-map.ts";
export { clientEventNames } from "./base/client-event-map.ts";
export type { ClientListener, EventSource } from "./base/client-events.ts";
export type { ClientLogger } from "./base/client-logger.ts";
export type { ClientMetrics, ConsumerMetrics, MetricDescription, ProducerMetrics } from "./base/client-metrics.ts";
export { metricDescriptions } from "./base/client-metrics.ts";
export type { ClientOptions } from "./base/client-options.ts";
export type { ClientRuntime, DiagnosticsChannel } from "./base/client-runtime.ts";
export {
  BufferExhausted,
  ClientClosed,
  ClientError,
  CommitFailed,
  ConnectionLost,
  CorruptBatch,
  DeadLetterFailed,
  DeliveryTimedOut,
  InvalidArgument,
  InvalidTransactionState,
  isRetriableFailure,
  KafkaProtocolError,
  LogTruncated,
  NoCommittedOffset,
  OffsetOutOfRange,
  ProducerFailed,
  RecordTooLarge,
  RequestTimedOut,
  SerializationFailed,
  TransactionFailed,
  TransactionOutcomeUnknown,
  UnsupportedApi,
} from "./base/errors.ts";
export { nodeRuntime } from "./base/node-runtime.ts";
export { Consumer } from "./consumer/consumer.ts";
export type { Assignment, AssignmentState, ConsumerBatch, ConsumerOptions, ConsumerRecord } from "./consumer/consumer-options.ts";
export { type DeadLetterOptions, type DeadLetterProducer, deadLetterHeaders } from "./consumer/dead-letters.ts";
export type {
  BatchContext,
  BatchHandler,
  HandlingContext,
  HandlingOptions,
  RecordHandler,
  RunBatchesOptions,
  RunOptions,
} from "./consumer/run-options.ts";
export type { GroupMetadata, TransactionPosition } from "./coordinator/group-metadata.ts";
export type { ResetPolicy, StartPosition } from "./fetch/assigned-partition.ts";
export type { AssignorName } from "./group/assignors.ts";
export type { CommittedOffset, OffsetToCommit } from "./group/group-offsets.ts";
export type { GroupOptions, PartitionsCallback } from "./group/group-options.ts";
export type { TopicPattern } from "./group/topic-watch.ts";
export type { BrokerMetadata, PartitionMetadata, TopicMetadata } from "./metadata/cluster-snapshot.ts";
export type { FoundOffset, Isolation, OffsetSpec } from "./metadata/offset-lookup.ts";
export { murmur2, partitionOfKey } from "./producer/murmur2.ts";
export type { Partitioner, PartitionerInput } from "./producer/partitioner.ts";
export type { RecordMetadata } from "./producer/pending-send.ts";
export { Producer } from "./producer/producer.ts";
export type { ProducerOptions } from "./producer/producer-options.ts";
export type { HeaderValue, ProducerRecord, SendOptions } from "./producer/producer-record.ts";
export type { GroupMember, Transaction } from "./producer/producer-transactions.ts";
export { bytesSerde, jsonSerde, msgpackSerde, type Serde, stringSerde } from "./serialization/serde.ts";
