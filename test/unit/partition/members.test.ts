import { expect, test } from "vitest";
import type { ClusterView } from "../../../broker/partition/cluster-contract.ts";
import type { LeaderState } from "../../../broker/partition/leader-state.ts";
import { Members } from "../../../broker/partition/members.ts";

const identity = { topic: "t", topicId: "AbCdEfGhIjKlMnOpQrStUw", partition: 0, key: "t-0" };

function members(stopping: readonly number[]) {
  const cluster = {
    hasReplica: (id: number) => !stopping.includes(id),
    stopsAsWeDo: (id: number) => stopping.includes(1) && stopping.includes(id),
  } as unknown as ClusterView;
  const followers = new Map([
    [2, { fetchOffset: 10 }],
    [3, { fetchOffset: 9 }],
  ]);
  const of = new Members(cluster, 1, identity as never);
  return { of, mayStay: (endOffset: number) => [2, 3].filter((id) => of.mayStay(id, { followers } as unknown as LeaderState, endOffset)) };
}

test("a member that stops stays in the set only if its leader stops as well, and as long as it has everything", () => {
  expect(members([]).mayStay(10)).toEqual([2, 3]);
  expect(members([2, 3]).mayStay(10), "the leader goes on").toEqual([]);
  expect(members([1, 2, 3]).mayStay(10)).toEqual([2]);
  expect(members([1, 2, 3]).mayStay(11), "something was appended since").toEqual([]);
  expect([members([2, 3]).of.areWeStopping, members([1]).of.areWeStopping]).toEqual([false, true]);
});
