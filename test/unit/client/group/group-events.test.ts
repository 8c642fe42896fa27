import { describe, expect, test } from "vitest";
import type { CommitEvent, RebalanceEvent } from "../../../../client/base/client-event-map.ts";
import { FakeCluster } from "../fake-cluster.ts";
import { FakeGroup, refuse } from "./fake-group.ts";
import { FakeIncrementalGroup } from "./fake-incremental-group.ts";
import { fill, memberOf, Worker } from "./group-fixture.ts";

function filledCluster() {
  const cluster = new FakeCluster();
  for (const log of cluster.topic("t", [1, 2, 1, 2])) fill(log, 0, 4);
  return cluster;
}

function classicWorld() {
  const cluster = filledCluster();
  return { cluster, group: new FakeGroup(cluster) };
}

const names = (partitions: RebalanceEvent["assigned"]) => partitions.map(({ topic, partition }) => `${topic}-${partition}`).toSorted();

function rebalancesOf({ consumer }: Worker): RebalanceEvent[] {
  const heard: RebalanceEvent[] = [];
  consumer.on("rebalance", (event) => heard.push(event));
  return heard;
}

describe.each(["classic", "consumer"] as const)("in a group of the protocol %s", (groupProtocol) => {
  const options = { groupProtocol, fetchWaitMaxMs: 20 };

  test("each rebalance is told of once, with what came and what went; and leaving is one", async () => {
    const cluster = filledCluster();
    new (groupProtocol === "classic" ? FakeGroup : FakeIncrementalGroup)(cluster);
    const first = new Worker(cluster, ["t"], options);
    const heard = rebalancesOf(first);
    await cluster.clock.advance(3_000);
    expect(heard).toHaveLength(1);
    expect(names(heard[0]?.assigned ?? [])).toEqual(["t-0", "t-1", "t-2", "t-3"]);
    expect(heard[0]).toMatchObject({ group: "g", revoked: [], lost: [] });
    expect(heard[0]?.memberId).not.toBe("");
    expect(heard[0]?.generation).toBeGreaterThan(0);
    const second = new Worker(cluster, ["t"], options);
    await cluster.clock.advance(12_000);
    expect(heard).toHaveLength(2);
    const { assigned, revoked, lost, generation, tookMs } = heard[1] as RebalanceEvent;
    expect({ assigned, lost }).toEqual({ assigned: [], lost: [] });
    expect(names(revoked)).toEqual(second.owned);
    // in the new protocol the epoch rises once the coordinator has heard that they were given up
    if (groupProtocol === "classic") expect(generation).toBeGreaterThan(heard[0]?.generation as number);
    expect(tookMs).toBeLessThan(12_000);
    const { rebalances, partitionsLost, rebalanceTimeMs } = first.consumer.metrics();
    expect({ rebalances, partitionsLost }).toEqual({ rebalances: 2, partitionsLost: 0 });
    expect(rebalanceTimeMs).toBe((heard[0]?.tookMs as number) + tookMs);
    const owned = first.owned;
    await cluster.clock.until(first.consumer.close());
    expect(heard).toHaveLength(3);
    expect(heard[2]).toMatchObject({ generation: -1, memberId: heard[1]?.memberId, assigned: [] });
    expect(names(heard[2]?.revoked ?? [])).toEqual(owned);
    await cluster.clock.until(second.consumer.close());
  });
});

test("with an assignor that stops everybody, what was given up and came back is in both", async () => {
  const { cluster } = classicWorld();
  const first = new Worker(cluster, ["t"], { assignors: ["range"] });
  const heard = rebalancesOf(first);
  await cluster.clock.advance(3_000);
  const second = new Worker(cluster, ["t"], { assignors: ["range"] });
  await cluster.clock.advance(12_000);
  expect(names(heard[1]?.revoked ?? [])).toEqual(["t-0", "t-1", "t-2", "t-3"]);
  expect(names(heard[1]?.assigned ?? [])).toEqual(first.owned);
  for (const { consumer } of [first, second]) await cluster.clock.until(consumer.close());
});

test("a member that was put out hears what it lost", async () => {
  const { cluster, group } = classicWorld();
  const worker = new Worker(cluster, ["t"]);
  const heard = rebalancesOf(worker);
  await cluster.clock.advance(3_000);
  group.members.clear();
  await cluster.clock.advance(8_000);
  expect(names(heard[1]?.lost ?? [])).toEqual(["t-0", "t-1", "t-2", "t-3"]);
  expect(names(heard[1]?.assigned ?? [])).toEqual(["t-0", "t-1", "t-2", "t-3"]);
  expect(worker.consumer.metrics()).toMatchObject({ rebalances: 2, partitionsLost: 4 });
  await cluster.clock.until(worker.consumer.close());
});

test("commits are told of, the application's and the automatic ones, with how they ended", async () => {
  const { cluster, group } = classicWorld();
  const worker = new Worker(cluster, ["t"], { autoCommitIntervalMs: 1_000 });
  const heard: CommitEvent[] = [];
  worker.consumer.on("commit", (event) => heard.push(event));
  await cluster.clock.advance(3_000);
  expect(heard.length).toBeGreaterThan(0);
  expect(heard[0]).toMatchObject({ group: "g", outcome: "committed", error: null });
  expect(heard.flatMap(({ offsets }) => offsets)).toContainEqual({ topic: "t", partition: 0, offset: 4 });
  const before = heard.length;
  await cluster.clock.until(worker.consumer.commit([{ topic: "t", partition: 1, offset: 2 }]));
  expect(heard.slice(before)).toMatchObject([{ offsets: [{ topic: "t", partition: 1, offset: 2 }], outcome: "committed" }]);
  group.override = ({ api, request }) => (api === "OffsetCommit" ? refuse(api, "GROUP_AUTHORIZATION_FAILED", request) : undefined);
  const failure = await cluster.clock.until(worker.consumer.commit([{ topic: "t", partition: 1, offset: 3 }]).catch((error) => error));
  expect(heard.at(-1)).toMatchObject({ outcome: "failed", error: failure });
  expect(worker.consumer.metrics()).toMatchObject({ commits: before + 1, commitsFailed: 1 });
  group.override = () => undefined;
  await cluster.clock.until(worker.consumer.close());
});

test("where nobody listens, rebalances and commits are counted all the same", async () => {
  const { cluster } = classicWorld();
  const member = memberOf(cluster);
  await cluster.clock.until(member.subscribe(["t"]));
  await cluster.clock.advance(3_000);
  await cluster.clock.until(member.commit([{ topic: "t", partition: 0, offset: 1 }]));
  expect(member.metrics()).toMatchObject({ rebalances: 1, commits: 1, partitionsAssigned: 4 });
  await cluster.clock.until(member.close());
});
