import fc from "fast-check";
import { expect, test } from "vitest";
import { type PartitionMap, samePartitions } from "../../../../broker/group/assignors/partition-map.ts";
import type { AssigningMember } from "../../../../broker/group/assignors/server-assignor.ts";
import { ConsumerGroup } from "../../../../broker/group/consumer/consumer-group.ts";
import { subscribedPartitions } from "../assignors/groups.ts";
import { type Answer, ModelMember } from "./model-member.ts";
import { compacted, groupId, idOf, TestShard, topicsView } from "./test-shard.ts";

const names = ["ann", "bob", "cid", "dan", "eve"];
const staticNames = ["ann", "bob"];
const topicNames = ["apples", "bananas"];

type Step =
  | { readonly what: "heartbeat"; readonly who: string; readonly answer: Answer; readonly topics: readonly string[] }
  | { readonly what: "give up" | "leave" | "vanish" | "restart"; readonly who: string }
  | { readonly what: "subscribe"; readonly who: string; readonly topics: readonly string[] }
  | { readonly what: "topics"; readonly counts: Readonly<Record<string, number>>; readonly again: boolean }
  | { readonly what: "wait"; readonly ms: number }
  | { readonly what: "reload"; readonly log: "as written" | "compacted" | "compacted, tombstones gone" };

const who = fc.constantFrom(...names);
const topics = fc.subarray(topicNames, { minLength: 1 });
const partitionCount = fc.integer({ min: 0, max: 5 });
const heartbeatStep = fc.record({
  what: fc.constant("heartbeat" as const),
  who,
  topics,
  answer: fc.oneof({ weight: 8, arbitrary: fc.constant<Answer>("arrives") }, { weight: 1, arbitrary: fc.constant<Answer>("is lost") }),
});
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 20, arbitrary: heartbeatStep },
  { weight: 8, arbitrary: fc.record({ what: fc.constant("give up" as const), who }) },
  { weight: 1, arbitrary: fc.record({ what: fc.constantFrom("leave" as const, "vanish" as const), who }) },
  { weight: 2, arbitrary: fc.record({ what: fc.constant("restart" as const), who: fc.constantFrom(...staticNames) }) },
  { weight: 2, arbitrary: fc.record({ what: fc.constant("subscribe" as const), who, topics }) },
  {
    weight: 2,
    arbitrary: fc.record({
      what: fc.constant("topics" as const),
      counts: fc.record({ apples: partitionCount, bananas: partitionCount }),
      again: fc.boolean(),
    }),
  },
  { weight: 3, arbitrary: fc.record({ what: fc.constant("wait" as const), ms: fc.integer({ min: 1, max: 20_000 }) }) },
  {
    weight: 1,
    arbitrary: fc.record({
      what: fc.constant("reload" as const),
      log: fc.constantFrom("as written" as const, "compacted" as const, "compacted, tombstones gone" as const),
    }),
  },
);

/** The group, its consumers, and what must hold after every step. */
class World {
  readonly shard = new TestShard({ apples: 3, bananas: 2 });
  readonly members = new Map<string, ModelMember>();
  #counts: Readonly<Record<string, number>> = { apples: 3, bananas: 2 };
  #generation = 0;
  #groupEpoch = 0;

  get group(): ConsumerGroup | null {
    const group = this.shard.book.get(groupId);
    return group instanceof ConsumerGroup ? group : null;
  }

