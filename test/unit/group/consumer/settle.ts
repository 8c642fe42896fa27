import { expect } from "vitest";
import { byTopic, owned, type TestShard } from "./test-shard.ts";

/** Heartbeats of a member that has everything it was told of, until nothing changes any more. */
export function settle(shard: TestShard, members: Readonly<Record<string, number>>): Record<string, number> {
  const epochs: Record<string, number> = { ...members };
  for (let round = 0; round < 4; round++) {
    for (const memberId of Object.keys(epochs)) {
      const described = shard.describe().members.find((member) => member.memberId === memberId)!;
      const answer = shard.heartbeat({ memberId, memberEpoch: epochs[memberId]!, topicPartitions: owned(byTopic(described.assignment)!) });
      expect(answer.errorCode).toBe("NONE");
      epochs[memberId] = answer.memberEpoch;
    }
  }
  return epochs;
}

export const assigned = (shard: TestShard) =>
  Object.fromEntries(shard.describe().members.map(({ memberId, assignment }) => [memberId, byTopic(assignment)]));
