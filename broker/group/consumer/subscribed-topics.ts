import type { TopicsView } from "../contract.ts";
import type { ConsumerGroup } from "./consumer-group.ts";
import type { SubscribedTopics } from "./consumer-group-records.ts";
import type { MemberProfile } from "./member.ts";

/** The topics among `names` that exist. */
export function existingTopics(names: Iterable<string>, { topics }: TopicsView): SubscribedTopics {
  const existing = new Map<string, { topicId: string; partitionCount: number }>();
  for (const name of names) {
    const topic = topics.get(name);
    if (topic !== undefined) existing.set(name, { topicId: topic.id, partitionCount: topic.partitions.length });
  }
  return existing;
}

/** Topics that some member subscribes to, once one member's profile is another: null for a member that comes or goes. */
export function subscribedNames(group: ConsumerGroup, before: MemberProfile | null, now: MemberProfile | null): Set<string> {
  const given = new Set(before?.subscribedTopicNames);
  const names = new Set(now?.subscribedTopicNames);
  for (const name of group.subscriptions.words()) {
    if (group.subscriptions.count(name) - (given.has(name) ? 1 : 0) > 0) names.add(name);
  }
  return names;
}

export function sameSubscribedTopics(a: SubscribedTopics, b: SubscribedTopics): boolean {
  if (a.size !== b.size) return false;
  for (const [name, { topicId, partitionCount }] of a) {
    const other = b.get(name);
    if (other === undefined || other.topicId !== topicId || other.partitionCount !== partitionCount) return false;
  }
  return true;
}
