import { orThrow } from "../../client/admin/admin-types.ts";
import type { Admin, BrokerLogDirectories, PartitionMetadata, PartitionReassignment, TopicDescription } from "../../client/index.ts";
import type { Measure, PlannedBroker, PlannedPartition } from "../../placement/plan-contract.ts";
import { type BrokerId, partitionKey } from "../../protocol/base/ids.ts";
import { CommandFailed } from "../output/command-failed.ts";
import { figuresOf, type PartitionFigures, recentMs, recentRecordsIn, recordsIn } from "../topic/topic-figures.ts";
import { isOffline } from "../topic/topic-health.ts";

export interface ClusterCopies {
  /** Those that live. */
  readonly brokers: readonly PlannedBroker[];
  readonly partitions: readonly PlannedPartition[];
  /** How many are being moved: they are where they will be. */
  readonly moving: number;
}

/** What a plan is made from: who has which copies, and how large they are; where it matters, how much is written to them. */
export async function readCopies(admin: Admin, by: Measure): Promise<ClusterCopies> {
  const moves = await admin.listPartitionReassignments();
  const [{ brokers }, topics, found] = await Promise.all([admin.describeCluster(), admin.listTopics(), admin.describeLogDirs()]);
  const underWay = new Map(moves.map((move) => [partitionKey(move.topic, move.partition), move]));
  const directories = orThrow(found);
  const sizes = sizesIn(directories);
  const traffic = by === "traffic" ? await trafficOf(admin, topics, sizes) : new Map<string, number>();
  const partitions = topics.flatMap(({ name, partitions }) =>
    partitions.map((each): PlannedPartition => {
      const { partition, leader } = each;
      const key = partitionKey(name, partition);
      const leaving = leavingFrom(each, underWay.get(key));
      const replicas = each.replicas.filter((id) => !leaving.includes(id));
      return { topic: name, partition, replicas, leader, bytes: bytesOf(each, sizes.get(key)), traffic: traffic.get(key) ?? 0 };
    }),
  );
  const room = new Map(directories.map(({ broker, directories }) => [broker, roomIn(directories)]));
  return {
    brokers: brokers.map(({ id, rack }) => ({ id, rack, mayHold: true, roomBytes: room.get(id) ?? null })),
    partitions,
    moving: moves.length,
  };
}

/**
 * A move may begin, end or be cancelled between the two answers. What the metadata itself says fits to its replicas; where it says nothing
 * (it is not of our brokers), the list does if everything in it is among them.
 */
function leavingFrom({ replicas, removingReplicas }: PartitionMetadata, move: PartitionReassignment | undefined): readonly BrokerId[] {
  if (removingReplicas !== undefined) return removingReplicas;
  if (move === undefined || ![...move.adding, ...move.removing].every((id) => replicas.includes(id))) return [];
  return move.removing;
}

/** Null: a disk does not say. A directory that failed takes nothing. */
function roomIn(directories: BrokerLogDirectories["directories"]): number | null {
  const usable = directories.filter(({ error }) => error === null).map(({ usableBytes }) => usableBytes);
  return usable.some((bytes) => bytes < 0) ? null : usable.reduce((sum, bytes) => sum + bytes, 0);
}

/** Of each copy, by partition and broker. */
export function sizesIn(directories: readonly BrokerLogDirectories[]): ReadonlyMap<string, ReadonlyMap<BrokerId, number>> {
  const sizes = new Map<string, Map<BrokerId, number>>();
  for (const { broker, directories: some } of directories)
    for (const { topic, partition, sizeInBytes, isFuture } of some.flatMap(({ replicas }) => replicas)) {
      if (isFuture) continue;
      const key = partitionKey(topic, partition);
      const ofPartition = sizes.get(key) ?? new Map<BrokerId, number>();
      sizes.set(key, ofPartition.set(broker, sizeInBytes));
    }
  return sizes;
}

/** The leader's copy is what others are made from. */
function bytesOf({ leader }: PartitionMetadata, copies: ReadonlyMap<BrokerId, number> = new Map()): number {
  return copies.get(leader) ?? Math.max(0, ...copies.values());
}

/** Bytes written a second, by partition: the records of the last minute, as large as the others are on average. */
async function trafficOf(
  admin: Admin,
  topics: readonly TopicDescription[],
  sizes: ReturnType<typeof sizesIn>,
): Promise<ReadonlyMap<string, number>> {
  const figures = await figuresOf(admin, topics, new Set(["positions", "recent"]), Date.now());
  const sizeOf = ({ leader }: PartitionMetadata, key: string) => sizes.get(key)?.get(leader) ?? null;
  return new Map(
    topics.flatMap(({ name, partitions }) =>
      partitions
        .filter((each) => !isOffline(each))
        .map((each) => {
          const key = partitionKey(name, each.partition);
          return [key, bytesPerSecond(figures.get(key), sizeOf(each, key), key)] as const;
        }),
    ),
  );
}

function bytesPerSecond(found: PartitionFigures | undefined, bytes: number | null, key: string): number {
  const records = found === undefined ? null : recordsIn(found);
  const recent = found === undefined ? null : recentRecordsIn(found);
  if (records === null || recent === null || bytes === null)
    throw new CommandFailed(`the leader of ${key} did not say in time what is written to it; try again, or use --by bytes`);
  return records === 0 ? 0 : (recent * (bytes / records)) / (recentMs / 1000);
}
