import { partitionKey, zeroTopicId } from "../../protocol/base/ids.ts";
import type { FetchRequest, FetchResponse } from "../../protocol/messages/fetch.ts";
import { type Isolation, isolationLevels } from "../metadata/offset-lookup.ts";
import type { FetchTarget, SessionRequest } from "./client-fetch-session.ts";

export type PartitionAnswer = FetchResponse["responses"][number]["partitions"][number];

/** From this version on topics are identified by id only. */
const idsOnlySince = 13;

/** The highest version that can name all these topics. */
export function fetchVersionMax(targets: readonly FetchTarget[]): number | undefined {
  return targets.some(({ topicId }) => topicId === zeroTopicId) ? idsOnlySince - 1 : undefined;
}

export interface FetchWishes {
  readonly maxWaitMs: number;
  readonly minBytes: number;
  readonly maxBytes: number;
  /** Where we stand; empty: it is not said. */
  readonly rackId: string;
  /** Default: everything. */
  readonly isolation?: Isolation;
}

export function fetchRequestOf({ sessionId, sessionEpoch, toSend, toForget }: SessionRequest, asked: FetchWishes): FetchRequest {
  const { isolation = "read_uncommitted", ...wishes } = asked;
  const byTopic = (targets: readonly FetchTarget[]) => [...Map.groupBy(targets, ({ topic, topicId }) => `${topicId} ${topic}`).values()];
  return {
    ...wishes,
    clusterId: null,
    replicaId: -1,
    replicaState: { replicaId: -1, replicaEpoch: -1 },
    isolationLevel: isolationLevels[isolation],
    sessionId,
    sessionEpoch,
    topics: byTopic(toSend).map((targets) => ({
      ...topicOf(targets),
      partitions: targets.map((target) => ({
        partition: target.partition,
        currentLeaderEpoch: target.currentLeaderEpoch,
        fetchOffset: target.fetchOffset,
        lastFetchedEpoch: target.lastFetchedEpoch,
        logStartOffset: -1,
        partitionMaxBytes: target.partitionMaxBytes,
        replicaDirectoryId: zeroTopicId,
      })),
    })),
    forgottenTopicsData: byTopic(toForget).map((targets) => ({
      ...topicOf(targets),
      partitions: targets.map(({ partition }) => partition),
    })),
  };
}

function topicOf(targets: readonly FetchTarget[]): { readonly topic: string; readonly topicId: string } {
  const first = targets[0];
  return { topic: first?.topic ?? "", topicId: first?.topicId ?? zeroTopicId };
}

/** Where partitions are led, as far as the answers say. */
export function leadersIn(answers: ReadonlyMap<string, PartitionAnswer>, targets: readonly FetchTarget[]) {
  return targets.flatMap(({ topic, partition }) => {
    const leader = answers.get(partitionKey(topic, partition))?.currentLeader;
    return leader !== undefined && leader.leaderId >= 0 ? [{ topic, partition, ...leader }] : [];
  });
}

/** The answer's partitions by their key, whether the version names topics or gives their ids. What was not requested is left out. */
export function answersByPartition(answer: FetchResponse, targets: readonly FetchTarget[]): ReadonlyMap<string, PartitionAnswer> {
  const namesById = new Map(targets.map(({ topic, topicId }) => [topicId, topic]));
  const answers = new Map<string, PartitionAnswer>();
  for (const { topic, topicId, partitions } of answer.responses) {
    const name = topicId === zeroTopicId ? topic : namesById.get(topicId);
    if (name === undefined) continue;
    for (const partition of partitions) answers.set(partitionKey(name, partition.partitionIndex), partition);
  }
  return answers;
}
