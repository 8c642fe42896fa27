import type { TopicsView } from "../contract.ts";
import type { ConsumerGroup } from "./consumer-group.ts";
import type { MemberProfile } from "./consumer-group-member.ts";
import type { SubscribedTopics } from "./consumer-group-records.ts";

/** The topics among `names` that exist. */
export function existingTopics(names: Iterable<string>, { topics }: TopicsView): SubscribedTopics {
  const existing = new Map<string, { topicId: string; partitionCount: number }>();
  for (const name of names) {
    const topic = topics.get(name);
    if (topic !== undefined) existing.set(name, { topicId: topic.id, partitionCount: topic.partitions.length });
  }
  return existing;
}

/**
 * Topics that some member subscribes to, by name or by an expression, once one member's profile has changed: null for a member that joins
 * or leaves. `matchesOf`: what the expressions match, where that is to differ from what the group knows.
 */
export function subscribedNames(
  group: ConsumerGroup,
  before: MemberProfile | null,
  now: MemberProfile | null,
  matchesOf: (pattern: string) => ReadonlySet<string> | null = (pattern) => group.matchesOf(pattern),
): Set<string> {
  const given = new Set(before?.subscribedTopicNames);
  const names = new Set(now?.subscribedTopicNames);
  for (const name of group.subscriptions.words()) {
    if (group.subscriptions.count(name) - (given.has(name) ? 1 : 0) > 0) names.add(name);
  }
  const patterns = new Set(group.patterns.words());
  const dropped = droppedPattern(group, before, now);
  if (dropped !== null) patterns.delete(dropped);
  if (now?.subscribedTopicRegex != null) patterns.add(now.subscribedTopicRegex);
  for (const pattern of patterns) for (const name of matchesOf(pattern) ?? []) names.add(name);
  return names;
}

/** The expression that no member subscribes by any more, once one member's profile has changed; null: there is none. */
export function droppedPattern(group: ConsumerGroup, before: MemberProfile | null, now: MemberProfile | null): string | null {
  const pattern = before?.subscribedTopicRegex ?? null;
  if (pattern === null || pattern === (now?.subscribedTopicRegex ?? null)) return null;
  return group.patterns.count(pattern) <= 1 ? pattern : null;
}

/** All that a member subscribes to, whether it exists or not. */
export function topicsOf(group: ConsumerGroup, { subscribedTopicNames, subscribedTopicRegex }: MemberProfile): readonly string[] {
  const matches = subscribedTopicRegex === null ? null : group.matchesOf(subscribedTopicRegex);
  return matches === null ? subscribedTopicNames : [...new Set([...subscribedTopicNames, ...matches])];
}

export function sameSubscribedTopics(a: SubscribedTopics, b: SubscribedTopics): boolean {
  if (a.size !== b.size) return false;
  for (const [name, { topicId, partitionCount }] of a) {
    const other = b.get(name);
    if (other === undefined || other.topicId !== topicId || other.partitionCount !== partitionCount) return false;
  }
  return true;
}
