import { featureLevelMax, featureNameMax, featuresMax } from "../base/features.ts";
import type { TopicId } from "../base/ids.ts";
import { kafkaErrors } from "../errors/kafka-errors.ts";
import type {
  BrokerRecord,
  CommittedEndsRequest,
  CommittedEndsResponse,
  ControlledShutdownRequest,
  ControlledShutdownResponse,
  ControllerUnreachableRequest,
  ControllerUnreachableResponse,
  FeatureLevels,
  ForwardRequest,
  HandOverRequest,
  HeartbeatRequest,
  HeartbeatResponse,
  IsrChangedRequest,
  JoinTransactionRequest,
  JoinTransactionResponse,
  MetadataUpdateRequest,
  MetadataUpdateResponse,
  PartitionRecord,
  PeerKind,
  PeerRequest,
  PeerResponse,
  PeerStatus,
  Reassignment,
  ReplicaFetchedPartition,
  ReplicaFetchPartition,
  ReplicaFetchRequest,
  ReplicaFetchResponse,
  ReplicaFetchSession,
  ReplicaName,
  ReplicasOfflineRequest,
  StartingLeader,
  TopicRecord,
  TransactionMarker,
  WriteMarkersRequest,
  WriteMarkersResponse,
} from "./messages.ts";
import { array, flag, integer, keyOf, type Mismatch, matching, nullable, object, optional, record, type Shape, text } from "./shape.ts";

const int32Max = 2 ** 31 - 1;

/** Far above any real cluster; what is really possible is bounded by the frame. */
const brokersMax = 10_000;
const partitionsMax = 1_000_000;
/** Of one partition in one answer. */
const epochsMax = 1000;
const topicsMax = 1_000_000;
const settingsMax = 10_000;

const brokerId = integer(0, int32Max);
const brokerIdOrNone = integer(-1, int32Max);
const brokerEpoch = integer(-1, Number.MAX_SAFE_INTEGER);
/** The registration that a request is from or for: there always is one. */
const registration = integer(0, Number.MAX_SAFE_INTEGER);
const leaderEpoch = integer(-1, int32Max);
const offset = integer(-1, Number.MAX_SAFE_INTEGER);
const partition = integer(0, int32Max);
const version = integer(-1, int32Max);
const bytes = integer(0, int32Max);
const port = integer(0, 65_535);
const host = text(1024);
const listenerName = text(255);
/** It becomes a folder's name, and part of a coordinator path. */
const topicName = matching<string>(/^(?!\.{1,2}$)[a-zA-Z0-9._-]{1,249}$/, "the name of a topic");
const topicId = matching<TopicId>(/^[A-Za-z0-9_-]{22}$/, "a topic id of 22 characters");
const error = keyOf(kafkaErrors, "the name of a protocol error");
const message = text(65_536);
const replicas = array(brokerId, brokersMax);
/** By broker id. */
const isrEpochs = record(brokerEpoch, brokersMax, 16);
const settings = record(text(65_536), settingsMax, 1024);

const status = { error, message } as const;
const peerStatus = object<PeerStatus>(status);

const replicaName = object<ReplicaName>({ topicId, partition });

const replicaFetchRequest = object<ReplicaFetchRequest>({
  brokerId,
  brokerEpoch: registration,
  session: object<ReplicaFetchSession>({
    id: integer(0, Number.MAX_SAFE_INTEGER),
    sequence: integer(0, Number.MAX_SAFE_INTEGER),
    isLastHeard: flag,
  }),
  maxWaitMs: integer(0, int32Max),
  minBytes: bytes,
  maxBytes: bytes,
  hasReaders: optional(flag),
  throttledBytesMax: optional(bytes),
  forgotten: array(replicaName, partitionsMax),
  partitions: array(
    object<ReplicaFetchPartition>({
      topicId,
      partition,
      leaderEpoch,
      fetchOffset: offset,
      lastFetchedEpoch: leaderEpoch,
      logStartOffset: offset,
    }),
    partitionsMax,
  ),
});

