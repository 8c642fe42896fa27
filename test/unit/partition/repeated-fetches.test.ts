import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  advance,
  isAtRest,
  isSteady,
  type LeaderEvent,
  type LeaderState,
  proposal,
  startLeading,
} from "../../../broker/partition/leader-state.ts";
import { RepeatedFetches } from "../../../broker/partition/repeated-fetches.ts";

const lagMaxMs = 1000;
const followers = [2, 3];

function leader(isr: readonly number[] = [1, 2, 3]): LeaderState {
  return startLeading({
    self: 1,
    epoch: 5,
    replicas: [1, 2, 3],
    isr,
    isrEpochs: {},
    stateVersion: 40,
    logEndOffset: 0,
    writtenEndOffset: 0,
    highWatermark: 0,
    lagMaxMs,
    suspectLagMs: 750,
    nowMs: 0,
  });
}

function fetched(from: number, fetchOffset: number, nowMs: number): LeaderEvent {
  return { kind: "follower-fetched", from, fetchOffset, nowMs, brokerEpoch: 100 + from, registeredEpoch: 100 + from };
}

/** A partition as its leader has it, with followers that fetch in sessions. */
class Leading {
  state: LeaderState;
  readonly #repeated = new RepeatedFetches();
  readonly #sessions = new Map(
    followers.map((id) => [id, { brokerId: id, brokerEpoch: 100 + id, receivedAtMs: Number.NEGATIVE_INFINITY }]),
  );

  constructor(isr?: readonly number[]) {
    this.state = leader(isr);
  }

  /** As a session does: what is named, or is not at rest, is acknowledged. */
  request(id: number, fetchOffset: number, nowMs: number, isNamed: boolean): void {
    const session = this.#sessions.get(id)!;
    session.receivedAtMs = nowMs;
    const isKnown = this.#repeated.isOf(session) && isSteady(this.state, { from: id, brokerEpoch: 100 + id, fetchOffset });
    if (isKnown && !isNamed) return;
    this.state = advance(this.state, fetched(id, fetchOffset, nowMs));
    this.#repeated.note(session, fetchOffset);
  }

  leaveOut(id: number): void {
    this.#repeat();
    this.#repeated.forget(id);
  }

  happens(...events: readonly LeaderEvent[]): void {
    this.#repeat();
    this.state = events.reduce(advance, this.state);
  }

  #repeat(): void {
    for (const event of this.#repeated.events()) this.state = advance(this.state, event);
  }
}

const wrote = (offset: number): LeaderEvent[] => [
  { kind: "appended", logEndOffset: offset },
  { kind: "written", writtenEndOffset: offset },
];
const tick = (nowMs: number, dead: readonly number[] = []): LeaderEvent => ({
  kind: "tick",
  nowMs,
  isAlive: (id) => !dead.includes(id),
  isSuspected: () => false,
  isSilent: () => false,
});

describe("a follower that fetches in a session", () => {
  test("stays in sync in a partition in which nothing happened for long, and has the whole lag time once something does", () => {
    const leading = new Leading();
    leading.happens(...wrote(10));
    for (const id of followers) leading.request(id, 10, 1, true);
    for (let nowMs = 500; nowMs <= 50_000; nowMs += 500) for (const id of followers) leading.request(id, 10, nowMs, false);
    leading.happens(...wrote(11));
    leading.happens(tick(50_000 + lagMaxMs));
    expect(proposal(leading.state)).toBeNull();
    leading.happens(tick(50_001 + lagMaxMs));
    expect(proposal(leading.state)?.isr).toStrictEqual([1]);
  });

  test("is not in sync by that in a partition that it has left out", () => {
    const leading = new Leading();
    leading.happens(...wrote(10));
    for (const id of followers) leading.request(id, 10, 1, true);
    leading.request(2, 10, 600, false);
    leading.leaveOut(2);
    for (let nowMs = 1000; nowMs <= 5000; nowMs += 500) for (const id of followers) if (id === 3) leading.request(id, 10, nowMs, false);
    leading.happens(...wrote(11));
    leading.happens(tick(5000));
    expect(proposal(leading.state)?.isr).toStrictEqual([1, 3]);
  });

  test("acknowledges nothing by that which is not known of it any more", () => {
    const leading = new Leading();
    leading.happens(...wrote(10));
    for (const id of followers) leading.request(id, 10, 1, true);
    const replicas = (list: readonly number[]): LeaderEvent => ({ kind: "replicas-changed", replicas: list, nowMs: 2 });
    leading.happens({ kind: "isr-in-force", isr: [1, 3], isrEpochs: {}, stateVersion: 41 }, replicas([1, 3]), replicas([1, 2, 3]));
    leading.happens(...wrote(11));
    expect(leading.state.followers.get(2)?.fetchOffset, "its replica was taken away, and may be empty").toBe(-1);
    leading.request(2, 10, 3, false);
    expect(leading.state.followers.get(2)?.fetchOffset, "it says so itself").toBe(10);
  });

  test("makes a leader rest, once all of them have everything", () => {
    const leading = new Leading();
    leading.happens(...wrote(10));
    leading.request(2, 10, 1, true);
    expect(isAtRest(leading.state)).toBe(false);
    leading.request(3, 10, 1, true);
    expect(isAtRest(leading.state)).toBe(true);
    leading.happens(tick(1e9));
    expect(isAtRest(leading.state)).toBe(true);
    leading.happens(tick(1e9, [2]));
    expect(isAtRest(leading.state), "a change of the in-sync set is under way").toBe(false);
  });
});

