import { expect, test } from "vitest";
import { countPartitions } from "../../../../broker/group/assignors/partition-map.ts";
import { ConsumerGroup } from "../../../../broker/group/consumer/consumer-group.ts";
import { ModelMember } from "./model-member.ts";
import { groupId, TestShard } from "./test-shard.ts";

// the limit is generous: work that grows with the square of the members or partitions takes minutes
test("200 members that share 400 partitions join one after the other and are stable within seconds of work", { timeout: 20_000 }, () => {
  const shard = new TestShard({ apples: 400 }, { membersMax: 200 });
  const members = Array.from({ length: 200 }, (_, i) => new ModelMember(`member-${i}`, ["apples"]));
  for (const member of members) member.heartbeat(shard, "arrives");
  const group = shard.book.get(groupId);
  if (!(group instanceof ConsumerGroup)) throw new Error("there is a consumer group");
  let rounds = 0;
  while (group.stateName !== "Stable") {
    expect(++rounds, "rounds of heartbeats").toBeLessThan(6);
    for (const member of members) {
      member.giveUp();
      member.heartbeat(shard, "arrives");
    }
  }
  expect(members.map(({ owned }) => countPartitions(owned))).toEqual(members.map(() => 2));
});
