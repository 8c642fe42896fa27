import { describe, expect, test } from "vitest";
import { adoptHighWatermark, afterTruncation, decide, type FollowerState, type OwnLog } from "../../../broker/partition/follower-state.ts";
import { consumerPositionIn, followerPositionIn } from "../../../broker/partition/log-position.ts";
import { InvariantViolation } from "../../../protocol/base/invariant.ts";
import type { ReplicaFetchedPartition } from "../../../protocol/peer/messages.ts";

const state: FollowerState = { leader: 2, leaderEpoch: 7, leaderRecovering: false, highWatermark: 50 };

function answer(fields: Partial<ReplicaFetchedPartition> = {}): ReplicaFetchedPartition {
  const topicId = "AAAAAAAAAAAAAAAAAAAAAQ";
  return {
    topicId,
    partition: 0,
    error: "NONE",
    leaderEpoch: 7,
    highWatermark: 60,
    logStartOffset: 0,
    diverging: null,
    epochs: [],
    recordsBytes: 0,
    ...fields,
  };
}

/** A log by its epochs: `[[3, 0], [5, 40]]` has epoch 3 from 0, epoch 5 from 40. */
function log(endOffset: number, epochs: readonly (readonly [number, number])[], startOffset = 0) {
  return {
    startOffset,
    endOffset,
    writtenEndOffset: endOffset,
    damage: null,
    endOffsetForEpoch(epoch: number) {
      const at = epochs.findLastIndex(([known]) => known <= epoch);
      const found = epochs[at];
      return found === undefined ? null : { epoch: found[0], endOffset: epochs[at + 1]?.[1] ?? endOffset };
    },
  };
}

/** Asks and obeys until both agree, as the shells do; answers where the follower's log then ends. */
function reconcile(follower: FollowerState, own: Parameters<typeof log>, leader: ReturnType<typeof log>): number | string {
  return reconciled(follower, own, leader).outcome;
}

/** The same, and where the follower's log then begins. */
function reconciled(follower: FollowerState, own: Parameters<typeof log>, leader: ReturnType<typeof log>) {
  let [end, epochs, start = 0] = own;
  for (let round = 0; round < 10; round++) {
    const mine = log(end, epochs, start);
    const lastEpoch = epochs.findLast(([, from]) => from < end)?.[0] ?? -1;
    const position = followerPositionIn(leader, { fetchOffset: end, lastFetchedEpoch: lastEpoch, logStartOffset: start });
    if (position.kind === "agrees") return { outcome: end, start };
    const told =
      position.kind === "diverging"
        ? answer({ diverging: position, logStartOffset: leader.startOffset })
        : answer({
            error: "OFFSET_OUT_OF_RANGE",
            diverging: { epoch: -1, endOffset: leader.endOffset },
            logStartOffset: leader.startOffset,
          });
    const step = decide(follower, mine, told);
    if (step.kind === "truncate") {
      end = step.toOffset;
      epochs = epochs.filter(([, from]) => from < end);
    } else if (step.kind === "start-over") {
      [end, start] = [step.atOffset, step.atOffset];
      epochs = [];
    } else return { outcome: step.kind, start };
  }
  return { outcome: "no end", start };
}

