import type { TopicId } from "../../../protocol/base/ids.ts";
import { invariant } from "../../../protocol/base/invariant.ts";
import type { PartitionMap } from "../assignors/partition-map.ts";
import type { AssigningMember, Assignor } from "../assignors/server-assignor.ts";
import type { ConsumerGroup } from "./consumer-group.ts";
import type { MemberProfile } from "./consumer-group-member.ts";
import type { SubscribedTopics } from "./consumer-group-records.ts";
import { topicsOf } from "./subscribed-topics.ts";

/** One member as it is about to be. */
export interface ChangedMember {
  readonly memberId: string;
  readonly before: MemberProfile;
  readonly now: MemberProfile;
  /** The member whose place it takes (a static member that returned); its own id otherwise. */
  readonly inPlaceOf: string;
}

/** The target assignment, for the group as it is with one member changed. */
export function targetAssignment(
  group: ConsumerGroup,
  changed: ChangedMember,
  subscribed: SubscribedTopics,
  assignor: Assignor,
): ReadonlyMap<string, PartitionMap> {
  const topicIds = topicIdsBySubscription(group, subscribed);
  const assigning = (memberId: string, profile: MemberProfile, owned: PartitionMap): AssigningMember => ({
    memberId,
    instanceId: profile.instanceId,
    topics: topicIds(profile),
    owned,
  });
  const members = [assigning(changed.memberId, changed.now, group.target(changed.inPlaceOf))];
  for (const [memberId, profile] of group.members) {
    if (memberId === changed.memberId || memberId === changed.inPlaceOf) continue;
    members.push(assigning(memberId, profile, group.target(memberId)));
  }
  const partitionCounts = new Map([...subscribed.values()].map(({ topicId, partitionCount }) => [topicId, partitionCount]));
  return assignor.assign({ members, partitionCounts });
}

/** Members with the same subscription share one set: with a thousand of them this takes most of the time. */
function topicIdsBySubscription(group: ConsumerGroup, subscribed: SubscribedTopics): (profile: MemberProfile) => ReadonlySet<TopicId> {
  const known = new Map<string, ReadonlySet<TopicId>>();
  return (profile) => {
    // no topic's name has a slash, and the expression comes last
    const key = [...profile.subscribedTopicNames, "", profile.subscribedTopicRegex ?? ""].join("/");
    const ids = known.get(key) ?? new Set(topicsOf(group, profile).flatMap((name) => subscribed.get(name)?.topicId ?? []));
    known.set(key, ids);
    return ids;
  };
}

/** The one that most members request; on a tie the first configured, which is also the one for members that request none. */
export function preferredAssignor(group: ConsumerGroup, changed: ChangedMember | null, assignors: readonly Assignor[]): Assignor {
  let [preferred] = assignors;
  invariant(preferred !== undefined, "there is an assignor");
  let most = 0;
  for (const assignor of assignors) {
    const { name } = assignor;
    const gained = changed?.now.serverAssignor === name ? 1 : 0;
    const lost = changed?.before.serverAssignor === name ? 1 : 0;
    const votes = group.assignors.count(name) + gained - lost;
    if (votes <= most) continue;
    preferred = assignor;
    most = votes;
  }
  return preferred;
}