  take(next: Step): void {
    switch (next.what) {
      case "heartbeat": {
        const instanceId = staticNames.includes(next.who) ? next.who : null;
        const member = this.members.get(next.who) ?? new ModelMember(next.who, next.topics, instanceId);
        this.members.set(next.who, member);
        return member.heartbeat(this.shard, next.answer);
      }
      case "give up":
        return this.members.get(next.who)?.giveUp();
      case "restart":
        return this.members.get(next.who)?.restart(this.shard);
      case "subscribe":
        return this.members.get(next.who)?.subscribe(next.topics);
      case "leave":
        this.members.get(next.who)?.leave(this.shard);
        return void this.members.delete(next.who);
      case "vanish":
        return void this.members.delete(next.who);
      case "topics": {
        this.#counts = next.counts;
        if (next.again) this.#generation++;
        const again = { apples: idOf(`apples${this.#generation}`) };
        return this.shard.changeTopics(topicsView(this.#counts, again));
      }
      case "wait":
        return this.shard.advance(next.ms);
      case "reload":
        return this.#reload(next.log);
    }
  }

  /** What the new coordinator knows is what the old one knew. */
  #reload(log: "as written" | "compacted" | "compacted, tombstones gone"): void {
    const before = this.#told();
    const { records } = this.shard;
    this.shard.reload(log === "as written" ? records : compacted(records, log === "compacted" ? "kept" : "dropped"));
    expect(this.#told()).toEqual(before);
  }

  #told() {
    const described = this.shard.describe();
    const owners = this.#owners();
    return { ...described, members: described.members.toSorted((a, b) => a.memberId.localeCompare(b.memberId)), owners };
  }

  #owners(): [string, string[]][] {
    const group = this.group;
    if (group === null) return [];
    const claims = [...group.members.keys()].flatMap((memberId) => {
      const { assigned, pendingRevocation } = group.current(memberId);
      return [...listed(assigned), ...listed(pendingRevocation)].map((name) => [name, memberId] as const);
    });
    return [...Map.groupBy(claims, ([name]) => name)].map(([name, of]): [string, string[]] => [name, of.map(([, id]) => id)]).sort();
  }

  check(): void {
    const group = this.group;
    if (group === null) return;
    expect(group.groupEpoch).toBeGreaterThanOrEqual(this.#groupEpoch);
    expect(group.assignmentEpoch).toBeLessThanOrEqual(group.groupEpoch);
    this.#groupEpoch = group.groupEpoch;
    for (const [name, owners] of this.#owners()) {
      expect(owners, `${name} as the coordinator has it`).toHaveLength(1);
      const [topicId, partition] = name.split("/");
      expect(group.ownerOf(topicId!, Number(partition))).toBe(owners[0]);
    }
    // who was removed may still read until it learns of it; those who are in must never read the same partition
    const readers = [...this.members.values()].filter(({ memberId, epoch }) => epoch > 0 && group.members.has(memberId));
    const read = readers.flatMap(({ owned }) => listed(owned));
    expect(new Set(read).size, "no partition is read by two members").toBe(read.length);
  }

  /** Everybody who is there heartbeats as told: long enough for those who are not to be removed. */
  settle(): void {
    for (let round = 0; round < 20; round++) {
      this.shard.advance(5_000);
      for (const member of this.members.values()) {
        member.giveUp();
        member.heartbeat(this.shard, "arrives");
        this.check();
      }
    }
  }

  checkSettled(): void {
    const group = this.group;
    if (group === null || group.isEmpty) return expect(this.members.size).toBe(0);
    expect([...group.members.keys()].sort()).toEqual([...this.members.values()].map(({ memberId }) => memberId).sort());
    expect(group.stateName).toBe("Stable");
    for (const { memberId, owned, epoch } of this.members.values()) {
      expect(epoch).toBe(group.groupEpoch);
      expect(samePartitions(owned, group.target(memberId)), `${memberId} has what it is to have`).toBe(true);
    }
    const ids = new Map([...this.shard.topics.current.topics].map(([name, { id }]) => [name, id]));
    const members = [...this.members.values()].map(
      ({ memberId, topics: subscribed, owned }): AssigningMember => ({
        memberId,
        instanceId: null,
        owned,
        topics: new Set(subscribed.flatMap((name) => ids.get(name) ?? [])),
      }),
    );
    const partitionCounts = new Map(Object.entries(this.#counts).map(([name, count]) => [ids.get(name)!, count]));
    const expected = subscribedPartitions({ members, partitionCounts }).map((name) => name.replace(/-(\d+)$/, "/$1"));
    expect([...this.members.values()].flatMap(({ owned }) => listed(owned)).sort()).toEqual(expected.sort());
  }
}

function listed(partitions: PartitionMap): string[] {
  return [...partitions].flatMap(([topicId, numbers]) => numbers.map((number) => `${topicId}/${number}`));
}

test("whatever happens, no partition is read twice, epochs only rise, a reload changes nothing, and in the end everybody has its share", {
  timeout: 60_000,
}, () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
      const world = new World();
      for (const next of steps) {
        world.take(next);
        world.check();
      }
      world.settle();
      world.checkSettled();
    }),
    { numRuns: 300 },
  );
});
