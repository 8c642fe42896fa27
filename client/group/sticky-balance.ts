import type { TopicPartition } from "../../protocol/base/ids.ts";
import { type GroupMember, keyOf, type PartitionCounts, partitionsOf, sortedMembers, subscribedTopics } from "./partition-assignor.ts";

/** The previous owners. Two members may claim the same partition: the later generation wins; with the same generation, neither. */
export function ownersBefore(members: readonly GroupMember[]): ReadonlyMap<string, string> {
  const claims = new Map<string, { memberId: string | null; generation: number }>();
  for (const { memberId, owned, generation } of members) {
    for (const key of new Set(owned.map(keyOf))) {
      const known = claims.get(key);
      if (known === undefined || generation > known.generation) claims.set(key, { memberId, generation });
      else if (generation === known.generation) known.memberId = null;
    }
  }
  return new Map([...claims].flatMap(([key, { memberId }]) => (memberId === null ? [] : [[key, memberId] as const])));
}

/**
 * As balanced as the subscriptions allow, with as few moves as possible: each member keeps what it can, partitions without an owner go to
 * the member with the fewest, and then partitions move (through third members where subscriptions differ) as long as some member has two
 * fewer than another that could give it one.
 */
export function balanceSticky(members: readonly GroupMember[], counts: PartitionCounts): Map<string, TopicPartition[]> {
  const sorted = sortedMembers(members);
  const all = partitionsOf(subscribedTopics(members, counts), counts);
  const owners = ownersBefore(members);
  const topicsOf = new Map(sorted.map(({ memberId, topics }) => [memberId, new Set(topics)]));
  const assignment = new Map<string, TopicPartition[]>(sorted.map(({ memberId }) => [memberId, []]));
  const open: TopicPartition[] = [];
  for (const each of all) {
    const owner = owners.get(keyOf(each));
    if (owner !== undefined && topicsOf.get(owner)?.has(each.topic)) assignment.get(owner)?.push(each);
    else open.push(each);
  }
  if (haveSameTopics(sorted, counts)) fillEvenly(assignment, open, all.length);
  else fillByEligibility(assignment, open, topicsOf);
  return assignment;
}

function haveSameTopics(members: readonly GroupMember[], counts: PartitionCounts): boolean {
  const sets = members.map(({ topics }) => new Set(topics.filter((topic) => counts.has(topic))));
  return sets.every((set) => set.size === sets[0]?.size && [...set].every((topic) => sets[0]?.has(topic)));
}

/**
 * All members subscribe to everything: each gets the floor of the average, and as many as needed get one more, those that have most
 * already.
 */
function fillEvenly(assignment: Map<string, TopicPartition[]>, open: TopicPartition[], total: number): void {
  const share = Math.floor(total / Math.max(assignment.size, 1));
  let withOneMore = total % Math.max(assignment.size, 1);
  const byLoad = [...assignment.values()].sort((a, b) => b.length - a.length);
  const free = [...open];
  const quotas = byLoad.map((list) => {
    const quota = withOneMore > 0 ? share + 1 : share;
    if (quota > share) withOneMore--;
    for (const one of list.splice(quota)) free.push(one);
    return quota;
  });
  for (const [index, list] of byLoad.entries()) while (list.length < (quotas[index] as number)) list.push(free.shift() as TopicPartition);
}

function fillByEligibility(
  assignment: Map<string, TopicPartition[]>,
  open: readonly TopicPartition[],
  topicsOf: ReadonlyMap<string, ReadonlySet<string>>,
): void {
  const eligible = new Map<string, string[]>();
  for (const [memberId, topics] of topicsOf) for (const topic of topics) eligible.set(topic, [...(eligible.get(topic) ?? []), memberId]);
  const load = (memberId: string) => assignment.get(memberId)?.length ?? 0;
  const hardestFirst = open.toSorted((a, b) => (eligible.get(a.topic)?.length ?? 0) - (eligible.get(b.topic)?.length ?? 0));
  for (const each of hardestFirst) {
    const [first, ...others] = eligible.get(each.topic) ?? [];
    if (first === undefined) continue;
    assignment.get(others.reduce((least, other) => (load(other) < load(least) ? other : least), first))?.push(each);
  }
  while (moveOnce(assignment, eligible));
}

/**
 * One partition along each step of a path from a member to another with at least two fewer, if there is one (then the assignment was not
 * the most even possible).
 */
function moveOnce(assignment: Map<string, TopicPartition[]>, eligible: ReadonlyMap<string, readonly string[]>): boolean {
  const byLoad = [...assignment.keys()].sort((a, b) => (assignment.get(b)?.length ?? 0) - (assignment.get(a)?.length ?? 0));
  for (const from of byLoad) {
    const load = assignment.get(from)?.length ?? 0;
    const cameFrom = new Map<string, { giver: string; topic: string }>();
    const seen = new Set([from]);
    const queue = [from];
    for (let giver = queue.shift(); giver !== undefined; giver = queue.shift()) {
      for (const topic of new Set(assignment.get(giver)?.map((each) => each.topic))) {
        for (const taker of eligible.get(topic) ?? []) {
          if (seen.has(taker)) continue;
          seen.add(taker);
          cameFrom.set(taker, { giver, topic });
          if ((assignment.get(taker)?.length ?? 0) <= load - 2) {
            moveAlong(assignment, cameFrom, taker);
            return true;
          }
          queue.push(taker);
        }
      }
    }
  }
  return false;
}

function moveAlong(
  assignment: Map<string, TopicPartition[]>,
  cameFrom: ReadonlyMap<string, { readonly giver: string; readonly topic: string }>,
  last: string,
): void {
  let taker = last;
  for (let step = cameFrom.get(taker); step !== undefined; step = cameFrom.get(taker)) {
    const { giver, topic } = step;
    const given = assignment.get(giver) ?? [];
    const at = given.findLastIndex((each) => each.topic === topic);
    assignment.get(taker)?.push(...given.splice(at, 1));
    taker = giver;
  }
}