describe("truncation by epochs", () => {
  const uncommitted = { ...state, highWatermark: 0 };

  test("the follower's tail of an epoch that the leader ended earlier goes", () => {
    expect(reconcile(uncommitted, [70, [[3, 0]]], log(90, [[3, 0], [7, 60]]))).toBe(60); // biome-ignore format: epochs in one line
  });

  test("epochs that the leader never had go one after the other (KIP-279)", () => {
    const own = [120, [[1, 0], [4, 40], [6, 80]]] as const; // biome-ignore format: epochs in one line
    expect(reconcile(uncommitted, [own[0], own[1]], log(100, [[1, 0], [3, 30], [5, 70], [7, 90]]))).toBe(30); // biome-ignore format: epochs in one line
  });

  test("everything goes when the leader had other records from the first one on", () => {
    expect(reconcile(uncommitted, [6, [[2, 0]]], log(36, [[1, 0], [3, 7]]))).toBe(0); // biome-ignore format: epochs in one line
  });

  test("nothing goes when the leader has more of the same", () => {
    expect(reconcile(state, [70, [[3, 0], [5, 40]]], log(100, [[3, 0], [5, 40], [7, 90]]))).toBe(70); // biome-ignore format: epochs in one line
  });

  test("a leader that knows no epoch so old takes the log back to where its own begins", () => {
    expect(reconcile(uncommitted, [70, [[3, 0]]], log(90, [[6, 20]], 20))).toBe(20);
  });

  test("a follower that is behind the leader's first record starts over there", () => {
    expect(reconcile(state, [60, [[3, 0]]], log(900, [[3, 400]], 400))).toBe(400);
  });

  test("records that are all below the leader's log start go, where the leader knows nothing of their epochs", () => {
    expect(reconciled(uncommitted, [17, [[0, 0]]], log(61, [[1, 17]], 17))).toStrictEqual({ outcome: 17, start: 17 });
    expect(reconciled(uncommitted, [20, [[0, 0]]], log(61, [[1, 17]], 17)), "after a cut").toStrictEqual({ outcome: 17, start: 17 });
    expect(reconciled(uncommitted, [17, [[1, 16]], 16], log(61, [[1, 17]], 17)), "of an epoch that it has").toStrictEqual({
      outcome: 17,
      start: 16,
    });
    expect(reconciled(uncommitted, [17, [[0, 0]], 17], log(61, [[1, 17]], 17)), "there are none").toStrictEqual({ outcome: 17, start: 17 });
  });

  test("a consumer may go on at the log start, whatever it has read before it", () => {
    expect(consumerPositionIn(log(61, [[1, 17]], 17), 17, 0).kind).toBe("agrees");
  });

  test("without epochs, a longer log is cut to the leader's end", () => {
    const own: OwnLog = log(70, []);
    const told = answer({ error: "OFFSET_OUT_OF_RANGE", diverging: { epoch: -1, endOffset: 55 } });
    expect(decide(state, own, told)).toStrictEqual({ kind: "truncate", toOffset: 55 });
  });

  test("what is known to be committed is never cut", () => {
    const leader = log(45, [[3, 0], [7, 40]]); // biome-ignore format: epochs in one line
    expect(reconcile(state, [70, [[3, 0]]], leader)).toBe("data-diverged");
    expect(() => afterTruncation(state, 40)).toThrow(InvariantViolation);
  });

  test("except when an unclean election is on record", () => {
    const leader = log(45, [[3, 0], [7, 40]]); // biome-ignore format: epochs in one line
    const recovering = { ...state, leaderRecovering: true };
    expect(reconcile(recovering, [70, [[3, 0]]], leader)).toBe(40);
    expect(afterTruncation(recovering, 40).highWatermark).toBe(40);
  });

  test("a divergence that would cut nothing is not obeyed at once, or both would spin", () => {
    const told = answer({ diverging: { epoch: 3, endOffset: 70 } });
    expect(decide(state, log(70, [[3, 0]]), told).kind).toBe("back-off");
  });
});

test("the follower's high watermark is the leader's as far as its own log goes, and never falls", () => {
  expect(adoptHighWatermark(state, 60, 70).highWatermark).toBe(60);
  expect(adoptHighWatermark(state, 60, 55).highWatermark).toBe(55);
  expect(adoptHighWatermark(state, 30, 70).highWatermark, "a new leader may know less").toBe(50);
});

test("a refusal is waited out", () => {
  expect(decide(state, log(70, []), answer({ error: "NOT_LEADER_OR_FOLLOWER" }))).toStrictEqual({
    kind: "back-off",
    error: "NOT_LEADER_OR_FOLLOWER",
  });
});

test("a damaged log starts over only where a leader can begin", () => {
  const damaged = { ...log(60, [[7, 0]]), damage: { kind: "end-lost", path: "p", position: 0, offset: 60, reason: "r" } as const };
  const outOfRange = answer({ error: "OFFSET_OUT_OF_RANGE", logStartOffset: 20 });
  expect(decide(state, damaged, outOfRange)).toStrictEqual({ kind: "start-over", atOffset: 20 });
  expect(decide(state, damaged, { ...outOfRange, logStartOffset: -1 }).kind).toBe("back-off");
});
