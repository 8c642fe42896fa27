import type { TopicPartition } from "../../protocol/base/ids.ts";
import { apis } from "../../protocol/messages/apis.ts";
import { KafkaProtocolError } from "../base/errors.ts";
import { answeredFor, askLeaders, byTopic } from "./ask-leaders.ts";
import type { Cluster } from "./cluster.ts";

/** The requested offset: a position in the log, the record with the largest timestamp, or the first record from a time on. */
export type OffsetSpec = "earliest" | "latest" | "max-timestamp" | { readonly timestampMs: number };

/** Whether records of transactions that are not committed are read, too; without them the log ends before the first open transaction. */
export type Isolation = "read_uncommitted" | "read_committed";

export const isolations: readonly Isolation[] = ["read_uncommitted", "read_committed"];

/** As requests have it. */
export const isolationLevels: Readonly<Record<Isolation, number>> = { read_uncommitted: 0, read_committed: 1 };

export interface OffsetQuery extends TopicPartition {
  readonly spec: OffsetSpec;
}

export interface FoundOffset {
  /** -1: no record is as late as the requested time. */
  readonly offset: number;
  /** -1 for positions in the log. */
  readonly timestampMs: number;
  /** -1: not known. */
  readonly leaderEpoch: number;
}

const wireTimestamps = { latest: -1, earliest: -2, "max-timestamp": -3 } as const;
/** First version that supports the largest timestamp. */
const maxTimestampSince = 7;

/**
 * Asks the partitions' leaders; answers are in the order of the queries. Throws when one cannot be found until `deadlineMs` (monotonic).
 */
export async function listOffsets(
  cluster: Cluster,
  queries: readonly OffsetQuery[],
  deadlineMs: number,
  isolation: Isolation = "read_uncommitted",
): Promise<readonly FoundOffset[]> {
  const answers = await askLeaders<OffsetQuery, FoundOffset>(cluster, queries, deadlineMs, {
    waitMs: 0,
    async ask(connection, asked, signal) {
      const topics = byTopic(asked, ({ topic, partition, spec }) => ({
        partitionIndex: partition,
        currentLeaderEpoch: cluster.metadata.partition(topic, partition)?.leaderEpoch ?? -1,
        timestamp: typeof spec === "string" ? wireTimestamps[spec] : spec.timestampMs,
        maxNumOffsets: 1,
      }));
      const build = (version: number) => {
        if (version < maxTimestampSince && asked.some(({ spec }) => spec === "max-timestamp"))
          throw new KafkaProtocolError("UNSUPPORTED_VERSION", "the record with the largest timestamp");
        return { replicaId: -1, isolationLevel: isolationLevels[isolation], topics };
      };
      const answer = await connection.request(apis.listOffsets, build, { signal });
      return asked.map((query) => {
        const found = answeredFor(answer.topics, query, "offsets of");
        if (found instanceof KafkaProtocolError) return found;
        return { offset: found.offset, timestampMs: found.timestamp, leaderEpoch: found.leaderEpoch };
      });
    },
  });
  return answers.map((answer) => {
    if (answer instanceof KafkaProtocolError) throw answer;
    return answer;
  });
}
