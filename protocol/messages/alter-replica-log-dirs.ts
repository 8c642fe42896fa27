import { array, struct } from "../schema/composites.ts";
import { type MessageType, message } from "../schema/message.ts";
import { errorCode, int32, string } from "../schema/primitives.ts";

const api = { apiKey: 34, versions: [0, 2], flexibleSince: 2 } as const;

export const alterReplicaLogDirsRequest = message(
  { ...api, name: "AlterReplicaLogDirsRequest" },
  {
    dirs: array(struct({ path: string(), topics: array(struct({ name: string(), partitions: array(int32()) })) })),
  },
);
export type AlterReplicaLogDirsRequest = MessageType<typeof alterReplicaLogDirsRequest>;

export const alterReplicaLogDirsResponse = message(
  { ...api, name: "AlterReplicaLogDirsResponse" },
  {
    throttleTimeMs: int32(),
    results: array(struct({ topicName: string(), partitions: array(struct({ partitionIndex: int32(), errorCode: errorCode() })) })),
  },
);
export type AlterReplicaLogDirsResponse = MessageType<typeof alterReplicaLogDirsResponse>;