const replicaFetchResponse = object<ReplicaFetchResponse>({
  ...status,
  partitions: array(
    object<ReplicaFetchedPartition>({
      topicId,
      partition,
      error,
      leaderEpoch,
      highWatermark: offset,
      logStartOffset: offset,
      diverging: nullable(object({ epoch: leaderEpoch, endOffset: offset })),
      epochs: array(object({ epoch: leaderEpoch, startOffset: offset }), epochsMax),
      recordsBytes: bytes,
    }),
    partitionsMax,
  ),
});

const brokerRecord = object<BrokerRecord>({
  id: brokerId,
  epoch: brokerEpoch,
  rack: nullable(text(1024)),
  endpoints: array(object({ listener: listenerName, host, port }), 1000),
  peer: object({ host, port }),
});

const partitionRecord = object<PartitionRecord>({
  partition,
  leader: brokerIdOrNone,
  leaderEpoch,
  isr: replicas,
  isrEpochs,
  replicas,
  reassignment: optional(object<Reassignment>({ adding: replicas, removing: replicas })),
  removed: optional(replicas),
  stateVersion: version,
  leaderRecovering: flag,
});

const topicRecord = object<TopicRecord>({
  name: topicName,
  id: topicId,
  partitions: array(partitionRecord, partitionsMax),
  config: settings,
});

const metadataUpdateRequest = object<MetadataUpdateRequest>({
  controllerId: brokerId,
  controllerEpoch: integer(0, int32Max),
  brokerEpoch: registration,
  sequence: integer(0, Number.MAX_SAFE_INTEGER),
  full: flag,
  more: flag,
  brokers: array(brokerRecord, brokersMax),
  leavingBrokers: array(brokerId, brokersMax),
  suspectedBrokers: array(brokerId, brokersMax),
  startingLeaders: array(object<StartingLeader>({ brokerId, topicId, fromPartition: partition }), partitionsMax),
  topics: array(topicRecord, topicsMax),
  deletedTopics: array(object({ name: topicName, id: topicId }), topicsMax),
  brokerConfigs: nullable(record(settings, brokersMax, 16)),
  offlineReplicas: nullable(array(object({ brokerId, reason: message, replicas: array(replicaName, partitionsMax) }), partitionsMax)),
  features: optional(
    nullable(
      object<FeatureLevels>({
        epoch: integer(-1, int32Max),
        levels: record(integer(0, featureLevelMax), featuresMax, featureNameMax),
      }),
    ),
  ),
});

const metadataUpdateResponse = object<MetadataUpdateResponse>({ ...status, keptTopics: array(topicId, topicsMax) });

const forwardRequest = object<ForwardRequest>({
  apiKey: integer(0, 32_767),
  apiVersion: integer(0, 32_767),
  clientId: nullable(text(32_767)),
  listener: listenerName,
});

const controlledShutdownRequest = object<ControlledShutdownRequest>({ brokerId, brokerEpoch: registration });

const controlledShutdownResponse = object<ControlledShutdownResponse>({
  ...status,
  remaining: array(object({ topic: topicName, partition }), partitionsMax),
  mayMoveLater: flag,
});

const handOverRequest = object<HandOverRequest>({
  controllerId: brokerId,
  controllerEpoch: integer(0, int32Max),
  maxWaitMs: integer(0, int32Max),
  partitions: array(object({ topicId, partition, leaderEpoch }), partitionsMax),
});

const isrChangedRequest = object<IsrChangedRequest>({
  brokerId,
  brokerEpoch: registration,
  partitions: array(object({ topicId, partition, leaderEpoch, isr: replicas, isrEpochs, stateVersion: version }), partitionsMax),
});

const replicasOfflineRequest = object<ReplicasOfflineRequest>({
  brokerId,
  brokerEpoch: registration,
  controllerEpoch: integer(0, int32Max),
  sequence: integer(0, Number.MAX_SAFE_INTEGER),
  offline: array(object({ reason: message, replicas: array(replicaName, partitionsMax) }), partitionsMax),
});

