import type { TopicId } from "../../../protocol/base/ids.ts";
import { fetchRequest } from "../../../protocol/messages/fetch.ts";
import { sampleOf } from "../../unit/protocol/samples.ts";
import { requestFrame } from "./raw-link.ts";

const version = 13;
const maxBytes = 1 << 24;

/** A Fetch, as it goes over the wire, of up to 16 MiB from the beginning of a topic's partition 0. */
export function fetchFrame(topicId: TopicId): Buffer {
  const partition = {
    partition: 0,
    currentLeaderEpoch: -1,
    fetchOffset: 0,
    lastFetchedEpoch: -1,
    logStartOffset: -1,
    partitionMaxBytes: maxBytes,
    replicaDirectoryId: "",
  };
  return requestFrame(fetchRequest, version, {
    ...(sampleOf(fetchRequest.fields, version) as Parameters<typeof fetchRequest.write>[1]),
    ...{ clusterId: null, replicaId: -1, maxWaitMs: 0, minBytes: 0, maxBytes, sessionId: 0, sessionEpoch: -1, rackId: "" },
    topics: [{ topic: "", topicId, partitions: [partition] }],
    forgottenTopicsData: [],
  } as Parameters<typeof fetchRequest.write>[1]);
}
