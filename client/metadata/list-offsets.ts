import { noBroker, partitionKey, type TopicPartition } from "../../protocol/base/ids.ts";
import { KafkaProtocolError } from "../errors.ts";
import { calls } from "../network/api-calls.ts";
import type { Cluster } from "./cluster.ts";
import { whileLeading } from "./leader-watch.ts";

/** Which offset is asked for: a place in the log, the record with the largest timestamp, or the first record from a time on. */
export type OffsetSpec = "earliest" | "latest" | "max-timestamp" | { readonly timestampMs: number };

export interface OffsetQuery extends TopicPartition {
  readonly spec: OffsetSpec;
}

export interface FoundOffset {
  /** -1: no record is as late as the time asked for. */
  readonly offset: number;
  /** -1 for places in the log. */
  readonly timestampMs: number;
  /** -1: not known. */
  readonly leaderEpoch: number;
}

const wireTimestamps = { latest: -1, earliest: -2, "max-timestamp": -3 } as const;
/** First version that knows the largest timestamp. */
const maxTimestampSince = 7;

/** Asks the partitions' leaders, in parallel; refreshes metadata and asks again where that helps, until `deadlineMs` (monotonic). Answers are in the order of the queries. */
export async function listOffsets(cluster: Cluster, queries: readonly OffsetQuery[], deadlineMs: number): Promise<readonly FoundOffset[]> {
  const foundByIndex = new Map<number, FoundOffset>();
  await cluster.retrying(deadlineMs, async () => {
    for (const topic of new Set(queries.map((query) => query.topic))) await cluster.metadata.awaitTopic(topic, deadlineMs, cluster.signal);
    const open = queries.map((query, index) => ({ query, index })).filter(({ index }) => !foundByIndex.has(index));
    const groups = groupByRequest(cluster, open);
    const outcomes = await Promise.allSettled(
      groups.map(({ leader, members }) => askLeader(cluster, leader, members, (index, found) => foundByIndex.set(index, found))),
    );
    const failed = outcomes.find((outcome) => outcome.status === "rejected");
    if (failed !== undefined) throw failed.reason;
  });
  return queries.map((_query, index) => foundByIndex.get(index) as FoundOffset);
}

interface Group {
  readonly leader: number;
  readonly members: Member[];
}

/** By leader; a partition that is asked for several times goes into several requests, for it may be in one only once. */
function groupByRequest(cluster: Cluster, open: readonly Member[]): readonly Group[] {
  const groups = new Map<string, Group>();
  const timesSeen = new Map<string, number>();
  for (const member of open) {
    const { topic, partition } = member.query;
    const times = timesSeen.get(partitionKey(topic, partition)) ?? 0;
    timesSeen.set(partitionKey(topic, partition), times + 1);
    const leader = leaderOf(cluster, member.query);
    const key = `${leader} ${times}`;
    const group = groups.get(key) ?? { leader, members: [] };
    groups.set(key, group);
    group.members.push(member);
  }
  return [...groups.values()];
}

function leaderOf(cluster: Cluster, { topic, partition }: OffsetQuery): number {
  const known = cluster.metadata.partition(topic, partition);
  if (known === undefined) throw new KafkaProtocolError("UNKNOWN_TOPIC_OR_PARTITION", `${topic}-${partition}`);
  if (known.leader === noBroker) throw new KafkaProtocolError("LEADER_NOT_AVAILABLE", `${topic}-${partition}`);
  return known.leader;
}

interface Member {
  readonly query: OffsetQuery;
  readonly index: number;
}

async function askLeader(
  cluster: Cluster,
  leader: number,
  members: readonly Member[],
  onFound: (index: number, found: FoundOffset) => void,
): Promise<void> {
  const topics = [...Map.groupBy(members, ({ query }) => query.topic)].map(([name, ofTopic]) => ({
    name,
    partitions: ofTopic.map(({ query }) => ({
      partitionIndex: query.partition,
      currentLeaderEpoch: cluster.metadata.partition(name, query.partition)?.leaderEpoch ?? -1,
      timestamp: typeof query.spec === "string" ? wireTimestamps[query.spec] : query.spec.timestampMs,
    })),
  }));
  const build = (version: number) => {
    if (version < maxTimestampSince && members.some(({ query }) => query.spec === "max-timestamp"))
      throw new KafkaProtocolError("UNSUPPORTED_VERSION", "the record with the largest timestamp");
    return { replicaId: -1, isolationLevel: 0, topics };
  };
  const partitions = topics.flatMap(({ name, partitions: asked }) =>
    asked.map(({ partitionIndex, currentLeaderEpoch }) => ({ topic: name, partition: partitionIndex, sentToEpoch: currentLeaderEpoch })),
  );
  const answer = await whileLeading(cluster, { broker: leader, partitions, waitMs: 0 }, async (signal) => {
    const connection = await cluster.pool.toBroker(leader, "requests", signal);
    return connection.request(calls.listOffsets, build, { signal });
  });
  let failure: KafkaProtocolError | null = null;
  for (const { query, index } of members) {
    const found = answer.topics.find(({ name }) => name === query.topic)?.partitions.find((p) => p.partitionIndex === query.partition);
    const code = found?.errorCode ?? "UNKNOWN_SERVER_ERROR";
    if (found === undefined || code !== "NONE")
      failure = new KafkaProtocolError(code === "NONE" ? "UNKNOWN_SERVER_ERROR" : code, `offsets of ${query.topic}-${query.partition}`);
    else onFound(index, { offset: found.offset, timestampMs: found.timestamp, leaderEpoch: found.leaderEpoch });
  }
  if (failure !== null) throw failure;
}
