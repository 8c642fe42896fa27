import { isRetriable, type KafkaError } from "../../protocol/errors/kafka-errors.ts";
import { printable } from "../../protocol/wire/printable.ts";

/** Every error that the client throws on purpose is one of these; `name` says which. */
export class ClientError extends Error {
  override readonly name: string = "ClientError";
  /** A retry may succeed. The client has already retried within its time limits. */
  readonly retriable: boolean = false;
}

/** A broker answered with an error. `code` is the protocol's name for it. */
export class KafkaProtocolError extends ClientError {
  override readonly name = "KafkaProtocolError";
  override readonly retriable: boolean;
  readonly code: KafkaError;
  /** What was requested, or whom it was about. */
  readonly about: string;
  /** The broker's own sentence; null: it sent none. */
  readonly detail: string | null;

  /** `about`: what was requested; `detail`: the broker's own message, if it sent one. */
  constructor(code: KafkaError, about: string, detail?: string | null) {
    const text = detail === undefined || detail === null || detail === "" ? null : printable(detail);
    super(`${about}: ${text ?? explain(code)} (${code})`);
    this.code = code;
    this.about = about;
    this.detail = text;
    this.retriable = isRetriable(code);
  }
}

/** The connection to a broker could not be opened, or broke. Requests in flight may have been carried out or not. */
export class ConnectionLost extends ClientError {
  override readonly name = "ConnectionLost";
  override readonly retriable = true;
  /**
   * The broker that could not be reached at the address that the cluster itself advertises (its `advertised.listeners`); null: an address
   * of the application's, or a connection that broke.
   */
  readonly namedBroker: number | null;

  constructor(message: string, options: ErrorOptions = {}, namedBroker: number | null = null) {
    super(message, options);
    this.namedBroker = namedBroker;
  }
}

/**
 * A broker did not answer in time, or was late and another leads by now. Should it answer after all, that answer is not taken for another
 * request's.
 */
export class RequestTimedOut extends ClientError {
  override readonly name = "RequestTimedOut";
  override readonly retriable = true;
}

/** The broker does not serve this API, or no version of it that we support. */
export class UnsupportedApi extends ClientError {
  override readonly name = "UnsupportedApi";
}

/** A record was not acknowledged within `deliveryTimeoutMs`. It may have been written nevertheless. `cause` is the last failure. */
export class DeliveryTimedOut extends ClientError {
  override readonly name = "DeliveryTimedOut";
  /** How often the record was sent. */
  readonly attempts: number;

  constructor(message: string, attempts: number, cause: unknown) {
    super(message, { cause });
    this.attempts = attempts;
  }
}

/** The producer's buffer stayed full for `maxBlockMs`: records are produced faster than the brokers accept them. */
export class BufferExhausted extends ClientError {
  override readonly name = "BufferExhausted";
  override readonly retriable = true;
}

/** A record is larger than the producer's `requestBytesMax` or the topic's `max.message.bytes`. */
export class RecordTooLarge extends ClientError {
  override readonly name = "RecordTooLarge";
}

/** Used after `close()`, or closed while waiting. */
export class ClientClosed extends ClientError {
  override readonly name = "ClientClosed";
}

/** An invalid option or argument. */
export class InvalidArgument extends ClientError {
  override readonly name = "InvalidArgument";
}

/** A key or value could not be serialized or deserialized. */
export class SerializationFailed extends ClientError {
  override readonly name = "SerializationFailed";
}

interface At {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
}

/** The position is not in the log any more (or not yet), and no reset policy says where to continue. */
export class OffsetOutOfRange extends ClientError implements At {
  override readonly name = "OffsetOutOfRange";
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;

  constructor({ topic, partition, offset }: At) {
    super(`offset ${offset} of ${topic}-${partition} is out of the log's range`);
    this.topic = topic;
    this.partition = partition;
    this.offset = offset;
  }
}

/**
 * Records that were consumed are no longer in the log: it was truncated by an unclean election (KIP-320). `offset` is where the logs
 * diverge; it is the position itself where only that is known of the log: that it diverges somewhere below.
 */
export class LogTruncated extends ClientError implements At {
  override readonly name = "LogTruncated";
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;

