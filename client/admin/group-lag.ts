import { byTopicAndPartition, noBroker, partitionKey, type TopicPartition } from "../../protocol/base/ids.ts";
import { isRetriableFailure } from "../base/errors.ts";
import { groupCoordinator } from "../coordinator/coordinated.ts";
import { CoordinatorLink } from "../coordinator/coordinator-link.ts";
import { fetchCommitted } from "../group/group-offsets.ts";
import type { Cluster } from "../metadata/cluster.ts";
import { listOffsets } from "../metadata/offset-lookup.ts";

/**
 * Where a position outside the log is: its records were deleted, or the log does not reach that far (any more). The group's reset policy
 * decides where it continues.
 */
export type OutOfRange = "before-start" | "behind-end";

/** How far a group is in a partition, and how far behind. */
export interface GroupLag extends TopicPartition {
  /** Of the next record; null: none is committed. */
  readonly position: number | null;
  /** Of the log; null while the partition has no leader, or is deleted. The same holds for what is derived from it. */
  readonly startOffset: number | null;
  readonly endOffset: number | null;
  /** Null: the position is in the log, or not known. */
  readonly outOfRange: OutOfRange | null;
  /** Records that are left to read. Negative: that far is the position beyond the end. */
  readonly lag: number | null;
  /** How old the next record to read is, by its timestamp. Milliseconds; 0: there is none; null: not known. */
  readonly lagMs: number | null;
}

/** Times are looked up in this many partitions, for each costs reading a batch; those of the others are not known. */
const timesMax = 1_000;
/** Times are not waited for any longer: they matter less than the rest. */
const timesTimeoutMs = 5_000;

/** Of every partition that the group has a position in, and of `also`; in the order of topics and partitions. */
export async function groupLag(
  cluster: Cluster,
  groupId: string,
  also: readonly TopicPartition[],
  deadlineMs: number,
): Promise<readonly GroupLag[]> {
  const { clock } = cluster.runtime;
  const committed = await fetchCommitted(
    new CoordinatorLink(cluster, groupCoordinator(groupId)),
    groupId,
    null,
    deadlineMs,
    undefined,
    false,
  );
  const positions = new Map(committed.map((each) => [partitionKey(each.topic, each.partition), each.offset]));
  const all = new Map([...committed, ...also].map(({ topic, partition }) => [partitionKey(topic, partition), { topic, partition }]));
  const sorted = [...all.values()].toSorted(byTopicAndPartition);
  const ranges = await rangesOf(cluster, sorted, deadlineMs);
  const places = sorted.map((each) => placeOf(each, positions.get(partitionKey(each.topic, each.partition)), ranges));
  const waiting = places.filter(({ lag }) => lag !== null && lag > 0).slice(0, timesMax);
  const next = waiting.map(({ topic, partition, position, startOffset }) => ({
    topic,
    partition,
    offset: Math.max(position ?? 0, startOffset ?? 0),
  }));
  // with it come the codecs, native ones among them, which an admin client needs for nothing else
  const { recordTimes } = await import("./record-times.ts");
  const times = await recordTimes(cluster, next, Math.min(deadlineMs, clock.monotonicMs() + timesTimeoutMs)).catch((error: unknown) => {
    if (!isRetriableFailure(error)) throw error;
    return [];
  });
  const nowMs = clock.nowMs();
  const lagsMs = new Map(waiting.map((place, i) => [place, age(times[i] ?? null, nowMs)]));
  return places.map((place) => ({ ...place, lagMs: place.lag === 0 ? 0 : (lagsMs.get(place) ?? null) }));
}

interface Range {
  readonly startOffset: number;
  readonly endOffset: number;
}

function placeOf(
  { topic, partition }: TopicPartition,
  committed: number | undefined,
  ranges: ReadonlyMap<string, Range>,
): Omit<GroupLag, "lagMs"> {
  const position = committed === undefined || committed < 0 ? null : committed;
  const range = ranges.get(partitionKey(topic, partition)) ?? null;
  const { startOffset = null, endOffset = null } = range ?? {};
  const judged = position === null || range === null ? { lag: null, outOfRange: null } : judgePosition(position, range);
  return { topic, partition, position, startOffset, endOffset, ...judged };
}

/** Deleted partitions cannot lag any more: only existing ones count. */
export function judgePosition(
  position: number,
  { startOffset, endOffset }: Range,
): Pick<GroupLag, "outOfRange"> & { readonly lag: number } {
  const outOfRange = position < startOffset ? "before-start" : position > endOffset ? "behind-end" : null;
  return { outOfRange, lag: endOffset - Math.max(position, startOffset) };
}

function age(timestampMs: number | null, nowMs: number): number | null {
  return timestampMs === null ? null : Math.max(0, Math.floor(nowMs - timestampMs));
}

/** Of the partitions that exist and have a leader. */
async function rangesOf(cluster: Cluster, partitions: readonly TopicPartition[], deadlineMs: number): Promise<ReadonlyMap<string, Range>> {
  const { metadata } = cluster;
  for (const { topic } of partitions) metadata.topic(topic);
  if (partitions.length > 0) await cluster.retrying(deadlineMs, () => metadata.refresh());
  const led = partitions.filter(({ topic, partition }) => (metadata.partition(topic, partition)?.leader ?? noBroker) !== noBroker);
  const [starts, ends] = await Promise.all(
    (["earliest", "latest"] as const).map((spec) =>
      listOffsets(
        cluster,
        led.map((each) => ({ ...each, spec })),
        deadlineMs,
      ),
    ),
  );
  return new Map(
    led.map(({ topic, partition }, i) => [
      partitionKey(topic, partition),
      { startOffset: starts?.[i]?.offset ?? 0, endOffset: ends?.[i]?.offset ?? 0 },
    ]),
  );
}