const heartbeatRequest = object<HeartbeatRequest>({ brokerId, waitMs: integer(0, int32Max) });
const heartbeatResponse = object<HeartbeatResponse>({ brokerEpoch, isStuck: flag });

const controllerUnreachableRequest = object<ControllerUnreachableRequest>({
  brokerId,
  controllerId: brokerId,
  controllerBrokerEpoch: registration,
});
const controllerUnreachableResponse = object<ControllerUnreachableResponse>({ agrees: flag });

const committedEndsRequest = object<CommittedEndsRequest>({ brokerId, partitions: array(replicaName, partitionsMax) });
const committedEndsResponse = object<CommittedEndsResponse>({ ends: array(offset, partitionsMax) });

const producerId = integer(0, Number.MAX_SAFE_INTEGER);
const producerEpoch = integer(0, 32_767);
const joinTransactionRequest = object<JoinTransactionRequest>({
  brokerId,
  transactionalId: text(32_767),
  producerId,
  producerEpoch,
  adds: flag,
  partitions: array(object({ topic: topicName, partition }), partitionsMax),
});
const joinTransactionResponse = object<JoinTransactionResponse>({ errors: array(error, partitionsMax) });

const writeMarkersRequest = object<WriteMarkersRequest>({
  brokerId,
  markers: array(
    object<TransactionMarker>({
      producerId,
      producerEpoch,
      coordinatorEpoch: integer(0, int32Max),
      commits: flag,
      transactionVersion: integer(0, 127),
      order: optional(integer(0, Number.MAX_SAFE_INTEGER)),
      partitions: array(replicaName, partitionsMax),
    }),
    partitionsMax,
  ),
});
const writeMarkersResponse = object<WriteMarkersResponse>({ errors: array(array(error, partitionsMax), partitionsMax) });

/** Every kind, in both directions. */
const shapes: { readonly [K in PeerKind]: { readonly request: Shape<PeerRequest<K>>; readonly response: Shape<PeerResponse<K>> } } = {
  "replica-fetch": { request: replicaFetchRequest, response: replicaFetchResponse },
  "metadata-update": { request: metadataUpdateRequest, response: metadataUpdateResponse },
  forward: { request: forwardRequest, response: peerStatus },
  "controlled-shutdown": { request: controlledShutdownRequest, response: controlledShutdownResponse },
  "hand-over": { request: handOverRequest, response: peerStatus },
  "isr-changed": { request: isrChangedRequest, response: peerStatus },
  "replicas-offline": { request: replicasOfflineRequest, response: peerStatus },
  heartbeat: { request: heartbeatRequest, response: heartbeatResponse },
  "controller-unreachable": { request: controllerUnreachableRequest, response: controllerUnreachableResponse },
  "committed-ends": { request: committedEndsRequest, response: committedEndsResponse },
  "join-transaction": { request: joinTransactionRequest, response: joinTransactionResponse },
  "write-markers": { request: writeMarkersRequest, response: writeMarkersResponse },
};

/** A body from another broker that does not have the shape declared for its kind. */
export class ShapeMismatch extends Error {
  override readonly name = "ShapeMismatch";

  constructor(what: string, { path, reason }: Mismatch) {
    super(`${what}${path === "" ? "" : `: ${path}`} must be ${reason}`);
  }
}

export function isPeerKind(kind: string): kind is PeerKind {
  return Object.hasOwn(shapes, kind);
}

/** Throws ShapeMismatch, which names the field. */
export function checkedRequest<K extends PeerKind>(kind: K, body: unknown): PeerRequest<K> {
  return checked(`${kind} request`, shapes[kind].request, body) as PeerRequest<K>;
}

/** Throws ShapeMismatch, which names the field. */
export function checkedResponse<K extends PeerKind>(kind: K, body: unknown): PeerResponse<K> {
  return checked(`${kind} response`, shapes[kind].response, body) as PeerResponse<K>;
}

export function checked<T>(what: string, shape: Shape<T>, value: unknown): T {
  const mismatch = shape.check(value);
  if (mismatch !== null) throw new ShapeMismatch(what, mismatch);
  return value as T;
}
