import type { BrokerId, IsrEpochs, TopicId } from "../base/ids.ts";
import type { KafkaErrorCode } from "../errors/kafka-errors.ts";

/**
 * What brokers send each other. A request or answer is a body (msgpack) followed by raw bytes (`payload`) that are not packed into it.
 * Bodies that arrive are shape-checked (`shape-check.ts`) before any handler sees them.
 */
export interface PeerMessages {
  /**
   * Follower to leader; the fetch offset is the acknowledgement. The answer's payload holds the partitions' records one after the other.
   */
  readonly "replica-fetch": { request: ReplicaFetchRequest; response: ReplicaFetchResponse };
  /**
   * Controller to every broker: the cluster as it is now, or what changed. Replaces Kafka's LeaderAndIsr, UpdateMetadata and StopReplica: a
   * broker derives its roles from it.
   */
  readonly "metadata-update": { request: MetadataUpdateRequest; response: MetadataUpdateResponse };
  /** Any broker to the controller: a client's request (payload: its body) that only the controller may serve. */
  readonly forward: { request: ForwardRequest; response: ForwardResponse };
  readonly "controlled-shutdown": { request: ControlledShutdownRequest; response: ControlledShutdownResponse };
  /** Controller to a leader, before anyone hears that others lead. Answered when they have all that it has, or the time is over. */
  readonly "hand-over": { request: HandOverRequest; response: PeerStatus };
  /** Leader to controller, after the change is in the coordinator. */
  readonly "isr-changed": { request: IsrChangedRequest; response: PeerStatus };
  /** Any broker to the controller: the replicas that it cannot use at the moment. */
  readonly "replicas-offline": { request: ReplicasOfflineRequest; response: PeerStatus };
  /** Any broker to any other: whether it is there. */
  readonly heartbeat: { request: HeartbeatRequest; response: HeartbeatResponse };
  /** A broker that cannot reach the controller to the others: whether they cannot either. */
  readonly "controller-unreachable": { request: ControllerUnreachableRequest; response: ControllerUnreachableResponse };
  /** A broker that tells the lag of groups to the leaders of partitions of which it has no replica. */
  readonly "committed-ends": { request: CommittedEndsRequest; response: CommittedEndsResponse };
  /** Leader of a partition to the transaction coordinator: what is written to it may be appended only if it belongs to the transaction. */
  readonly "join-transaction": { request: JoinTransactionRequest; response: JoinTransactionResponse };
  /** Transaction coordinator to the leaders of a transaction's partitions, once its outcome is on record. */
  readonly "write-markers": { request: WriteMarkersRequest; response: WriteMarkersResponse };
}

export type PeerKind = keyof PeerMessages;
export type PeerRequest<K extends PeerKind> = PeerMessages[K]["request"];
export type PeerResponse<K extends PeerKind> = PeerMessages[K]["response"];

export interface PeerStatus {
  readonly error: KafkaErrorCode;
  /** For a human; empty when there is nothing to say. */
  readonly message: string;
}

/**
 * The requests of a session, in order, tell the leader what its follower fetches: the first one names all partitions, each later one those
 * that were added, have changed, or are left out from now on. So every request speaks for all partitions of the session.
 */
export interface ReplicaFetchRequest {
  readonly brokerId: BrokerId;
  /** The follower's registration: a fetch of an earlier life of the broker must not count as an acknowledgement. */
  readonly brokerEpoch: number;
  readonly session: ReplicaFetchSession;
  readonly maxWaitMs: number;
  readonly minBytes: number;
  readonly maxBytes: number;
  /** Consumers read from the follower, and wait for the high watermark. Left out: they do not. */
  readonly hasReaders?: boolean;
  /**
   * Bytes that the follower takes in the answer, of partitions in which it is throttled (by the topic's list) and not in sync. Left out: as
   * many as there are.
   */
  readonly throttledBytesMax?: number;
  /** Left out from now on, or, when named as well, begun anew. Says nothing in a session's first request. */
  readonly forgotten: readonly ReplicaName[];
  readonly partitions: readonly ReplicaFetchPartition[];
}

export interface ReplicaFetchSession {
  /** Rises with each session of one registration. */
  readonly id: number;
  /** Counts the requests of the session, from 0. A request that does not follow the last one is refused, and ends the session. */
  readonly sequence: number;
  /** The answer to the request before this one was received and applied. Otherwise the leader must repeat what was new in it. */
  readonly isLastHeard: boolean;
}

export interface ReplicaFetchPartition {
  readonly topicId: TopicId;
  readonly partition: number;
  /** Leader epoch as the follower knows it. */
  readonly leaderEpoch: number;
  /** The follower's (written) log end offset. */
  readonly fetchOffset: number;
  /** Epoch of the record before `fetchOffset`; -1 when the log is empty. */
  readonly lastFetchedEpoch: number;
  readonly logStartOffset: number;
}

export interface ReplicaFetchResponse extends PeerStatus {
  /** Partitions without news are left out. An error of the whole answer ends the session. */
  readonly partitions: readonly ReplicaFetchedPartition[];
}

