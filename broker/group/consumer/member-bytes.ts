import type { PartitionMap } from "../assignors/partition-map.ts";
import { memberOverheadBytes, textBytes } from "../member-memory.ts";
import type { CurrentAssignment, MemberProfile } from "./consumer-group-member.ts";
import type { SubscribedTopics } from "./consumer-group-records.ts";

// What a consumer group and its members take in memory, approximately: see `StateMemory`.

/** Its maps, and its place in others. */
export const groupOverheadBytes = 2_000;
/** An entry in a map, or an object of a few fields. */
const entryBytes = 100;
const targetPartitionBytes = 16;
/** The owner of a partition is also stored by partition. */
const assignedPartitionBytes = 80;

/** The ids are in the keys of two timers, and the member's own was read with each kind of record. */
export function profileBytes(groupId: string, memberId: string, profile: MemberProfile): number {
  const { instanceId, rackId, clientId, clientHost, subscribedTopicNames, subscribedTopicRegex, serverAssignor } = profile;
  const ids = 2 * textBytes(groupId) + 5 * textBytes(memberId) + 2 * textBytes(instanceId);
  const said = [rackId, clientId, clientHost, subscribedTopicRegex, subscribedTopicRegex, serverAssignor];
  return memberOverheadBytes + ids + said.reduce((sum, text) => sum + textBytes(text), 0) + namesBytes(subscribedTopicNames);
}

export function targetBytes(target: PartitionMap | null | undefined): number {
  return mapBytes(target, targetPartitionBytes);
}

export function currentBytes(current: CurrentAssignment | null | undefined): number {
  return mapBytes(current?.assigned, assignedPartitionBytes) + mapBytes(current?.pendingRevocation, assignedPartitionBytes);
}

export function subscribedBytes(topics: SubscribedTopics | null): number {
  return topics === null ? 0 : namesBytes(topics.keys());
}

/** Of an expression that members subscribe by, with what it matches. */
export function matchesBytes(pattern: string, topics: ReadonlySet<string> | null | undefined): number {
  return topics == null ? 0 : textBytes(pattern) + namesBytes(topics);
}

/** What members will be assigned of a topic, once they may read it. */
export function assignableBytes(partitionCount: number): number {
  return 2 * entryBytes + partitionCount * (targetPartitionBytes + assignedPartitionBytes);
}

function namesBytes(names: Iterable<string>): number {
  let bytes = 0;
  for (const name of names) bytes += entryBytes / 2 + textBytes(name);
  return bytes;
}

function mapBytes(partitions: PartitionMap | null | undefined, partitionBytes: number): number {
  let bytes = 0;
  for (const numbers of partitions?.values() ?? []) bytes += entryBytes + numbers.length * partitionBytes;
  return bytes;
}
