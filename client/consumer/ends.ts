import { partitionKey } from "../../protocol/base/ids.ts";
import { KafkaProtocolError } from "../base/errors.ts";
import { AssignedPartition, type StartPosition } from "../fetch/assigned-partition.ts";
import type { Cluster } from "../metadata/cluster.ts";
import { type Isolation, listOffsets, type OffsetQuery, type OffsetSpec } from "../metadata/offset-lookup.ts";
import type { Assignment, AssignmentState } from "./consumer-options.ts";

/** The partitions that are meant, by their keys, and where they are to be left (null: nowhere). */
export async function assignedOf(
  cluster: Cluster,
  assignments: readonly Assignment[],
  stopAtEnd: boolean,
  deadlineMs: number,
): Promise<{ readonly assigned: ReadonlyMap<string, AssignedPartition>; readonly ends: ReadonlyMap<string, StartPosition | null> }> {
  const assigned = new Map<string, AssignedPartition>();
  const ends = new Map<string, StartPosition | null>();
  for (const { topic, partition, from = "end", until = stopAtEnd ? "end" : null } of assignments) {
    const { partitions, topicId } = await cluster.metadata.awaitTopic(topic, deadlineMs, cluster.signal);
    if (partition !== undefined && partitions[partition] === undefined)
      throw new KafkaProtocolError("UNKNOWN_TOPIC_OR_PARTITION", `${topic}-${partition}`);
    for (const index of partition === undefined ? partitions.keys() : [partition]) {
      assigned.set(partitionKey(topic, index), new AssignedPartition(topic, index, from, topicId));
      ends.set(partitionKey(topic, index), until);
    }
  }
  return { assigned, ends };
}

/**
 * Looks up where partitions are to be left (null: nowhere), by their keys, and tells them: at the place that is wanted, or at their present
 * end if that is before it. What is beyond the end now may never come, so nothing waits for it.
 */
export async function stopAtEnds(
  cluster: Cluster,
  assigned: ReadonlyMap<string, AssignedPartition>,
  wanted: ReadonlyMap<string, StartPosition | null>,
  deadlineMs: number,
  isolation: Isolation,
): Promise<void> {
  const partitions = [...wanted].flatMap(([key, until]) => (until === null ? [] : (assigned.get(key) ?? [])));
  if (partitions.length === 0) return;
  const timed = partitions.filter(({ key }) => timeOf(wanted.get(key)) !== null);
  const [ends, times] = await Promise.all([
    listOffsets(
      cluster,
      partitions.map((each) => queryFor(each, "latest")),
      deadlineMs,
      isolation,
    ),
    listOffsets(
      cluster,
      timed.map((each) => queryFor(each, { timestampMs: timeOf(wanted.get(each.key)) ?? 0 })),
      deadlineMs,
      isolation,
    ),
  ]);
  const atTime = new Map(timed.map(({ key }, index) => [key, times[index]?.offset ?? -1]));
  for (const [index, partition] of partitions.entries()) {
    const end = ends[index]?.offset ?? 0;
    partition.stopAt(Math.min(end, placeOf(wanted.get(partition.key), atTime.get(partition.key) ?? -1, end)));
  }
}

function placeOf(until: StartPosition | null | undefined, atTime: number, end: number): number {
  if (until === "beginning") return 0;
  if (typeof until === "object" && until !== null && "offset" in until) return until.offset;
  return atTime < 0 ? end : atTime; // no record is as late
}

function timeOf(until: StartPosition | null | undefined): number | null {
  return typeof until === "object" && until !== null && "timestampMs" in until ? until.timestampMs : null;
}

function queryFor({ topic, partition }: AssignedPartition, spec: OffsetSpec): OffsetQuery {
  return { topic, partition, spec };
}

/** As the application sees it. */
export function stateOf({
  topic,
  partition,
  position,
  highWatermark,
  readableEnd,
  logStartOffset,
  isPaused,
  stopOffset,
}: AssignedPartition): AssignmentState {
  const lag = position < 0 || readableEnd < 0 ? -1 : Math.max(readableEnd - Math.max(position, logStartOffset), 0);
  return { topic, partition, position, highWatermark, readableEnd, logStartOffset, lag, isPaused, until: stopOffset };
}
