import type { TopicPartition } from "../../protocol/base/ids.ts";
import { partitionKey } from "../../protocol/base/ids.ts";
import type { GroupCoordinator } from "../group/group-coordinator.ts";
import { type OffsetPlace, offsetPlaces } from "../group/offset-book.ts";
import type { Pace } from "./pace.ts";
import type { Samples } from "./samples.ts";

export interface GroupSources {
  readonly groups: Pick<GroupCoordinator, "machines" | "servingCount" | "waiting">;
  /** Of which topic there is a partition of that number. */
  readonly exists: (partition: TopicPartition) => boolean;
  /** Where a partition's committed records end, as a replica here knows it; null: there is none here. */
  readonly localEnd: (partition: TopicPartition) => number | null;
  /** The same, asked of their leaders; what is missing in the answer is not known. By `topic-3`. */
  readonly remoteEnds: (partitions: readonly TopicPartition[]) => Promise<ReadonlyMap<string, number>>;
  /** `ottla.metrics.partitions.enable` as it is now. */
  readonly tellsPartitions: () => boolean;
}

/** Partitions of which other brokers are asked in one scrape; the lag in further ones counts as unknown. */
const askedMax = 10_000;
/** Pairs of a group and a topic: clients make up groups as they like. Further ones are not told. */
const pairsMax = 20_000;

interface Committed extends OffsetPlace {
  readonly offset: number;
}

export async function collectGroups(sources: GroupSources, into: Samples, pace: Pace): Promise<void> {
  into.add("ottla_group_shards", sources.groups.servingCount);
  into.add("ottla_delayed_operations", sources.groups.waiting, { operation: "group" });
  await countGroups(sources, into, pace);
  const ends = await sources.remoteEnds(await partitionsElsewhere(sources, pace));
  await tellLags(sources, ends, into, pace);
}

async function countGroups({ groups }: GroupSources, into: Samples, pace: Pace): Promise<void> {
  const byState = new Map<string, number>();
  for (const machine of groups.machines()) {
    for (const { stateName } of machine.groups.values()) {
      byState.set(stateName, (byState.get(stateName) ?? 0) + 1);
      if (pace.isOver) await pace.next();
    }
  }
  for (const [state, count] of byState) into.add("ottla_groups", count, { state });
}

async function partitionsElsewhere(sources: GroupSources, pace: Pace): Promise<TopicPartition[]> {
  const found = new Map<string, TopicPartition>();
  for await (const { topic, partition } of committedIn(sources, pace)) {
    if (found.size >= askedMax) break;
    if (sources.localEnd({ topic, partition }) === null) found.set(partitionKey(topic, partition), { topic, partition });
  }
  return [...found.values()];
}

/** The offsets of one group in one topic follow each other. */
async function tellLags(sources: GroupSources, ends: ReadonlyMap<string, number>, into: Samples, pace: Pace): Promise<void> {
  const tellsPartitions = sources.tellsPartitions();
  let pair: { readonly group: string; readonly topic: string; lag: number; unknown: number } | null = null;
  let pairs = 0;
  const tell = () => {
    if (pair === null) return;
    const { group, topic, lag, unknown } = pair;
    into.add("ottla_group_topic_lag_records", lag, { group, topic });
    into.add("ottla_group_topic_lag_unknown_partitions", unknown, { group, topic });
  };
  for await (const { groupId: group, topic, partition, offset } of committedIn(sources, pace)) {
    if (pair === null || pair.group !== group || pair.topic !== topic) {
      tell();
      pair = { group, topic, lag: 0, unknown: 0 };
      if (++pairs > pairsMax) return into.drop();
    }
    const end = sources.localEnd({ topic, partition }) ?? ends.get(partitionKey(topic, partition)) ?? null;
    if (end === null) {
      pair.unknown++;
      continue;
    }
    const lag = Math.max(0, end - offset);
    pair.lag += lag;
    if (tellsPartitions) into.add("ottla_group_partition_lag_records", lag, { group, topic, partition: String(partition) });
  }
  tell();
}

/** As they are when their turn comes, without those in topics that are gone. */
async function* committedIn({ groups, exists }: GroupSources, pace: Pace): AsyncGenerator<Committed, void> {
  for (const { offsets } of groups.machines()) {
    for (const place of offsetPlaces(offsets, () => [...offsets.groupIds()])) {
      if (pace.isOver) await pace.next();
      if (place === null || !exists(place)) continue;
      const committed = offsets.find(place.groupId, place.topic, place.partition);
      if (committed !== undefined) yield { ...place, offset: committed.offset };
    }
  }
}
