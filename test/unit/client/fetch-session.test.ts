import { expect, test } from "vitest";
import { ClientFetchSession, type FetchTarget } from "../../../client/fetch/client-fetch-session.ts";

function target(partition: number, fetchOffset = 0): FetchTarget {
  return { topic: "t", topicId: "id", partition, fetchOffset, currentLeaderEpoch: 0, lastFetchedEpoch: -1, partitionMaxBytes: 100 };
}

const numbers = (targets: readonly FetchTarget[]) => targets.map(({ partition }) => partition);

test("the first request is full, later ones say only what changed", () => {
  const session = new ClientFetchSession();
  expect(session.next([target(0), target(1)])).toMatchObject({ sessionId: 0, sessionEpoch: 0, toForget: [] });
  expect(session.answered("NONE", 77)).toBe(true);
  const second = session.next([target(0, 5), target(1), target(2)]);
  expect(second).toMatchObject({ sessionId: 77, sessionEpoch: 1 });
  expect(numbers(second.toSend)).toEqual([0, 2]);
  session.answered("NONE", 77);
  const third = session.next([target(1), target(2)]);
  expect(third.sessionEpoch).toBe(2);
  expect([numbers(third.toSend), numbers(third.toForget)]).toEqual([[], [0]]);
});

test("a broker that gives no session gets full requests for ever", () => {
  const session = new ClientFetchSession();
  for (let i = 0; i < 3; i++) {
    const request = session.next([target(0), target(1)]);
    expect([request.sessionId, request.sessionEpoch, numbers(request.toSend)]).toEqual([0, 0, [0, 1]]);
    expect(session.answered("NONE", 0)).toBe(true);
  }
});

test("a lost session, a refused epoch or a lost answer: a full request starts over", () => {
  const session = new ClientFetchSession();
  session.next([target(0)]);
  session.answered("NONE", 5);
  session.next([target(0)]);
  expect(session.answered("FETCH_SESSION_ID_NOT_FOUND", 0)).toBe(false);
  expect(session.next([target(0)])).toMatchObject({ sessionId: 0, sessionEpoch: 0, toSend: [target(0)] });
  session.answered("NONE", 6);
  session.next([target(0)]);
  session.answered("INVALID_FETCH_SESSION_EPOCH", 0);
  expect(session.next([target(0)])).toMatchObject({ sessionId: 6, sessionEpoch: 0, toSend: [target(0)] });
  session.answered("NONE", 8);
  session.next([target(0), target(1)]);
  session.failed();
  expect(session.next([target(1)])).toMatchObject({ sessionId: 8, sessionEpoch: 0, toSend: [target(1)], toForget: [] });
});