export interface ReplicaFetchedPartition {
  readonly topicId: TopicId;
  readonly partition: number;
  readonly error: KafkaErrorCode;
  readonly leaderEpoch: number;
  readonly highWatermark: number;
  readonly logStartOffset: number;
  /**
   * Follower and leader disagree: truncate to this epoch's end and fetch again. No records come with it. Epoch -1: the leader knows none so
   * old.
   * With OFFSET_OUT_OF_RANGE, `endOffset` is the leader's log end offset.
   */
  readonly diverging: { readonly epoch: number; readonly endOffset: number } | null;
  /**
   * Where the epochs of these records began on the leader, except the follower's last one: compaction may have removed their first records,
   * or all of them. Rising; with records only.
   */
  readonly epochs: readonly { readonly epoch: number; readonly startOffset: number }[];
  /** Bytes of this partition's records in the payload. */
  readonly recordsBytes: number;
}

export interface BrokerRecord {
  readonly id: BrokerId;
  readonly epoch: number;
  readonly rack: string | null;
  /** Client listeners by name, as advertised. */
  readonly endpoints: readonly { readonly listener: string; readonly host: string; readonly port: number }[];
  /** Where other brokers reach it. */
  readonly peer: { readonly host: string; readonly port: number };
}

/** Replicas that a partition is being given, and those that it is to lose once the others are in sync (KIP-455). */
export interface Reassignment {
  readonly adding: readonly BrokerId[];
  readonly removing: readonly BrokerId[];
}

export interface PartitionRecord {
  readonly partition: number;
  /** -1: none. */
  readonly leader: BrokerId;
  readonly leaderEpoch: number;
  readonly isr: readonly BrokerId[];
  readonly isrEpochs: IsrEpochs;
  /** Preferred leader first. During a reassignment: those that are wanted, then those that are being removed. */
  readonly replicas: readonly BrokerId[];
  /** Left out: none is under way. */
  readonly reassignment?: Reassignment;
  /** Brokers that are no replicas any more, and may still have a log of it. Left out: there are none. */
  readonly removed?: readonly BrokerId[];
  /** Version of the state znode: the base of a leader's compare-and-set of the ISR. */
  readonly stateVersion: number;
  /** True when the last election was unclean (a leader from outside the ISR): followers may truncate below their high watermark. */
  readonly leaderRecovering: boolean;
}

export interface TopicRecord {
  readonly name: string;
  readonly id: TopicId;
  readonly partitions: readonly PartitionRecord[];
  /** The topic's own settings by Kafka's names, as in `/config/topics/T`. */
  readonly config: Readonly<Record<string, string>>;
}

export interface MetadataUpdateRequest {
  readonly controllerId: BrokerId;
  readonly controllerEpoch: number;
  /** Registration of the broker this is meant for. */
  readonly brokerEpoch: number;
  /**
   * Rises with each message of one controller epoch to one registration. A message that is not above the last accepted one is a late one of
   * an abandoned attempt (another connection, a suspended process) and says nothing that was not said since.
   */
  readonly sequence: number;
  /** True: this is everything; the cluster does not know what is not in it. False: only what changed. */
  readonly full: boolean;
  /**
   * True only in a full update that is split: none of it is applied until its last part (`more` false, the sequence without gaps) has
   * arrived.
   */
  readonly more: boolean;
  /** All live brokers, in every update. */
  readonly brokers: readonly BrokerRecord[];
  /** Those of them that are shutting down. They must not join an ISR any more, or a leader would wait for a replica that is about to go. */
  readonly leavingBrokers: readonly BrokerId[];
  /** Those of them that the controller does not reach: leaders wait for them no longer than for a broker that may be gone. */
  readonly suspectedBrokers: readonly BrokerId[];
  /** Leaders of partitions that were just created and, as far as is known, do not serve them yet; in every update. */
  readonly startingLeaders: readonly StartingLeader[];
  /** Topics that are new or changed; of a changed topic, only the changed partitions, unless `full`. */
  readonly topics: readonly TopicRecord[];
  /**
   * Deletions on record: the brokers remove the logs of these topics, and of no others. All of them in a full update (in its first part),
   * including those that this broker was told of before.
   */
  readonly deletedTopics: readonly { readonly name: string; readonly id: TopicId }[];
  /** Dynamic broker settings by broker id as text, `""` for the cluster-wide default; null when unchanged. */
  readonly brokerConfigs: Readonly<Record<string, Readonly<Record<string, string>>>> | null;
  /** Of live brokers: the replicas that they reported as unusable, by reason. Null when unchanged. */
  readonly offlineReplicas:
    | readonly { readonly brokerId: BrokerId; readonly reason: string; readonly replicas: readonly ReplicaName[] }[]
    | null;
  /** Null when unchanged. Left out by a controller that knows no features: none is in force that its brokers could know of. */
  readonly features?: FeatureLevels | null;
}

/** What the cluster has agreed on, as the controller has read it. */
export interface FeatureLevels {
  readonly epoch: number;
  readonly levels: Readonly<Record<string, number>>;
}