  constructor({ topic, partition, offset }: At, position: number) {
    const where = offset < position ? `at ${offset}, below` : "somewhere below";
    super(`${topic}-${partition} was truncated ${where} the position ${position}`);
    this.topic = topic;
    this.partition = partition;
    this.offset = offset;
  }
}

/** A batch in the log is damaged. `seek` past `offset` to continue without it. */
export class CorruptBatch extends ClientError implements At {
  override readonly name = "CorruptBatch";
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;

  constructor({ topic, partition, offset }: At, cause: unknown) {
    super(`${topic}-${partition} at offset ${offset}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
    this.topic = topic;
    this.partition = partition;
    this.offset = offset;
  }
}

/** Nothing is committed for a partition of the group, and no reset policy says where to begin. `seek` does. */
export class NoCommittedOffset extends ClientError {
  override readonly name = "NoCommittedOffset";
  readonly topic: string;
  readonly partition: number;

  constructor({ topic, partition }: { readonly topic: string; readonly partition: number }, group: string) {
    super(`group ${group} has no position in ${topic}-${partition}, and offsetReset is "none"`);
    this.topic = topic;
    this.partition = partition;
  }
}

/**
 * Positions were not committed: the partitions went to another member of the group. That member continues from what was committed before.
 */
export class CommitFailed extends ClientError {
  override readonly name = "CommitFailed";

  constructor(message: string, cause?: unknown) {
    super(message, { cause });
  }
}

/**
 * A record whose handler had failed for the last time could not be sent to the dead letter topic: it does not count as processed. `cause`
 * is why.
 */
export class DeadLetterFailed extends ClientError {
  override readonly name = "DeadLetterFailed";

  constructor(message: string, cause: unknown) {
    super(`${message}; sending failed with: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
  }
}

/**
 * A transaction did not work, and nothing of it is or will be committed: it was aborted, or can only be. The producer goes on: the whole
 * transaction may be tried again, from reading what it began with. `cause` is what went wrong in it.
 */
export class TransactionFailed extends ClientError {
  override readonly name = "TransactionFailed";
  override readonly retriable = true;

  constructor(message: string, cause?: unknown) {
    super(message, { cause });
  }
}

/**
 * This producer can write no more transactions, and nothing of the last one was committed: another producer has begun with its
 * `transactionalId` (`isFenced`), the last one took longer than `transactionTimeoutMs`, or it may not use that id. Close it; what begins
 * anew begins with a new producer.
 */
export class ProducerFailed extends ClientError {
  override readonly name = "ProducerFailed";
  /** What the broker said; null: no broker said it. */
  readonly code: KafkaError | null;

  constructor(message: string, cause: unknown) {
    super(message, { cause });
    this.code = cause instanceof KafkaProtocolError ? cause.code : null;
  }

  get isFenced(): boolean {
    return this.code === "PRODUCER_FENCED" || this.code === "INVALID_PRODUCER_EPOCH";
  }
}

/**
 * The end of a transaction was asked for, and the answer did not come within `deliveryTimeoutMs`: it is committed, or it is not. It is one
 * of the two for all of it. `commit` again asks again; so does the next transaction, before it begins. `cause` is the last failure.
 */
export class TransactionOutcomeUnknown extends ClientError {
  override readonly name = "TransactionOutcomeUnknown";

