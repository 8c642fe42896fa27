import { zeroTopicId } from "../../protocol/base/ids.ts";
import { apis } from "../../protocol/messages/apis.ts";
import { encodeBatch } from "../../protocol/records/encode-batch.ts";
import type { RawConnection } from "./raw-request.ts";

/** One record to one partition, over a connection to one broker: what that broker itself answers. */
export async function produceTo(
  connection: RawConnection,
  topic: string,
  partition: number,
  value: string,
  acks: 1 | -1,
  timeoutMs = 5_000,
) {
  const records = [encodeBatch([{ key: null, value: Buffer.from(value), headers: [], timestampMs: Date.now() }])];
  const topicData = [{ name: topic, partitionData: [{ index: partition, records }] }];
  const { responses } = await connection.request(apis.produce, 9, { transactionalId: null, acks, timeoutMs, topicData });
  return responses[0]!.partitionResponses[0]!;
}

/** The same of a fetch that does not wait. */
export async function fetchFrom(connection: RawConnection, topic: string, partition: number, fetchOffset: number, maxBytes = 1_000_000) {
  const asked = {
    partition,
    currentLeaderEpoch: -1,
    fetchOffset,
    lastFetchedEpoch: -1,
    logStartOffset: -1,
    partitionMaxBytes: maxBytes,
    replicaDirectoryId: zeroTopicId,
  };
  const { responses } = await connection.request(apis.fetch, 12, {
    clusterId: null,
    replicaId: -1,
    replicaState: { replicaId: -1, replicaEpoch: -1 },
    maxWaitMs: 0,
    minBytes: 0,
    maxBytes,
    isolationLevel: 0,
    sessionId: 0,
    sessionEpoch: -1,
    topics: [{ topic, topicId: zeroTopicId, partitions: [asked] }],
    forgottenTopicsData: [],
    rackId: "",
  });
  return responses[0]!.partitions[0]!;
}
