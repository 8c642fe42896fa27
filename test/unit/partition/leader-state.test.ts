import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  advance,
  holdBackMaxMs,
  judgeIsrWrite,
  type LeaderEvent,
  type LeaderStart,
  type LeaderState,
  mustHave,
  proposal,
  startLeading,
} from "../../../broker/partition/leader-state.ts";
import { InvariantViolation } from "../../../protocol/base/invariant.ts";

const lagMaxMs = 10_000;

function leader(start: Partial<LeaderStart> = {}): LeaderState {
  return startLeading({
    self: 1,
    epoch: 5,
    replicas: [1, 2, 3],
    isr: [1, 2, 3],
    isrEpochs: { 1: 101, 2: 102, 3: 103 },
    stateVersion: 40,
    logEndOffset: 0,
    writtenEndOffset: 0,
    highWatermark: 0,
    lagMaxMs,
    suspectLagMs: 750,
    nowMs: 0,
    ...start,
  });
}

function run(state: LeaderState, ...events: LeaderEvent[]): LeaderState {
  return events.reduce(advance, state);
}

const wrote = (offset: number): LeaderEvent[] => [
  { kind: "appended", logEndOffset: offset },
  { kind: "written", writtenEndOffset: offset },
];
const fetched = (
  from: number,
  fetchOffset: number,
  nowMs: number,
  epochs: { brokerEpoch?: number; registeredEpoch?: number | null } = {},
) => ({ kind: "follower-fetched", from, fetchOffset, nowMs, brokerEpoch: 100 + from, registeredEpoch: 100 + from, ...epochs }) as const;
const tick = (nowMs: number, dead: readonly number[] = [], suspected: readonly number[] = []): LeaderEvent => ({
  kind: "tick",
  nowMs,
  isAlive: (id) => !dead.includes(id),
  isSuspected: (id) => suspected.includes(id),
  isSilent: () => false,
});
const epochsOf = (isr: readonly number[]) => Object.fromEntries(isr.map((id) => [id, 100 + id]));
const inForce = (isr: readonly number[], stateVersion: number): LeaderEvent => ({
  kind: "isr-in-force",
  isr,
  isrEpochs: epochsOf(isr),
  stateVersion,
});

