import { expect, test } from "vitest";
import type { ClusterView, IsrStore } from "../../../broker/partition/cluster-contract.ts";
import type { LeaderState } from "../../../broker/partition/leader-state.ts";
import { Members } from "../../../broker/partition/members.ts";
import { settled } from "../network/manual-clock.ts";
import { follower, followerFetch, setUp } from "./partition-fixture.ts";

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

test("a leader that stops keeps a member that stops with it, until it acknowledges something without that member", async () => {
  const proposed: (readonly number[])[] = [];
  const isrStore = {
    writeIsr: ({ isr }: { readonly isr: readonly number[] }) => {
      proposed.push([...isr]);
      return new Promise<never>(() => undefined);
    },
  };
  const inSync = { isr: [1, 2], isrEpochs: { 1: 101, 2: 102 } };
  const { table, append, replicas, stopping } = await setUp({}, inSync, undefined, isrStore as unknown as IsrStore);
  await append();
  replicas.acknowledge(follower, followerFetch(1));
  stopping.is = true;
  table.lookAtFollowers();
  await settled();
  expect(proposed).toEqual([]);
  await append();
  await settled();
  expect(proposed).toEqual([[1]]);
});
