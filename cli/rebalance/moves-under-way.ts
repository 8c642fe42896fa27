import type { Admin, TopicPartition } from "../../client/index.ts";
import { type BrokerId, byTopicAndPartition, noBroker, partitionKey } from "../../protocol/base/ids.ts";
import { sizesIn } from "./read-copies.ts";

export interface MoveUnderWay extends TopicPartition {
  readonly adding: readonly BrokerId[];
  readonly removing: readonly BrokerId[];
  /** What the brokers that are added lack of what the leader has; null: a broker did not say. */
  readonly bytesLeft: number | null;
}

type Asked = Pick<Admin, "listPartitionReassignments" | "describeTopics" | "describeLogDirs">;

/** By topic and partition. */
export async function movesUnderWay(admin: Asked): Promise<readonly MoveUnderWay[]> {
  const moves = await admin.listPartitionReassignments();
  if (moves.length === 0) return [];
  const topics = [...new Set(moves.map(({ topic }) => topic))];
  const [described, directories] = await Promise.all([admin.describeTopics(topics), admin.describeLogDirs(null, moves)]);
  const leaders = new Map(
    described.flatMap(({ name = "", partitions = [] }) =>
      partitions.map(({ partition, leader }) => [partitionKey(name, partition), leader]),
    ),
  );
  const sizes = sizesIn(
    directories.flatMap(({ directories: some = [], broker }) => (broker === undefined ? [] : [{ broker, directories: some }])),
  );
  return moves
    .map(({ topic, partition, adding, removing }) => {
      const key = partitionKey(topic, partition);
      const copies = sizes.get(key);
      const ofLeader = copies?.get(leaders.get(key) ?? noBroker) ?? null;
      const left = adding.map((id) => (ofLeader === null ? null : Math.max(0, ofLeader - (copies?.get(id) ?? 0))));
      const bytesLeft = left.includes(null) ? null : left.reduce<number>((sum, bytes) => sum + (bytes ?? 0), 0);
      return { topic, partition, adding, removing, bytesLeft };
    })
    .sort(byTopicAndPartition);
}