describe("the high watermark", () => {
  test("follows the slowest in-sync replica", () => {
    let state = run(leader(), ...wrote(10), fetched(2, 10, 5));
    expect(state.highWatermark, "replica 3 has fetched nothing").toBe(0);
    state = run(state, fetched(3, 7, 6));
    expect(state.highWatermark).toBe(7);
  });

  test("counts our own log only as far as it is written", () => {
    const state = run(leader({ isr: [1] }), { kind: "appended", logEndOffset: 9 }, { kind: "written", writtenEndOffset: 4 });
    expect(state.highWatermark).toBe(4);
  });

  test("of a new leader waits until the followers' ends are known", () => {
    const start = { logEndOffset: 20, writtenEndOffset: 20, highWatermark: 12 };
    const state = run(leader(start), fetched(2, 20, 1));
    expect(state.highWatermark).toBe(12);
    expect(run(state, fetched(3, 18, 1)).highWatermark).toBe(18);
  });

  test("of a lone leader is its written end at once", () => {
    expect(leader({ isr: [1], logEndOffset: 8, writtenEndOffset: 8, highWatermark: 3 }).highWatermark).toBe(8);
  });

  test("does not move for a fetch from an earlier life of the follower", () => {
    let state = run(leader({ isr: [1, 2] }), ...wrote(10), fetched(2, 4, 1, { brokerEpoch: 200, registeredEpoch: 200 }));
    state = run(state, fetched(2, 10, 2, { brokerEpoch: 150, registeredEpoch: 200 }));
    expect(state.highWatermark).toBe(4);
    // even when the metadata has not heard of the new life yet
    state = run(state, fetched(2, 10, 3, { brokerEpoch: 150, registeredEpoch: 150 }));
    expect(state.highWatermark).toBe(4);
  });

  test("waits for a joining replica as soon as it is proposed", () => {
    let state = run(leader({ isr: [1, 2] }), ...wrote(10), fetched(2, 10, 1), fetched(3, 10, 2));
    expect(state.change).toStrictEqual({ kind: "expanding", joining: 3, joiningEpoch: 103 });
    state = run(state, ...wrote(15), fetched(2, 15, 3));
    expect(state.highWatermark, "replica 3 may be in sync already as far as the coordinator goes").toBe(10);
  });

  test("waits for it also when newer metadata does not assign it any more", () => {
    let state = run(leader({ isr: [1, 2] }), ...wrote(10), fetched(2, 10, 1), fetched(3, 10, 2), ...wrote(15));
    state = run(state, { kind: "replicas-changed", replicas: [1, 2], nowMs: 3 }, fetched(2, 15, 4));
    expect(state.highWatermark).toBe(10);
    expect(run(state, inForce([1, 2], 41)).highWatermark, "it did not join").toBe(15);
  });

  test("waits for a leaving replica until the coordinator agrees", () => {
    let state = run(leader(), ...wrote(10), fetched(2, 10, lagMaxMs), tick(lagMaxMs + 1));
    expect(state.change).toStrictEqual({ kind: "shrinking", leaving: new Set([3]) });
    expect(state.highWatermark).toBe(0);
    state = run(state, inForce([1, 2], 41));
    expect(state.highWatermark).toBe(10);
  });

  test("waits a moment for a replica that is catching up, so that it can join under steady load, but not for ever", () => {
    // replica 3 has everything there was when it fetched before, and the leader has more by the time it fetches again
    let state = run(leader({ isr: [1, 2], nowMs: 0 }), ...wrote(10), fetched(3, 6, 100));
    state = run(state, fetched(2, 10, 101), fetched(3, 10, 110));
    expect(state.change.kind).toBe("expanding");
    state = run(leader({ isr: [1] }), ...wrote(10), fetched(3, 9, 100), ...wrote(12), fetched(3, 10, 110), ...wrote(15));
    expect(state.highWatermark).toBe(12);
    state = run(state, fetched(3, 12, 120));
    expect(state.change.kind).toBe("expanding");
    const held = run(leader({ isr: [1] }), ...wrote(10), fetched(3, 4, 100), fetched(3, 10, 110), inForce([1], 41), ...wrote(20));
    expect(held.highWatermark, "replica 3 is about to join").toBe(10);
    expect(run(held, tick(110 + holdBackMaxMs)).highWatermark).toBe(10);
    expect(run(held, tick(111 + holdBackMaxMs)).highWatermark).toBe(20);
    expect(run(held, tick(112, [3])).highWatermark, "it is dead").toBe(20);
  });
});

describe("a follower joins the in-sync set", () => {
  const start = { isr: [1, 2], logEndOffset: 20, writtenEndOffset: 20, highWatermark: 12 };

  test("at the leader's high watermark and the start of its epoch", () => {
    const state = run(leader(start), fetched(3, 20, 1));
    expect(proposal(state)).toStrictEqual({ isr: [1, 2, 3], isrEpochs: epochsOf([1, 2, 3]), expectedVersion: 40 });
  });

  test("not between high watermark and start of the epoch: it may hold records that are not ours", () => {
    expect(proposal(run(leader(start), fetched(3, 19, 1)))).toBeNull();
  });

  test("not below the high watermark", () => {
    const state = run(leader(start), fetched(2, 20, 1), ...wrote(30), fetched(2, 30, 2), fetched(3, 29, 3));
    expect(state.highWatermark).toBe(30);
    expect(proposal(state)).toBeNull();
  });

  test("not in a life that the metadata does not know, nor when it is not alive, nor unassigned", () => {
    expect(proposal(run(leader(start), fetched(3, 20, 1, { registeredEpoch: null })))).toBeNull();
    expect(proposal(run(leader(start), fetched(3, 20, 1, { registeredEpoch: 99 })))).toBeNull();
    expect(proposal(run(leader({ ...start, replicas: [1, 2] }), fetched(3, 20, 1)))).toBeNull();
  });
});

