import { describe, expect, test } from "vitest";
import { highWatermarkDelayMs } from "../../../broker/replication/replica-fetch-handler.ts";
import { settled } from "../network/manual-clock.ts";
import { setUp, topicId } from "./replica-fetch-fixture.ts";

describe("an answer to a replica fetch", () => {
  test("comes at once with records, leaving out the partitions without news", async () => {
    const { begin, next, change } = setUp(3);
    await begin();
    change(1, { batches: [100, 200] });
    const { body, payload } = await next().answered;
    expect(body.partitions.map(({ partition, recordsBytes }) => [partition, recordsBytes])).toStrictEqual([[1, 300]]);
    expect(Buffer.concat(payload ?? []).length).toBe(300);
  });

  test("keeps to the bytes asked for; only the first batch may exceed them", async () => {
    const { begin, next, led, change } = setUp(4);
    await begin();
    for (const partition of led.keys()) change(partition, { batches: [900, 900] });
    const { body } = await next().answered;
    expect(body.partitions.map(({ partition, recordsBytes }) => [partition, recordsBytes])).toStrictEqual([
      [0, 900],
      [1, 900],
    ]);
    for (const partition of led.keys()) change(partition, { batches: [5000] });
    const large = await next().answered;
    expect(large.body.partitions.map(({ recordsBytes }) => recordsBytes)).toStrictEqual([5000]);
  });

  test("waits for records, and brings them when they are written", async () => {
    const { next, begin, change, clock } = setUp(2);
    await begin();
    const pending = next();
    await clock.advance(60);
    expect(pending.atMs).toBe(-1);
    change(1, { batches: [10] });
    expect((await pending.answered).body.partitions.length).toBe(1);
    expect(pending.atMs).toBe(120);
  });

  test("waits for as many bytes as asked for, and no longer than asked", async () => {
    const { next, begin, change, clock } = setUp(1);
    await begin();
    const pending = next({ minBytes: 100 });
    await settled();
    change(0, { batches: [60] });
    await clock.advance(200);
    expect(pending.atMs).toBe(-1);
    change(0, { batches: [60, 60] });
    await settled();
    expect(pending.atMs).toBe(260);
    const short = next({ minBytes: 1000 });
    await clock.advance(505);
    const { body } = await short.answered;
    expect(body.partitions[0]?.recordsBytes).toBe(120);
  });

  test("comes at once with a refusal", async () => {
    const { begin, next, change, clock } = setUp(2);
    await begin();
    change(0, { error: "FENCED_LEADER_EPOCH" });
    const { body } = await next().answered;
    expect(body.partitions.map(({ error }) => error)).toStrictEqual(["FENCED_LEADER_EPOCH"]);
    expect(clock.monotonicMs()).toBe(60);
  });

  test("comes at once where nobody leads", async () => {
    const { fetch, named, clock } = setUp(1);
    const { body } = await fetch({ partitions: [named(7)] }).answered;
    const nowhere = { leaderEpoch: -1, highWatermark: -1, logStartOffset: -1, diverging: null, epochs: [], recordsBytes: 0 };
    expect(body.partitions).toStrictEqual([{ topicId, partition: 7, error: "UNKNOWN_TOPIC_ID", ...nowhere }]);
    expect(clock.monotonicMs()).toBe(0);
  });

  test("that is only about a high watermark waits a little for records to travel with", async () => {
    const { next, begin, change, clock } = setUp(2);
    await begin();
    const pending = next();
    await clock.advance(100);
    change(0, { highWatermark: 7 });
    await settled();
    await clock.advance(highWatermarkDelayMs - 1);
    expect(pending.atMs).toBe(-1);
    await clock.advance(10);
    expect((await pending.answered).body.partitions.map(({ partition, highWatermark }) => [partition, highWatermark])).toStrictEqual([
      [0, 7],
    ]);
    const after = next();
    await clock.advance(300);
    expect(after.atMs, "told and heard, it is no news").toBe(-1);
  });

  test("does not wait where consumers read from the follower", async () => {
    const { next, begin, change, clock } = setUp(2);
    await begin();
    const pending = next({ hasReaders: true });
    await clock.advance(100);
    change(0, { highWatermark: 7 });
    await settled();
    expect(pending.atMs).toBe(clock.monotonicMs());
    expect((await pending.answered).body.partitions.map(({ highWatermark }) => highWatermark)).toStrictEqual([7]);
  });

  test("is repeated when the follower has not heard it", async () => {
    const { next, begin, change, clock } = setUp(1);
    await begin();
    const lost = next();
    change(0, { highWatermark: 7 });
    await settled();
    await clock.advance(highWatermarkDelayMs + 10);
    expect((await lost.answered).body.partitions.length).toBe(1);
    const again = next({ isLastHeard: false });
    await settled();
    await clock.advance(highWatermarkDelayMs + 10);
    expect((await again.answered).body.partitions.map(({ highWatermark }) => highWatermark)).toStrictEqual([7]);
  });

  test("at the end of the wait has nothing of partitions in which nothing happened", async () => {
    const { next, begin, clock } = setUp(3);
    await begin();
    const pending = next();
    await clock.advance(505);
    expect((await pending.answered).body.partitions).toStrictEqual([]);
  });

  test("brings the partitions in turn when it is full", async () => {
    const { begin, next, led, change } = setUp(4);
    await begin();
    for (const partition of led.keys()) change(partition, { batches: [900, 900] });
    const answered = async () => (await next().answered).body.partitions.map(({ partition }) => partition);
    expect(await answered()).toStrictEqual([0, 1]);
    expect(await answered()).toStrictEqual([2, 3]);
    expect(await answered()).toStrictEqual([0, 1]);
  });

  test("does not wait longer than this broker allows", async () => {
    const { begin, next, clock } = setUp(1);
    await begin();
    const pending = next({ maxWaitMs: 2 ** 31 - 1 });
    await clock.advance(505);
    expect(pending.atMs >= 560).toBe(true);
  });
});

