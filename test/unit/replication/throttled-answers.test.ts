import { describe, expect, test } from "vitest";
import { unthrottled } from "../../../broker/partition/replication-contract.ts";
import { setUp } from "./replica-fetch-fixture.ts";

describe("what is throttled", () => {
  const byLeader = { leader: true, follower: false };
  const byFollower = { leader: false, follower: true };

  test("is sent at the leader's rate, and the others meanwhile without delay", async () => {
    const { next, begin, change, clock, limit, quota } = setUp(2);
    await begin();
    limit(1000);
    await clock.advance(0);
    change(1, { batches: [50, 50, 50], throttledBy: byLeader });
    const pending = next();
    await clock.advance(99);
    expect(pending.atMs, "the quota has no portion yet").toBe(-1);
    change(0, { batches: [70], throttledBy: unthrottled });
    const { body } = await pending.answered;
    expect(pending.atMs).toBe(clock.monotonicMs());
    expect(body.partitions.map(({ partition, recordsBytes }) => [partition, recordsBytes])).toStrictEqual([[0, 70]]);
    change(0, { batches: [] });
    const throttled = next();
    await clock.advance(5);
    expect((await throttled.answered).body.partitions.map(({ partition, recordsBytes }) => [partition, recordsBytes])).toStrictEqual([
      [1, 100],
    ]);
    expect(quota.copiedBytes, "what is not throttled does not count").toBe(100);
  });

  test("is left out at the end of the wait, and the next request waits as well: nobody asks in circles", async () => {
    const { next, begin, change, clock, limit } = setUp(1);
    await begin();
    limit(0);
    change(0, { batches: [50], throttledBy: byLeader });
    for (let i = 0; i < 3; i++) {
      const pending = next();
      await clock.advance(499);
      expect(pending.atMs).toBe(-1);
      await clock.advance(5);
      expect((await pending.answered).body.partitions).toStrictEqual([]);
    }
  });

  test("is read after what is not", async () => {
    const { next, begin, change, clock, limit, reads } = setUp(3);
    await begin();
    limit(20_000);
    await clock.advance(100);
    change(0, { batches: [900], throttledBy: byLeader });
    change(1, { batches: [900], throttledBy: byFollower });
    change(2, { batches: [900] });
    const { body } = await next({ throttledBytesMax: 1500 }).answered;
    expect(reads.map(({ partition }) => partition)).toStrictEqual([2, 0, 1]);
    expect(
      body.partitions.map(({ recordsBytes }) => recordsBytes),
      "700 are left for the last, and its batch is larger",
    ).toStrictEqual([900, 900]);
  });

  test("is at most as much as the follower takes, whatever the leader may send", async () => {
    const { next, begin, change, clock } = setUp(2);
    await begin();
    change(0, { batches: [100, 100, 100, 100], throttledBy: byFollower });
    change(1, { batches: [100, 100], throttledBy: byFollower });
    const some = await next({ throttledBytesMax: 250 }).answered;
    expect(some.body.partitions.map(({ recordsBytes }) => recordsBytes)).toStrictEqual([200]);
    const none = next({ throttledBytesMax: 0, maxWaitMs: 70 });
    await clock.advance(69);
    expect(none.atMs).toBe(-1);
    await clock.advance(5);
    expect((await none.answered).body.partitions).toStrictEqual([]);
    const all = await next().answered;
    expect(all.body.partitions.map(({ recordsBytes }) => recordsBytes)).toStrictEqual([200, 400]);
  });

  test("is a whole batch at least, also when others were read before it, and the debt is paid before the next", async () => {
    const { next, begin, change, clock, limit, quota } = setUp(2);
    await begin();
    limit(1000);
    await clock.advance(100);
    change(0, { batches: [10] });
    change(1, { batches: [700], throttledBy: byLeader });
    const { body } = await next().answered;
    expect(body.partitions.map(({ recordsBytes }) => recordsBytes)).toStrictEqual([10, 700]);
    change(0, { batches: [] });
    const beganMs = clock.monotonicMs();
    const after = next();
    for (let i = 0; after.atMs < 0 && i < 1000; i++) await clock.advance(1);
    expect(after.atMs - beganMs).toBe(500);
    const later = next();
    for (let i = 0; later.atMs < 0 && i < 1000; i++) await clock.advance(1);
    expect(later.atMs - beganMs, "600 bytes of debt, and a portion of 100").toBeGreaterThanOrEqual(700);
    expect(quota.copiedBytes).toBe(1400);
  });
});
