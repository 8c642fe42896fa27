import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  type ClassicAction,
  type ClassicEvent,
  type ClassicState,
  nextTickMs,
  outsideGroup,
  stepClassic,
} from "../../../../client/group/classic-state.ts";
import {
  type IncrementalAction,
  type IncrementalEvent,
  type IncrementalState,
  outsideIncremental,
  stepIncremental,
} from "../../../../client/group/incremental-state.ts";
import { keyOf } from "../../../../client/group/partition-assignor.ts";
import type { TopicPartition } from "../../../../protocol/base/ids.ts";

const partition = fc.record({ topic: fc.constant("t"), partition: fc.nat(4) });
const partitions = fc.uniqueArray(partition, { selector: keyOf, maxLength: 5 });
const failures = fc.constantFrom(
  "lost" as const,
  "NOT_COORDINATOR" as const,
  "COORDINATOR_LOAD_IN_PROGRESS" as const,
  "REBALANCE_IN_PROGRESS" as const,
  "UNKNOWN_MEMBER_ID" as const,
  "ILLEGAL_GENERATION" as const,
  "FENCED_MEMBER_EPOCH" as const,
);

/** What the application has, as the actions tell it. */
class Application {
  readonly has = new Set<string>();

  take(given: readonly TopicPartition[]): void {
    for (const each of given) {
      expect(this.has.has(keyOf(each)), "nothing is given twice").toBe(false);
      this.has.add(keyOf(each));
    }
  }

  giveUp(taken: readonly TopicPartition[]): void {
    for (const each of taken) this.has.delete(keyOf(each));
  }
}

describe("a classic member under any sequence of answers, refusals, slowness and time", () => {
  const settings = (rebalanceProtocol: "eager" | "cooperative", isStatic: boolean) => ({
    rebalanceProtocol,
    isStatic,
    heartbeatIntervalMs: 10,
    maxPollIntervalMs: 100,
    retryBackoffMs: 1,
    retryBackoffMaxMs: 8,
  });
  type Play = readonly ["answer" | "refuse" | "tick" | "slow" | "join" | "poll" | "stale", readonly TopicPartition[], ClassicFailure];
  type ClassicFailure = typeof failures extends fc.Arbitrary<infer F> ? F : never;
  const plays: fc.Arbitrary<Play[]> = fc.array(
    fc.tuple(fc.constantFrom("answer", "answer", "answer", "refuse", "tick", "slow", "join", "poll", "stale"), partitions, failures),
    { maxLength: 60 },
  ) as fc.Arbitrary<Play[]>;

  test.each([
    ["eager", false],
    ["eager", true],
    ["cooperative", false],
    ["cooperative", true],
  ] as const)(
    "%s, static %s: it never joins with what it must have given up, never waits for nothing, and what it owns is what the application has",
    (protocol, isStatic) => {
      fc.assert(
        fc.property(plays, (steps) => {
          const application = new Application();
          let state: ClassicState = outsideGroup;
          let pending: ClassicAction[] = [];
          let nowMs = 0;
          const dispatch = (event: ClassicEvent) => {
            const step = stepClassic(state, event, nowMs, settings(protocol, isStatic));
            state = step.state;
            pending = pending.filter((action) => "attempt" in action && action.attempt === state.attempt);
            for (const action of step.actions) {
              if (action.kind === "take") application.take(action.partitions);
              if (action.kind === "join" && protocol === "eager")
                expect(application.has.size, "an eager member joins with nothing").toBe(0);
              if (
                action.kind === "give-up" ||
                action.kind === "join" ||
                action.kind === "sync" ||
                action.kind === "assign-and-sync" ||
                action.kind === "heartbeat"
              )
                pending.push(action);
            }
            expect(new Set(state.owned.map(keyOf))).toEqual(application.has);
            const isAlive =
              state.phase.kind === "outside" || state.phase.kind === "left" || pending.length > 0 || Number.isFinite(nextTickMs(state));
            expect(isAlive, `something is to happen next in ${state.phase.kind}`).toBe(true);
            if (state.phase.kind === "stable") expect(state.generation).toBeGreaterThanOrEqual(0);
          };
          const settle = (action: ClassicAction, given: readonly TopicPartition[], failure: ClassicFailure | null) => {
            switch (action.kind) {
              case "give-up":
                application.giveUp(action.partitions);
                return dispatch({ kind: "gave-up", attempt: action.attempt, partitions: action.partitions });
              case "join": {
                if (failure !== null) return dispatch({ kind: "join-failed", attempt: action.attempt, failure, memberId: "m" });
                const answer = {
                  memberId: "m",
                  generationId: state.generation + 1,
                  protocolName: "p",
                  leader: "m",
                  members: [],
                  skipAssignment: false,
                };
                return dispatch({ kind: "joined", attempt: action.attempt, answer });
              }
              case "sync":
              case "assign-and-sync":
                if (failure !== null) return dispatch({ kind: "sync-failed", attempt: action.attempt, failure });
                return dispatch({ kind: "synced", attempt: action.attempt, assigned: given });
              case "heartbeat":
                return dispatch({ kind: "heartbeat-answered", attempt: action.attempt, failure });
            }
          };
          dispatch({ kind: "join-wanted" });
          for (const [what, given, failure] of steps) {
            nowMs += 5;
            const next = pending[0];
            if (what === "join") dispatch({ kind: "join-wanted" });
            else if (what === "poll") dispatch({ kind: "polled" });
            else if (what === "tick") dispatch({ kind: "ticked", busySinceMs: null });
            else if (what === "slow") dispatch({ kind: "ticked", busySinceMs: nowMs - 100 });
            else if (what === "stale") dispatch({ kind: "synced", attempt: state.attempt - 1, assigned: given });
            else if (next !== undefined) {
              pending = pending.slice(1);
              settle(next, given, what === "refuse" ? failure : null);
            }
          }
          const out = stepClassic(state, { kind: "closed" }, nowMs, settings(protocol, isStatic));
          expect(out.actions.every(({ kind }) => kind === "leave" && !isStatic)).toBe(true);
        }),
        { numRuns: 400 },
      );
    },
  );
});

