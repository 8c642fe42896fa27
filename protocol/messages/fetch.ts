import { zeroTopicId } from "../base/ids.ts";
import { array, nullableArray, struct } from "../schema/composites.ts";
import { type MessageType, message } from "../schema/message.ts";
import { errorCode, int8, int32, int64, nullableRecords, nullableString, saturatedInt64, string, uuid } from "../schema/primitives.ts";

/** From version 13 on topics go by id and `topic` is absent; before, by name and `topicId` is absent (KIP-516). */
const api = { apiKey: 1, versions: [4, 17], flexibleSince: 12 } as const;

export const fetchRequest = message(
  { ...api, name: "FetchRequest" },
  {
    /** Refused with INCONSISTENT_CLUSTER_ID when it is that of another cluster; only Raft followers send it. */
    clusterId: nullableString({ since: 12, tag: 0, absent: null }),
    /** -1: a consumer. From version 15 on it is in `replicaState` (KIP-903). */
    replicaId: int32({ until: 14, absent: -1 }),
    replicaState: struct(
      { replicaId: int32(), replicaEpoch: saturatedInt64() },
      { since: 15, tag: 1, absent: { replicaId: -1, replicaEpoch: -1 } },
    ),
    maxWaitMs: int32(),
    minBytes: int32(),
    /** Over the whole response; one batch may exceed it, so that a large batch cannot stall a consumer. */
    maxBytes: int32(),
    /** 0: read uncommitted; 1: read committed, up to the last stable offset. */
    isolationLevel: int8(),
    /** 0: no session, or a new one (KIP-227). */
    sessionId: int32({ since: 7, absent: 0 }),
    /** -1: no session; 0: open one; above 0: the session's next request. */
    sessionEpoch: int32({ since: 7, absent: -1 }),
    topics: array(
      struct({
        topic: string({ until: 12, absent: "" }),
        topicId: uuid({ since: 13, absent: zeroTopicId }),
        partitions: array(
          struct({
            partition: int32(),
            /** The epoch the client knows, checked before anything is read; -1: not known (KIP-320). */
            currentLeaderEpoch: int32({ since: 9, absent: -1 }),
            fetchOffset: saturatedInt64(),
            /** Epoch of the record before `fetchOffset`; a mismatch is answered with `divergingEpoch`. */
            lastFetchedEpoch: int32({ since: 12, absent: -1 }),
            /** Followers only: their own log start offset. */
            logStartOffset: saturatedInt64({ since: 5, absent: -1 }),
            partitionMaxBytes: int32(),
            replicaDirectoryId: uuid({ since: 17, tag: 0, absent: zeroTopicId }),
          }),
        ),
      }),
    ),
    /** Partitions that the session no longer fetches. */
    forgottenTopicsData: array(
      struct({ topic: string({ until: 12, absent: "" }), topicId: uuid({ since: 13, absent: zeroTopicId }), partitions: array(int32()) }),
      { since: 7, absent: [] },
    ),
    rackId: string({ since: 11, absent: "" }),
  },
);
export type FetchRequest = MessageType<typeof fetchRequest>;

export const fetchResponse = message(
  { ...api, name: "FetchResponse" },
  {
    throttleTimeMs: int32(),
    /** For the fetch session; partitions carry their own. */
    errorCode: errorCode({ since: 7, absent: "NONE" }),
    sessionId: int32({ since: 7, absent: 0 }),
    responses: array(
      struct({
        topic: string({ until: 12, absent: "" }),
        topicId: uuid({ since: 13, absent: zeroTopicId }),
        partitions: array(
          struct({
            partitionIndex: int32(),
            errorCode: errorCode(),
            highWatermark: int64(),
            /** The last stable offset: no transaction is open below it, and read-committed consumers read up to it. */
            lastStableOffset: int64(),
            logStartOffset: int64({ since: 5, absent: -1 }),
            /** Where the fetcher's log diverges from the leader's: the last epoch that they may share and its end offset. */
            divergingEpoch: struct({ epoch: int32(), endOffset: int64() }, { since: 12, tag: 0, absent: { epoch: -1, endOffset: -1 } }),
            /** With a leadership error: the current leader. */
            currentLeader: struct(
              { leaderId: int32(), leaderEpoch: int32() },
              { since: 12, tag: 1, absent: { leaderId: -1, leaderEpoch: -1 } },
            ),
            snapshotId: struct({ endOffset: int64(), epoch: int32() }, { since: 12, tag: 2, absent: { endOffset: -1, epoch: -1 } }),
            /** Null unless the fetch was read-committed. */
            abortedTransactions: nullableArray(struct({ producerId: int64(), firstOffset: int64() })),
            /** A replica nearer to the consumer's rack; -1: keep fetching here (KIP-392). */
            preferredReadReplica: int32({ since: 11, absent: -1 }),
            records: nullableRecords(),
          }),
        ),
      }),
    ),
    nodeEndpoints: array(struct({ nodeId: int32(), host: string(), port: int32(), rack: nullableString() }), {
      since: 16,
      tag: 0,
      absent: [],
    }),
  },
);
export type FetchResponse = MessageType<typeof fetchResponse>;
