import { describe, expect, test } from "vitest";
import type { IsrChangeRequest } from "../../../broker/partition/cluster-contract.ts";
import { advance, type LeaderEvent, type LeaderState, proposal, startLeading } from "../../../broker/partition/leader-state.ts";
import { FollowerLooks } from "../../../broker/partition/upkeep.ts";
import { testPartitionConfig } from "../../support/partition-config.ts";
import { ManualClock, settled } from "../network/manual-clock.ts";
import { follower, followerFetch, setUp } from "./partition-fixture.ts";

const lagMaxMs = 30_000;
const suspectLagMs = 750;

/** Broker 1 leads since 1000 ms, with 2 and 3 in sync. */
function leader(): LeaderState {
  return startLeading({
    self: 1,
    epoch: 5,
    replicas: [1, 2, 3],
    isr: [1, 2, 3],
    isrEpochs: { 1: 101, 2: 102, 3: 103 },
    stateVersion: 7,
    logEndOffset: 10,
    writtenEndOffset: 10,
    highWatermark: 10,
    lagMaxMs,
    suspectLagMs,
    nowMs: 1_000,
  });
}

const fetched = (from: number, nowMs: number, fetchOffset = 10): LeaderEvent => ({
  kind: "follower-fetched",
  from,
  fetchOffset,
  nowMs,
  brokerEpoch: 100 + from,
  registeredEpoch: 100 + from,
});
const tick = (nowMs: number, suspected: readonly number[], silent = suspected): LeaderEvent => ({
  kind: "tick",
  nowMs,
  isAlive: () => true,
  isSuspected: (id) => suspected.includes(id),
  isSilent: (id) => silent.includes(id),
});
const led = (...events: readonly LeaderEvent[]) => events.reduce(advance, leader());
const inSync = (state: LeaderState) => proposal(state)?.isr ?? [...state.isr];

describe("a follower that is suspected", () => {
  test("leaves at once where it has never fetched under this leader", () => {
    expect(inSync(led(tick(1_000, [2])))).toEqual([1, 3]);
    expect(inSync(led(tick(1_000, [2, 3])))).toEqual([1]);
  });

  test("has time to begin where it has never fetched under this leader, if this broker reaches it", () => {
    expect(inSync(led(tick(1_000, [2], [])))).toEqual([1, 2, 3]);
    expect(inSync(led(tick(1_000 + suspectLagMs, [2], [])))).toEqual([1, 2, 3]);
    expect(inSync(led(tick(1_001 + suspectLagMs, [2], [])))).toEqual([1, 3]);
    expect(inSync(led(fetched(2, 1_700), tick(1_001 + suspectLagMs, [2], [])))).toEqual([1, 2, 3]);
  });

  test("stays as long as it fetches, and leaves when it has not for a little longer than that takes", () => {
    const both = [fetched(2, 2_000), fetched(3, 2_000)];
    expect(inSync(led(...both, tick(2_000 + suspectLagMs, [2])))).toEqual([1, 2, 3]);
    expect(inSync(led(...both, tick(2_001 + suspectLagMs, [2])))).toEqual([1, 3]);
    expect(inSync(led(...both, fetched(2, 2_500), tick(2_001 + suspectLagMs, [2])))).toEqual([1, 2, 3]);
  });

  test("is waited for until the smaller set is in force: it may be well, and may still be elected", () => {
    const grown = led(
      fetched(2, 2_000),
      fetched(3, 2_000),
      { kind: "appended", logEndOffset: 12 },
      { kind: "written", writtenEndOffset: 12 },
    );
    let state = [fetched(3, 2_100, 12), tick(3_000, [2])].reduce(advance, grown);
    expect([state.highWatermark, proposal(state)]).toMatchObject([10, { isr: [1, 3], expectedVersion: 7 }]);
    state = advance(state, { kind: "isr-in-force", isr: [1, 3], isrEpochs: { 1: 101, 3: 103 }, stateVersion: 8 });
    expect(state.highWatermark).toBe(12);
  });

  test("has the whole time of others, once it is not suspected any more", () => {
    const lagging = [
      { kind: "appended", logEndOffset: 12 },
      { kind: "written", writtenEndOffset: 12 },
    ] as const;
    const events = [fetched(2, 2_000), fetched(3, 2_000), ...lagging, fetched(3, 2_100, 12)];
    expect(inSync(led(...events, tick(2_000 + lagMaxMs, [])))).toEqual([1, 2, 3]);
    expect(inSync(led(...events, tick(2_001 + lagMaxMs, [])))).toEqual([1, 3]);
  });

  test("is never the leader itself", () => {
    expect(inSync(led(fetched(2, 9_000), fetched(3, 9_000), tick(9_100, [1])))).toEqual([1, 2, 3]);
  });
});

describe("a look at the followers", () => {
  test("comes at once, and again a little later: who has just fetched may have done so for the last time", async () => {
    const clock = new ManualClock();
    const looks: number[] = [];
    const followers = new FollowerLooks(clock, suspectLagMs, () => looks.push(clock.monotonicMs()));
    followers.look();
    await clock.advance(300);
    followers.look();
    await clock.advance(5_000);
    expect(looks).toEqual([0, 300, 301 + suspectLagMs]);
    followers.look();
    followers.end();
    await clock.advance(5_000);
    expect([looks.length, clock.pendingTimers]).toEqual([4, 0]);
  });

  test("of the table takes out who is suspected and fetches no more, long before the lag time", async () => {
    const written: (readonly number[])[] = [];
    const isrStore = {
      writeIsr: async ({ isr, expectedVersion }: IsrChangeRequest) => {
        written.push(isr);
        return { kind: "written", stateVersion: expectedVersion + 1 } as const;
      },
    };
    const { clock, table, replicas, suspected } = await setUp({}, { isr: [1, 2], isrEpochs: { 1: 101, 2: 102 } }, undefined, isrStore);
    replicas.acknowledge(follower, followerFetch(0));
    table.lookAtFollowers();
    await clock.advance(100);
    suspected.add(2);
    table.lookAtFollowers();
    await settled();
    expect(written, "it fetched just now").toEqual([]);
    await clock.advance(testPartitionConfig.suspectLagMs + 1);
    expect(written).toEqual([[1]]);
  });
});