describe("a session", () => {
  test("acknowledges again what is not at rest, and nothing else", async () => {
    const { next, begin, change, named, calls, clock } = setUp(3);
    await begin();
    change(1, { isSteady: false });
    const first = next({ partitions: [named(2, 5)] });
    await clock.advance(505);
    await first.answered;
    expect(calls.toSorted()).toStrictEqual(["1 at 0", "2 at 5"]);
    calls.length = 0;
    change(1, { isSteady: true });
    next();
    await settled();
    expect(calls, "it came to rest meanwhile, and this is the last time").toStrictEqual(["1 at 0"]);
    next();
    await settled();
    expect(calls).toStrictEqual(["1 at 0"]);
  });

  test("speaks no more for what is left out, as of its last request", async () => {
    const { next, begin, change, calls, clock } = setUp(2);
    await begin();
    next();
    await clock.advance(40);
    next({ forgotten: [{ topicId, partition: 0 }] });
    expect(calls).toStrictEqual(["end, last at 60 ms"]);
    change(0, { isSteady: false });
    next();
    await settled();
    expect(calls, "it is not acknowledged again").toStrictEqual(["end, last at 60 ms"]);
  });

  test("tells again of what is left out and named again", async () => {
    const { next, begin, named, clock } = setUp(1);
    await begin();
    const again = next({ forgotten: [{ topicId, partition: 0 }], partitions: [named(0)] });
    await clock.advance(highWatermarkDelayMs + 10);
    expect((await again.answered).body.partitions.length).toBe(1);
  });

  test("gives a request up when the next one comes: that one gets what was found", async () => {
    const { next, begin, change, clock } = setUp(1);
    await begin();
    const first = next();
    await settled();
    const second = next();
    change(0, { batches: [10] });
    await settled();
    expect((await first.answered).body).toStrictEqual({ error: "NONE", message: "", partitions: [] });
    expect((await second.answered).body.partitions.map(({ recordsBytes }) => recordsBytes)).toStrictEqual([10]);
    expect(clock.monotonicMs()).toBe(60);
  });

  test("takes no request twice, and none out of order", async () => {
    const { fetch, next, begin, named, calls } = setUp(1);
    await begin();
    const refused = async (sequence: number) => {
      const { body } = await fetch({ session: { id: 1, sequence, isLastHeard: true }, partitions: [named(0, 9)] }).answered;
      return body.error;
    };
    next();
    expect(await refused(2)).toBe("INVALID_FETCH_SESSION_EPOCH");
    expect(await refused(4)).toBe("INVALID_FETCH_SESSION_EPOCH");
    expect(await refused(0)).toBe("INVALID_FETCH_SESSION_EPOCH");
    expect(calls).toStrictEqual([]);
    next();
    await settled();
    expect(calls, "the session is not disturbed").toStrictEqual([]);
  });

  test("is replaced by a newer one only", async () => {
    const { fetch, next, begin, calls } = setUp(1);
    await begin();
    const waiting = next();
    fetch();
    expect((await waiting.answered).body.partitions).toStrictEqual([]);
    expect(calls).toStrictEqual(["end, last at 60 ms", "0 at 0"]);
    const late = await fetch({ session: { id: 1, sequence: 0, isLastHeard: true } }).answered;
    expect(late.body.error).toBe("FETCH_SESSION_ID_NOT_FOUND");
    const older = await fetch({ session: { id: 1, sequence: 2, isLastHeard: true } }).answered;
    expect(older.body.error).toBe("FETCH_SESSION_ID_NOT_FOUND");
    expect(calls).toStrictEqual(["end, last at 60 ms", "0 at 0"]);
  });

  test("is of one registration", async () => {
    const { fetch, next, begin, calls, register } = setUp(1);
    await begin();
    register(8);
    expect((await next().answered).body.error).toBe("STALE_BROKER_EPOCH");
    expect((await fetch({ brokerEpoch: 9 }).answered).body.error).toBe("STALE_BROKER_EPOCH");
    register(null);
    expect((await next().answered).body.error).toBe("BROKER_ID_NOT_REGISTERED");
    expect(calls).toStrictEqual([]);
    register(8);
    const next8 = { session: { id: 1, sequence: 2, isLastHeard: true }, brokerEpoch: 8 };
    expect((await fetch(next8).answered).body.error).toBe("FETCH_SESSION_ID_NOT_FOUND");
    fetch({ session: { id: 1, sequence: 0, isLastHeard: true }, brokerEpoch: 8 });
    expect(calls, "numbers begin anew with each registration").toStrictEqual(["end, last at 60 ms", "0 at 0"]);
  });

  test("takes no more memory than its partitions may, however many a follower names", async () => {
    const { next, begin, named, calls } = setUp(4);
    await begin();
    const many = Array.from({ length: 7 }, (_, at) => named(100 + at));
    expect((await next({ partitions: many }).answered).body.error).toBe("POLICY_VIOLATION");
    expect(calls.length, "all that it spoke for is over").toBe(4);
    expect((await next().answered).body.error).toBe("FETCH_SESSION_ID_NOT_FOUND");
  });

  test("is unknown to a leader that has restarted", async () => {
    const { next } = setUp(1);
    next();
    expect((await next().answered).body.error).toBe("FETCH_SESSION_ID_NOT_FOUND");
  });
});
