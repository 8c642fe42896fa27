import { type BrokerId, noBroker, partitionKey, type TopicPartition } from "../../protocol/base/ids.ts";
import { KafkaProtocolError } from "../base/errors.ts";
import type { BrokerConnection } from "../network/broker-connection.ts";
import type { Cluster } from "./cluster.ts";
import { whileLeading } from "./leader-watch.ts";
import { noLeader } from "./no-leader.ts";

export interface LeaderRequest<Q extends TopicPartition, A> {
  /** How long a broker may legitimately take. Milliseconds. */
  readonly waitMs: number;
  /** One request to one leader, with each partition in it once. Answers in the same order. */
  readonly ask: (connection: BrokerConnection, queries: readonly Q[], signal: AbortSignal) => Promise<readonly (A | KafkaProtocolError)[]>;
}

interface Group<Q> {
  readonly leader: BrokerId;
  readonly members: { readonly query: Q; readonly index: number }[];
}

/**
 * Asks the partitions' leaders, in parallel; refreshes metadata and asks again where that helps, until `deadlineMs` (monotonic). Answers
 * are in the order of the queries; an error is the last answer of the partition's leader. Rejects when some of them could not be asked.
 */
export async function askLeaders<Q extends TopicPartition, A>(
  cluster: Cluster,
  queries: readonly Q[],
  deadlineMs: number,
  request: LeaderRequest<Q, A>,
): Promise<readonly (A | KafkaProtocolError)[]> {
  const answers = new Map<number, A | KafkaProtocolError>();
  const isOpen = (index: number) => {
    const answer = answers.get(index);
    return answer === undefined || (answer instanceof KafkaProtocolError && answer.retriable);
  };
  const attempt = async () => {
    await cluster.reach(deadlineMs);
    const topics = new Set(queries.map(({ topic }) => topic));
    // all are in use before the first is waited for, so that one request asks for them all
    for (const topic of topics) cluster.metadata.topic(topic);
    for (const topic of topics) await cluster.metadata.awaitTopic(topic, deadlineMs, cluster.signal);
    const open = queries.map((query, index) => ({ query, index })).filter(({ index }) => isOpen(index));
    const outcomes = await Promise.allSettled(
      groupByRequest(cluster, open).map(async ({ leader, members }) => {
        const found = await askLeader(
          cluster,
          leader,
          members.map(({ query }) => query),
          request,
        );
        for (const [i, { index, query }] of members.entries()) {
          answers.set(index, found[i] as A | KafkaProtocolError);
          cluster.retries.partitionWorked(query.topic, query.partition);
        }
      }),
    );
    const failed = outcomes.find((outcome) => outcome.status === "rejected");
    if (failed !== undefined) throw failed.reason;
    for (const { index } of open) if (isOpen(index)) throw answers.get(index);
  };
  await cluster.asSoonAsPossible(deadlineMs, attempt).catch((error: unknown) => {
    // an answer with a reason is better than none
    if (!(error instanceof KafkaProtocolError) || answers.size < queries.length) throw error;
  });
  return queries.map((_query, index) => answers.get(index) as A | KafkaProtocolError);
}

/** What requests have by topic. */
export function byTopic<Q extends TopicPartition, P>(queries: readonly Q[], partitionOf: (query: Q) => P) {
  return [...Map.groupBy(queries, ({ topic }) => topic)].map(([name, ofTopic]) => ({ name, partitions: ofTopic.map(partitionOf) }));
}

/** What an answer has for a partition, or the error that it is. */
export function answeredFor<P extends { readonly partitionIndex: number; readonly errorCode: string }>(
  topics: readonly { readonly name: string; readonly partitions: readonly P[] }[],
  { topic, partition }: TopicPartition,
  doing: string,
): P | KafkaProtocolError {
  const found = topics.find(({ name }) => name === topic)?.partitions.find(({ partitionIndex }) => partitionIndex === partition);
  if (found?.errorCode === "NONE") return found;
  const code = (found?.errorCode ?? "UNKNOWN_SERVER_ERROR") as KafkaProtocolError["code"];
  return new KafkaProtocolError(code, `${doing} ${topic}-${partition}`);
}

/** By leader; a partition that is queried several times goes into several requests, for it may be in one only once. */
function groupByRequest<Q extends TopicPartition>(cluster: Cluster, open: readonly Group<Q>["members"][number][]): readonly Group<Q>[] {
  const groups = new Map<string, Group<Q>>();
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

function leaderOf(cluster: Cluster, { topic, partition }: TopicPartition): BrokerId {
  const known = cluster.metadata.partition(topic, partition);
  const reason = noLeader(cluster.metadata.snapshot, topic, partition);
  if (reason !== null) throw reason;
  return known?.leader ?? noBroker;
}

function askLeader<Q extends TopicPartition, A>(
  cluster: Cluster,
  leader: BrokerId,
  queries: readonly Q[],
  { waitMs, ask }: LeaderRequest<Q, A>,
): Promise<readonly (A | KafkaProtocolError)[]> {
  const partitions = queries.map(({ topic, partition }) => ({
    topic,
    partition,
    sentToEpoch: cluster.metadata.partition(topic, partition)?.leaderEpoch ?? -1,
  }));
  return whileLeading(cluster, { broker: leader, partitions, waitMs }, async (signal) =>
    ask(await cluster.pool.toBroker(leader, "requests", signal), queries, signal),
  );
}