/** What this broker leads of this topic from that partition on, in its first leader epoch. */
export interface StartingLeader {
  readonly brokerId: BrokerId;
  readonly topicId: TopicId;
  readonly fromPartition: number;
}

export interface ReplicaName {
  readonly topicId: TopicId;
  readonly partition: number;
}

/** Replicas that the broker cannot take up are not listed here: it reports them, like all that fail later (`replicas-offline`). */
export interface MetadataUpdateResponse extends PeerStatus {
  /** Of the deleted topics, those that this broker may still have logs of: it must be told again, after its next registration. */
  readonly keptTopics: readonly TopicId[];
}

export interface ForwardRequest {
  readonly apiKey: number;
  readonly apiVersion: number;
  readonly clientId: string | null;
  readonly listener: string;
}

/** NONE: the payload is the response's body. NOT_CONTROLLER: ask the controller that the metadata names now. */
export type ForwardResponse = PeerStatus;

export interface ControlledShutdownRequest {
  readonly brokerId: BrokerId;
  readonly brokerEpoch: number;
}

export interface ControlledShutdownResponse extends PeerStatus {
  /** Partitions that it still leads because no other in-sync replica is alive. */
  readonly remaining: readonly { readonly topic: string; readonly partition: number }[];
  /** Whether one of them has another replica that is alive and stays, so that a later retry may help. */
  readonly mayMoveLater: boolean;
}

export interface HandOverRequest {
  readonly controllerId: BrokerId;
  readonly controllerEpoch: number;
  readonly maxWaitMs: number;
  readonly partitions: readonly (ReplicaName & {
    /** Under which it leads. */
    readonly leaderEpoch: number;
  })[];
}

export interface IsrChangedRequest {
  readonly brokerId: BrokerId;
  readonly brokerEpoch: number;
  readonly partitions: readonly {
    readonly topicId: TopicId;
    readonly partition: number;
    readonly leaderEpoch: number;
    readonly isr: readonly BrokerId[];
    readonly isrEpochs: IsrEpochs;
    readonly stateVersion: number;
  }[];
}

export interface ReplicasOfflineRequest {
  readonly brokerId: BrokerId;
  readonly brokerEpoch: number;
  /** Of the controller this is meant for. Any other refuses it, so that a report to one controller never counts as known to the next. */
  readonly controllerEpoch: number;
  /** Rises with each report. One that is not above the last accepted one is a late one of an abandoned attempt. */
  readonly sequence: number;
  /** All replicas that the broker cannot use now, by reason. A replica that was reported before and is not listed can be used again. */
  readonly offline: readonly { readonly reason: string; readonly replicas: readonly ReplicaName[] }[];
}

export interface HeartbeatRequest {
  readonly brokerId: BrokerId;
  /** Answer after this time: so that one is always under way, and a link that breaks is noticed at once. */
  readonly waitMs: number;
}

export interface HeartbeatResponse {
  /** The registration of the broker that answers; -1: it has none. A process that was started again is not the one that was registered. */
  readonly brokerEpoch: number;
  /** Its disk takes nothing: it is there, and can neither lead nor follow. */
  readonly isStuck: boolean;
}

export interface ControllerUnreachableRequest {
  readonly brokerId: BrokerId;
  readonly controllerId: BrokerId;
  /** The controller's registration as a broker. */
  readonly controllerBrokerEpoch: number;
}

export interface ControllerUnreachableResponse {
  /** The broker that answers cannot reach that controller either, and knows no newer one. */
  readonly agrees: boolean;
}

export interface CommittedEndsRequest {
  readonly brokerId: BrokerId;
  readonly partitions: readonly ReplicaName[];
}

export interface CommittedEndsResponse {
  /** High watermarks, in the request's order; -1: the broker that answers does not lead that partition. */
  readonly ends: readonly number[];
}

export interface JoinTransactionRequest {
  readonly brokerId: BrokerId;
  readonly transactionalId: string;
  readonly producerId: number;
  readonly producerEpoch: number;
  /** The partitions are added (transaction version 2). Otherwise: whether the client has added them. */
  readonly adds: boolean;
  /** By name, as the coordinator keeps them. */
  readonly partitions: readonly { readonly topic: string; readonly partition: number }[];
}

export interface JoinTransactionResponse {
  /** In the request's order. */
  readonly errors: readonly KafkaErrorCode[];
}

export interface WriteMarkersRequest {
  readonly brokerId: BrokerId;
  readonly markers: readonly TransactionMarker[];
}

/** How a transaction ended, to be written to those of its partitions that the addressed broker leads. */
export interface TransactionMarker {
  readonly producerId: number;
  readonly producerEpoch: number;
  /** Of the leadership of the transaction's partition of `__transaction_state`. */
  readonly coordinatorEpoch: number;
  readonly commits: boolean;
  readonly transactionVersion: number;
  /** Which of the coordinator's orders it is: see `MarkerOrders`. Absent: older brokers count none. */
  readonly order?: number | undefined;
  readonly partitions: readonly ReplicaName[];
}

export interface WriteMarkersResponse {
  /** By marker and partition, in the request's order. NONE: every in-sync replica has it. */
  readonly errors: readonly (readonly KafkaErrorCode[])[];
}