describe("a follower leaves the in-sync set", () => {
  test("when it has not caught up for the lag time", () => {
    let state = run(leader(), ...wrote(10), fetched(2, 10, 1), fetched(3, 10, 1), ...wrote(11), fetched(2, 11, 9000));
    state = run(state, tick(lagMaxMs + 1));
    expect(proposal(state)).toBeNull();
    state = run(state, tick(lagMaxMs + 2));
    expect(proposal(state)).toStrictEqual({ isr: [1, 2], isrEpochs: epochsOf([1, 2]), expectedVersion: 40 });
  });

  test("not while it keeps up with where the leader was at its last fetch", () => {
    let state = run(leader({ isr: [1, 2] }), ...wrote(10), fetched(2, 0, 100));
    for (let nowMs = 200; nowMs < 5 * lagMaxMs; nowMs += 100) {
      const seen = state.writtenEndOffset;
      state = run(state, ...wrote(seen + 10), fetched(2, seen, nowMs), tick(nowMs));
    }
    expect(proposal(state)).toBeNull();
  });

  test("not for silence alone while it has everything", () => {
    expect(proposal(run(leader({ isr: [1, 2] }), ...wrote(10), fetched(2, 10, 1), tick(100 * lagMaxMs)))).toBeNull();
  });

  test("at once when it is dead", () => {
    const state = run(leader(), ...wrote(10), fetched(2, 10, 1), fetched(3, 10, 1), tick(2, [2, 3]));
    expect(proposal(state)).toStrictEqual({ isr: [1], isrEpochs: epochsOf([1]), expectedVersion: 40 });
  });

  test("at once when it came back without committed records", () => {
    let state = run(leader({ isr: [1, 2] }), ...wrote(10), fetched(2, 10, 1));
    state = run(state, fetched(2, 6, 2, { brokerEpoch: 300, registeredEpoch: 300 }));
    expect(proposal(state)).toStrictEqual({ isr: [1], isrEpochs: epochsOf([1]), expectedVersion: 40 });
  });
});

describe("the answer to an ISR write", () => {
  const shrinking = run(leader(), ...wrote(10), tick(lagMaxMs + 1));
  const proposed = proposal(shrinking) ?? { isr: [], isrEpochs: {}, expectedVersion: -1 };

  test("written: the proposal is in force", () => {
    const verdict = judgeIsrWrite(shrinking, proposed, { kind: "written", stateVersion: 41 });
    expect(verdict).toStrictEqual({ kind: "in-force", event: inForce([1], 41) });
  });

  test("conflict: what was found is in force, if it is newer than what we have", () => {
    const newer = judgeIsrWrite(shrinking, proposed, { kind: "conflict", isr: [1, 2], isrEpochs: epochsOf([1, 2]), stateVersion: 43 });
    expect(newer).toStrictEqual({ kind: "in-force", event: inForce([1, 2], 43) });
    const stale = judgeIsrWrite(shrinking, proposed, {
      kind: "conflict",
      isr: [1, 2, 3],
      isrEpochs: epochsOf([1, 2, 3]),
      stateVersion: 40,
    });
    expect(stale).toStrictEqual({ kind: "ask-again" });
  });

  test("unknown: the stricter set stays", () => {
    expect(judgeIsrWrite(shrinking, proposed, { kind: "unknown" })).toStrictEqual({ kind: "ask-again" });
    expect(mustHave(shrinking)).toStrictEqual(new Set([1, 2, 3]));
  });

  test("fenced, or a set without us: leading is over", () => {
    expect(judgeIsrWrite(shrinking, proposed, { kind: "fenced" }).kind).toBe("step-down");
    expect(judgeIsrWrite(shrinking, proposed, { kind: "conflict", isr: [2], isrEpochs: epochsOf([2]), stateVersion: 44 }).kind).toBe(
      "step-down",
    );
  });

  test("that comes twice changes nothing the second time", () => {
    const once = run(shrinking, inForce([1, 2], 41));
    expect(run(once, inForce([1], 41))).toBe(once);
  });
});

test("a high watermark above the log is a bug", () => {
  expect(() => leader({ highWatermark: 3 })).toThrow(InvariantViolation);
});