test("a member of the new protocol: under any sequence of answers what it owns is what the application has, and one heartbeat is under way at most", () => {
  const settings = { maxPollIntervalMs: 100, retryBackoffMs: 1, retryBackoffMaxMs: 8 };
  const plays = fc.array(
    fc.tuple(fc.constantFrom("answer", "answer", "refuse", "gave-up", "tick", "slow", "poll", "join"), fc.option(partitions), failures),
    {
      maxLength: 60,
    },
  );
  fc.assert(
    fc.property(plays, (steps) => {
      const application = new Application();
      let state: IncrementalState = outsideIncremental;
      let heartbeat: Extract<IncrementalAction, { kind: "heartbeat" }> | null = null;
      let giving: Extract<IncrementalAction, { kind: "give-up" }> | null = null;
      let nowMs = 0;
      const dispatch = (event: IncrementalEvent) => {
        const before = state.attempt;
        const step = stepIncremental(state, event, nowMs, settings);
        state = step.state;
        if (state.attempt !== before) heartbeat = giving = null;
        for (const action of step.actions) {
          if (action.kind === "take") application.take(action.partitions);
          if (action.kind === "heartbeat") {
            expect(heartbeat, "one at a time").toBeNull();
            heartbeat = action;
          }
          if (action.kind === "give-up") giving = action;
        }
        expect(new Set(state.owned.map(keyOf))).toEqual(application.has);
        const isAlive = state.phase !== "in-group" || heartbeat !== null || giving !== null || Number.isFinite(state.heartbeatAtMs);
        expect(isAlive, "something is to happen next").toBe(true);
      };
      dispatch({ kind: "join-wanted" });
      for (const [what, assigned, failure] of steps) {
        nowMs += 5;
        const beating = heartbeat as Extract<IncrementalAction, { kind: "heartbeat" }> | null;
        const given = giving as Extract<IncrementalAction, { kind: "give-up" }> | null;
        if (what === "tick") dispatch({ kind: "ticked", busySinceMs: null });
        else if (what === "slow") dispatch({ kind: "ticked", busySinceMs: nowMs - 100 });
        else if (what === "poll") dispatch({ kind: "polled" });
        else if (what === "join") dispatch({ kind: "join-wanted" });
        else if (what === "gave-up" && given !== null) {
          giving = null;
          application.giveUp(given.partitions);
          dispatch({ kind: "gave-up", attempt: given.attempt, partitions: given.partitions });
        } else if (what === "answer" && beating !== null) {
          heartbeat = null;
          dispatch({
            kind: "answered",
            attempt: beating.attempt,
            answer: { memberId: "m", memberEpoch: state.epoch + 1, heartbeatIntervalMs: 10, assigned },
          });
        } else if (what === "refuse" && beating !== null) {
          heartbeat = null;
          dispatch({ kind: "refused", attempt: beating.attempt, failure });
        }
      }
    }),
    { numRuns: 400 },
  );
});