  constructor(message: string, cause: unknown) {
    super(message, { cause });
  }
}

/** What a transactional producer was asked for does not fit where it is: to send without a transaction, to begin one within another. */
export class InvalidTransactionState extends ClientError {
  override readonly name = "InvalidTransactionState";
}

/** True for failures that go away by themselves or with newer metadata: connections, timeouts, the protocol's retriable codes. */
export function isRetriableFailure(error: unknown): boolean {
  return error instanceof ClientError && error.retriable;
}

const sentences: Partial<Record<KafkaError, string>> = {
  UNKNOWN_TOPIC_OR_PARTITION: "the topic or partition does not exist",
  UNKNOWN_TOPIC_ID: "the topic was deleted; one that was re-created under the same name is another",
  TOPIC_ALREADY_EXISTS: "the topic exists already",
  INVALID_TOPIC_EXCEPTION: "a topic's name has 1 to 249 letters, digits, dots, underscores and hyphens",
  INVALID_PARTITIONS: "that number of partitions is not possible",
  INVALID_REPLICATION_FACTOR: "there are not enough brokers for that many replicas",
  INVALID_REPLICA_ASSIGNMENT: "that assignment of replicas is not possible",
  INVALID_CONFIG: "a setting is unknown or its value is not allowed",
  LEADER_NOT_AVAILABLE: "the partition has no leader now",
  NOT_LEADER_OR_FOLLOWER: "the broker does not lead the partition any more",
  NOT_ENOUGH_REPLICAS: "fewer replicas are in sync than min.insync.replicas asks for",
  NOT_ENOUGH_REPLICAS_AFTER_APPEND: "written, but fewer replicas are in sync than min.insync.replicas asks for",
  REQUEST_TIMED_OUT: "not done within the time allowed",
  MESSAGE_TOO_LARGE: "larger than the topic's max.message.bytes",
  OFFSET_OUT_OF_RANGE: "the offset is not in the log",
  NOT_CONTROLLER: "the broker is not the controller",
  ELECTION_NOT_NEEDED: "the preferred replica leads already",
  PREFERRED_LEADER_NOT_AVAILABLE: "the preferred replica is not alive and in sync",
  ELIGIBLE_LEADERS_NOT_AVAILABLE: "no replica may lead",
  TOPIC_DELETION_DISABLED: "the brokers do not allow topics to be deleted",
  UNSUPPORTED_VERSION: "the broker does not know this version of the request",
  CORRUPT_MESSAGE: "the batch is damaged",
  OUT_OF_ORDER_SEQUENCE_NUMBER: "a batch before this one is missing in the log; this one may have been written",
  UNKNOWN_PRODUCER_ID: "the broker has forgotten the producer; the batch may have been written",
  INVALID_PRODUCER_EPOCH: "the producer has a newer epoch, or another one has begun under its id",
  PRODUCER_FENCED: "another producer has begun with the same transactionalId, or the transaction took longer than transactionTimeoutMs",
  INVALID_PRODUCER_ID_MAPPING: "the coordinator has forgotten the transactional id, or knows another producer under it",
  INVALID_TXN_STATE: "the transaction is not in a state for that",
  INVALID_TRANSACTION_TIMEOUT: "transactionTimeoutMs is above the brokers' transaction.max.timeout.ms",
  CONCURRENT_TRANSACTIONS: "the transaction before is still being ended",
  TRANSACTION_ABORTABLE: "the transaction can only be aborted",
  TRANSACTIONAL_ID_AUTHORIZATION_FAILED: "the transactional id may not be used",
  TRANSACTIONAL_ID_NOT_FOUND: "the coordinator does not know the transactional id",
  TRANSACTION_COORDINATOR_FENCED: "a newer coordinator has ended a transaction there",
  UNSTABLE_OFFSET_COMMIT: "a transaction that is not ended may still change the group's position",
  KAFKA_STORAGE_ERROR: "the broker's disk failed",
  UNKNOWN_SERVER_ERROR: "the broker met an error it did not expect",
  INCONSISTENT_GROUP_PROTOCOL: "the group's members use other assignors, or the group is of another kind",
  INVALID_GROUP_ID: "that is no name for a group, or the group is of another kind",
  INVALID_SESSION_TIMEOUT: "the session timeout is outside the brokers' bounds",
  GROUP_ID_NOT_FOUND: "the group does not exist",
  NON_EMPTY_GROUP: "the group has members",
  GROUP_SUBSCRIBED_TO_TOPIC: "members of the group are subscribed to the topic",
  GROUP_MAX_SIZE_REACHED: "the group has as many members as it may",
  FENCED_INSTANCE_ID: "another member has joined under the same group.instance.id",
  UNRELEASED_INSTANCE_ID: "another member of the group has the same group.instance.id",
  UNSUPPORTED_ASSIGNOR: "the brokers do not know that assignor",
  COORDINATOR_NOT_AVAILABLE: "the coordinator cannot be reached now",
  COORDINATOR_LOAD_IN_PROGRESS: "the coordinator is loading what it keeps",
  NOT_COORDINATOR: "the broker does not coordinate it now",
};

function explain(code: KafkaError): string {
  return sentences[code] ?? code.toLowerCase().replaceAll("_", " ");
}
