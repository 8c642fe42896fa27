import { expect, test } from "vitest";
import type { ImageSource } from "../../../broker/cluster/cluster-image.ts";
import { handOverHandler } from "../../../broker/peer-api/hand-over.ts";
import { producedBatch } from "../../support/memory-log.ts";
import { settled } from "../network/manual-clock.ts";
import { follower, followerFetch, setUp, topicId } from "./partition-fixture.ts";

/** A leader with a follower in sync, which the controller is about to replace. */
async function leading() {
  const parts = await setUp({}, { isr: [1, 2], isrEpochs: { 1: 101, 2: 102 } });
  const { table, clock, replicas } = parts;
  const images = { current: { controllerEpoch: 7 } } as ImageSource;
  const handle = handOverHandler({ images, clock, leaderOf: (id, partition) => table.leaderOf(id, partition) });
  const ask = async (leaderEpoch = 5, controllerEpoch = 7) => {
    const request = { controllerId: 3, controllerEpoch, maxWaitMs: 100, partitions: [{ topicId, partition: 0, leaderEpoch }] };
    return (await handle(request, Buffer.alloc(0), "test")).body.error;
  };
  const fetched = (offset: number) => replicas.acknowledge(follower, followerFetch(offset));
  return { ...parts, ask, fetched };
}

/** What a promise has come to, without waiting for it. */
function watched<T>(promise: Promise<T>): { is: T | null } {
  const outcome: { is: T | null } = { is: null };
  promise.then((value) => {
    outcome.is = value;
  });
  return outcome;
}

test("a leader that hands over waits until its followers have all, and takes no more until another leads", async () => {
  const { ask, append, fetched, assign, log } = await leading();
  expect((await append(producedBatch(), 1)).error, "which no follower has").toBeNull();
  const answer = watched(ask());
  const late = [watched(append(producedBatch(), 1)), watched(append(producedBatch(), -1))];
  await settled();
  expect([answer.is, late.map(({ is }) => is), log.endOffset]).toEqual([null, [null, null], 1]);
  fetched(1);
  await settled();
  expect([answer.is, late.map(({ is }) => is), log.endOffset]).toEqual(["NONE", [null, null], 1]);
  await assign({ leader: 2, leaderEpoch: 6, stateVersion: 4 });
  await settled();
  expect(late.map(({ is }) => is?.error)).toEqual(["NOT_LEADER_OR_FOLLOWER", "NOT_LEADER_OR_FOLLOWER"]);
  expect(log.endOffset).toBe(1);
});

test("what waits is appended, in its order, where we are to lead on in the next epoch", async () => {
  const { ask, append, assign, log } = await leading();
  expect(await ask()).toBe("NONE");
  expect(await ask(), "again: nothing more waits for that").toBe("NONE");
  const late = [watched(append(producedBatch(), 1)), watched(append(producedBatch(), 1))];
  await settled();
  expect(log.endOffset).toBe(0);
  await assign({ leaderEpoch: 6, stateVersion: 4 });
  await settled();
  expect(late.map(({ is }) => is)).toMatchObject([
    { error: null, baseOffset: 0 },
    { error: null, baseOffset: 1 },
  ]);
});

test("where nobody takes over, or the news of that are stuck, nothing is appended before it is known who leads", async () => {
  const { ask, append, clock, session, log } = await leading();
  expect(await ask()).toBe("NONE");
  const late = watched(append(producedBatch(), 1));
  await clock.advance(980);
  expect([late.is, session.provedUntilMs]).toEqual([null, Number.POSITIVE_INFINITY]);
  await clock.advance(40);
  await settled();
  expect([late.is?.error, session.provedUntilMs, log.endOffset]).toEqual(["NOT_LEADER_OR_FOLLOWER", Number.NEGATIVE_INFINITY, 0]);
  session.provedUntilMs = Number.POSITIVE_INFINITY;
  expect(await append(producedBatch(), 1), "it still does").toMatchObject({ error: null, baseOffset: 0 });
});

test("followers that get nothing hold nobody up for long", async () => {
  const { ask, append, clock } = await leading();
  await append(producedBatch(), 1);
  const answer = watched(ask());
  await clock.advance(90);
  expect(answer.is).toBeNull();
  await clock.advance(20);
  expect(answer.is, "and the controller hears that").toBe("REQUEST_TIMED_OUT");
});

test("a deposed controller, and one that means an earlier epoch, stop nothing", async () => {
  const { ask, append } = await leading();
  expect(await ask(5, 6)).toBe("STALE_CONTROLLER_EPOCH");
  expect(await ask(4)).toBe("REQUEST_TIMED_OUT");
  expect((await append(producedBatch(), 1)).error).toBeNull();
});