test("whatever happens, the high watermark rises only, everyone who must have it has it, and what is under way is stricter", () => {
  const anEvent = fc.oneof(
    { weight: 4, arbitrary: fc.record({ kind: fc.constant("append" as const), count: fc.integer({ min: 1, max: 5 }) }) },
    { weight: 3, arbitrary: fc.record({ kind: fc.constant("write" as const) }) },
    {
      weight: 8,
      arbitrary: fc.record({
        kind: fc.constant("fetch" as const),
        from: fc.constantFrom(2, 3, 4),
        behind: fc.integer({ min: 0, max: 6 }),
        life: fc.integer({ min: 1, max: 3 }),
        registered: fc.option(fc.integer({ min: 1, max: 3 })),
      }),
    },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant("tick" as const), dead: fc.subarray([2, 3, 4]) }) },
    { weight: 3, arbitrary: fc.record({ kind: fc.constant("settle" as const), result: fc.constantFrom("written", "lost", "other") }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant("pass" as const), ms: fc.integer({ min: 0, max: 2 * lagMaxMs }) }) },
  );
  fc.assert(
    fc.property(fc.array(anEvent, { maxLength: 120 }), (events) => {
      let state = leader({ replicas: [1, 2, 3, 4], isr: [1, 2, 3] });
      let nowMs = 0;
      /** What the coordinator really has. */
      let stored = { isr: new Set([1, 2, 3]), version: 40 };
      /** Somebody else changed it, which the leader has not seen yet. */
      let isForeign = false;
      for (const event of events) {
        const before = state;
        switch (event.kind) {
          case "append":
            state = advance(state, { kind: "appended", logEndOffset: state.logEndOffset + event.count });
            break;
          case "write":
            state = advance(state, { kind: "written", writtenEndOffset: state.logEndOffset });
            break;
          case "fetch": {
            const fetchOffset = Math.max(0, state.writtenEndOffset - event.behind);
            state = advance(state, {
              kind: "follower-fetched",
              from: event.from,
              fetchOffset,
              nowMs,
              brokerEpoch: event.life,
              registeredEpoch: event.registered,
            });
            break;
          }
          case "tick":
            state = advance(state, tick(nowMs, event.dead));
            break;
          case "settle": {
            const proposed = proposal(state);
            if (proposed === null) break;
            // "lost": carried out, but the answer never came. "other": somebody else changed the set before.
            if (event.result === "other") {
              stored = { isr: new Set([1, 4]), version: stored.version + 1 };
              isForeign = true;
            }
            const isCarriedOut = proposed.expectedVersion === stored.version;
            if (isCarriedOut) stored = { isr: new Set(proposed.isr), version: stored.version + 1 };
            const result =
              event.result === "lost"
                ? ({ kind: "unknown" } as const)
                : isCarriedOut
                  ? ({ kind: "written", stateVersion: stored.version } as const)
                  : ({
                      kind: "conflict",
                      isr: [...stored.isr],
                      isrEpochs: epochsOf([...stored.isr]),
                      stateVersion: stored.version,
                    } as const);
            const verdict = judgeIsrWrite(state, proposed, result);
            if (verdict.kind === "in-force") state = advance(state, verdict.event);
            break;
          }
          case "pass":
            nowMs += event.ms;
        }
        expect(state.isr.has(1)).toBe(true);
        expect(state.highWatermark >= before.highWatermark, "never retreats").toBe(true);
        expect(state.highWatermark <= state.writtenEndOffset).toBe(true);
        expect(mustHave(state).isSupersetOf(state.isr)).toBe(true);
        if (state.stateVersion === stored.version) isForeign = false;
        if (isForeign) continue;
        // the second opinion: every replica that the coordinator may elect must have what is committed
        for (const id of stored.isr) {
          expect(mustHave(state).has(id), `the coordinator may elect ${id}, which is not waited for`).toBe(true);
          if (id !== 1 && state.highWatermark > before.highWatermark)
            expect((state.followers.get(id)?.fetchOffset ?? -1) >= state.highWatermark, `replica ${id} lacks what is committed`).toBe(true);
        }
      }
    }),
    { numRuns: 500 },
  );
});
