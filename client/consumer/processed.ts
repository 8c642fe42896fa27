import { partitionKey, zeroTopicId } from "../../protocol/base/ids.ts";
import type { AssignedPartition, Place } from "../fetch/assigned-partition.ts";
import type { OffsetToCommit } from "../group/group-offsets.ts";

/** What was handed out last and is being handled until the next is requested: everything before it in its partition was processed. */
interface Handled extends Place {
  readonly partition: AssignedPartition;
}

/** The application's progress: after the records that it was handed, except for the one that it is handling. */
export class Processed {
  #handled: Handled | null = null;

  /** The record at the partition's position is being handed out. */
  begin(partition: AssignedPartition): void {
    // field by field: this is done for each record
    const { position: offset, positionEpoch: leaderEpoch, topicId } = partition;
    this.#handled = { partition, offset, leaderEpoch, topicId };
  }

  /** The application asks for the next. */
  end(): void {
    this.#handled = null;
  }

  isHandled(partition: AssignedPartition): boolean {
    return this.#handled?.partition === partition;
  }

  of(partition: AssignedPartition): Place {
    const handled = this.#handled;
    if (handled?.partition !== partition) return placeOf(partition);
    const { offset, leaderEpoch, topicId } = handled;
    return placeBefore(partition, { offset, leaderEpoch, topicId });
  }

  /** What the application itself commits counts as processed: no later commit of ours goes back before it. */
  committed(offsets: readonly OffsetToCommit[]): void {
    const handled = this.#handled;
    if (handled === null) return;
    const { topic, partition } = handled.partition;
    const isDone = offsets.some((each) => each.topic === topic && each.partition === partition && each.offset > handled.offset);
    if (isDone) this.#handled = null;
  }
}

/**
 * Where a partition is processed up to, `oldest` being the first record that is not; null: all are. A record of a topic that was re-created
 * since, or of a log that was cut since, says nothing about this one.
 */
export function placeBefore(partition: AssignedPartition, oldest: Place | null): Place {
  const isBehind = oldest !== null && oldest.topicId === partition.topicId && oldest.offset <= partition.position;
  return isBehind ? oldest : placeOf(partition);
}

export function placeOf({ position, positionEpoch, topicId }: AssignedPartition): Place {
  return { offset: position, leaderEpoch: positionEpoch, topicId };
}

/** Everything handed out so far; or what `progress` has processed. */
export function positionsOf(
  partitions: Iterable<AssignedPartition>,
  progress: { placeOf(partition: AssignedPartition): Place } | null,
): OffsetToCommit[] {
  return [...partitions]
    .filter(({ position }) => position >= 0)
    .map((each) => ({ topic: each.topic, partition: each.partition, ...(progress?.placeOf(each) ?? placeOf(each)) }));
}

/** What the application commits refers to the records that it has seen: they may be of a topic that was deleted and re-created since. */
export function ofTopicSeen(partitions: ReadonlyMap<string, AssignedPartition>, offset: OffsetToCommit): OffsetToCommit {
  const assigned = partitions.get(partitionKey(offset.topic, offset.partition));
  if (assigned === undefined || offset.topicId !== undefined) return offset;
  return { ...offset, topicId: assigned.handedOutTopicId === zeroTopicId ? assigned.topicId : assigned.handedOutTopicId };
}