const anEvent = fc.oneof(
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("write" as const), count: fc.integer({ min: 1, max: 3 }) }) },
  { weight: 8, arbitrary: fc.record({ kind: fc.constant("request" as const), id: fc.constantFrom(2, 3) }) },
  {
    weight: 5,
    arbitrary: fc.record({ kind: fc.constant("catch-up" as const), id: fc.constantFrom(2, 3), behind: fc.integer({ min: 0, max: 2 }) }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("leave-out" as const), id: fc.constantFrom(2, 3) }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("pass" as const), ms: fc.integer({ min: 1, max: lagMaxMs }) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("tick" as const), dead: fc.subarray([2, 3], { maxLength: 1 }) }) },
  { weight: 2, arbitrary: fc.constant({ kind: "in-force" as const }) },
);

test("what fetches repeat unnamed is worth as much as if each had named the partition", () => {
  fc.assert(
    fc.property(fc.array(anEvent, { maxLength: 80 }), fc.subarray([2, 3]), (events, inSync) => {
      const lazy = new Leading([1, ...inSync]);
      let eager = leader([1, ...inSync]);
      /** Where a follower's log ends; named with the next request. */
      const ends = new Map(followers.map((id) => [id, 0]));
      const toName = new Set(followers);
      let nowMs = 0;
      const happen = (...all: readonly LeaderEvent[]) => {
        lazy.happens(...all);
        eager = all.reduce(advance, eager);
      };
      for (const event of events) {
        switch (event.kind) {
          case "write":
            happen(...wrote(eager.writtenEndOffset + event.count));
            break;
          case "request":
            lazy.request(event.id, ends.get(event.id)!, nowMs, toName.delete(event.id));
            eager = advance(eager, fetched(event.id, ends.get(event.id)!, nowMs));
            continue;
          case "catch-up":
            ends.set(event.id, Math.max(ends.get(event.id)!, eager.writtenEndOffset - event.behind));
            toName.add(event.id);
            continue;
          case "leave-out":
            lazy.leaveOut(event.id);
            toName.add(event.id);
            continue;
          case "pass":
            nowMs += event.ms;
            continue;
          case "tick":
            happen(tick(nowMs, event.dead));
            break;
          case "in-force": {
            const proposed = proposal(eager);
            if (proposed === null) continue;
            const { isr, isrEpochs, expectedVersion } = proposed;
            happen({ kind: "isr-in-force", isr, isrEpochs, stateVersion: expectedVersion + 1 });
            break;
          }
        }
        expect(judged(lazy.state)).toStrictEqual(judged(eager));
      }
    }),
    { numRuns: 2000 },
  );
});

/** What decides. How far the leader was when a follower fetched last is only looked at while it lacks something. */
function judged({ followers: known, isr, change, highWatermark, stateVersion }: LeaderState) {
  return {
    isr,
    change,
    highWatermark,
    stateVersion,
    followers: [...known].map(([id, { fetchOffset, fetchedAtMs, caughtUpAtMs, holdsBack }]) => ({
      id,
      fetchOffset,
      fetchedAtMs,
      caughtUpAtMs,
      holdsBack,
    })),
  };
}
