import { array, struct } from "../schema/composites.ts";
import { type MessageType, message } from "../schema/message.ts";
import { errorCode, int16, int32, int64, nullableErrorMessage, nullableRecords, nullableString, string } from "../schema/primitives.ts";

const api = { apiKey: 0, versions: [3, 12], flexibleSince: 9 } as const;

export const produceRequest = message(
  { ...api, name: "ProduceRequest" },
  {
    transactionalId: nullableString(),
    /** 0: no answer; 1: once the leader has it; -1: once every in-sync replica has it. */
    acks: int16(),
    timeoutMs: int32(),
    topicData: array(struct({ name: string(), partitionData: array(struct({ index: int32(), records: nullableRecords() })) })),
  },
);
export type ProduceRequest = MessageType<typeof produceRequest>;

export const produceResponse = message(
  { ...api, name: "ProduceResponse" },
  {
    responses: array(
      struct({
        name: string(),
        partitionResponses: array(
          struct({
            index: int32(),
            errorCode: errorCode(),
            baseOffset: int64(),
            /** -1 unless the topic stamps records with the broker's time. */
            logAppendTimeMs: int64(),
            logStartOffset: int64({ since: 5, absent: -1 }),
            /** The records for which the whole batch was refused (KIP-467). */
            recordErrors: array(struct({ batchIndex: int32(), batchIndexErrorMessage: nullableErrorMessage() }), { since: 8, absent: [] }),
            errorMessage: nullableErrorMessage({ since: 8, absent: null }),
            /** With NOT_LEADER_OR_FOLLOWER and FENCED_LEADER_EPOCH: the current leader (KIP-951). */
            currentLeader: struct(
              { leaderId: int32(), leaderEpoch: int32() },
              { since: 10, tag: 0, absent: { leaderId: -1, leaderEpoch: -1 } },
            ),
          }),
        ),
      }),
    ),
    throttleTimeMs: int32(),
    /** Addresses of the leaders named above. */
    nodeEndpoints: array(struct({ nodeId: int32(), host: string(), port: int32(), rack: nullableString() }), {
      since: 10,
      tag: 0,
      absent: [],
    }),
  },
);
export type ProduceResponse = MessageType<typeof produceResponse>;
