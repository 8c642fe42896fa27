import { deepStrictEqual, strictEqual } from "node:assert";
import { describe, test } from "vitest";
import type { ReplicaFetchPartition } from "../../../protocol/peer/messages.ts";
import { fieldAt, maxTimestampAt, sealBatch } from "../../../protocol/records/batch-header.ts";
import { producedBatch } from "../../support/memory-log.ts";
import { settled } from "../network/manual-clock.ts";

import { follower, followerFetch, ref, setUp, topicId } from "./partition-fixture.ts";

describe("append", () => {
  test("refuses what is not one sound batch, with nothing appended", async () => {
    const { append, log } = await setUp({ maxMessageBytes: 100 });
    const damaged = producedBatch();
    damaged.writeUInt8(0x79, damaged.length - 1);
    const control = producedBatch();
    control.writeInt16BE(0x20, fieldAt.attributes);
    sealBatch(control, 0, control.length);
    strictEqual((await append(damaged)).error, "CORRUPT_MESSAGE");
    strictEqual((await append(producedBatch(60))).error, "MESSAGE_TOO_LARGE");
    strictEqual((await append(Buffer.concat([producedBatch(), producedBatch()]))).error, "INVALID_RECORD");
    strictEqual((await append(Buffer.alloc(0))).error, "INVALID_RECORD");
    strictEqual((await append(control)).error, "INVALID_RECORD");
    strictEqual(log.endOffset, 0);
  });

  test("assigns offsets in the order of the calls, within the caller's turn", async () => {
    const { append, log } = await setUp();
    const both = [append(producedBatch(3)), append(producedBatch(2))];
    strictEqual(log.endOffset, 5);
    deepStrictEqual(await Promise.all(both), [
      { error: null, baseOffset: 0, logAppendTimeMs: -1, logStartOffset: 0 },
      { error: null, baseOffset: 3, logAppendTimeMs: -1, logStartOffset: 0 },
    ]);
  });

  test("under LogAppendTime the broker's clock counts", async () => {
    const { clock, append, log, read } = await setUp({ messageTimestampType: "LogAppendTime" });
    await clock.advance(7777);
    const appended = await append(producedBatch(1, "x", 12));
    strictEqual(appended.error === null && appended.logAppendTimeMs, 7777);
    const { chunks } = { chunks: [] as readonly Buffer[], ...(await read(0)) };
    strictEqual(maxTimestampAt(Buffer.concat(chunks), 0), 7777);
    strictEqual(log.endOffset, 1);
  });

  test("with acks=1 answers when it is written, not before", async () => {
    const { append, log } = await setUp();
    log.isHeld = true;
    let answered = false;
    const appending = append().then((outcome) => {
      answered = true;
      return outcome;
    });
    await settled();
    strictEqual(answered, false);
    log.release();
    strictEqual((await appending).error, null);
  });

  test("with acks=all a time-out is not answered before the records left the queue: until then their bytes must count", async () => {
    const { clock, append, log } = await setUp({}, { isr: [1, 2] });
    log.isHeld = true;
    let answered = false;
    const appending = append(producedBatch(), -1).then((outcome) => {
      answered = true;
      return outcome;
    });
    await clock.advance(1100);
    strictEqual(answered, false);
    log.release();
    strictEqual((await appending).error, "REQUEST_TIMED_OUT");
  });

  test("with acks=1 is not acknowledged when the leadership went before it was written", async () => {
    const { append, log, assign } = await setUp();
    log.isHeld = true;
    const appending = append();
    const assigning = assign({ leader: 2, leaderEpoch: 6 });
    await settled();
    log.release();
    strictEqual((await appending).error, "NOT_LEADER_OR_FOLLOWER");
    await assigning;
  });

  test("more waiting appends than allowed are refused before anything is appended", async () => {
    const { append, log } = await setUp({}, { isr: [1, 2] });
    const waiting = [1, 2, 3].map(() => append(producedBatch(), -1));
    strictEqual((await append(producedBatch(), -1)).error, "NOT_ENOUGH_REPLICAS");
    strictEqual(log.endOffset, 3);
    strictEqual(waiting.length, 3);
  });

  test("to a partition that is not here, or not led here", async () => {
    const { service, assign, append } = await setUp();
    const nowhere = await service.append({ topic: "u", partition: 0 }, producedBatch(), { acks: 1, timeoutMs: 1 });
    strictEqual(nowhere.error, "NOT_LEADER_OR_FOLLOWER");
    await assign({ leader: 2, leaderEpoch: 6 });
    strictEqual((await append()).error, "NOT_LEADER_OR_FOLLOWER");
  });
});

describe("a consumer", () => {
  test("sees nothing above the high watermark (I6), though it may wait there", async () => {
    const { append, read, replicas } = await setUp({}, { isr: [1, 2] });
    await append(producedBatch(2, "a"));
    await append(producedBatch(2, "b"));
    const before = await read(0);
    strictEqual(before.error === null && before.sizeInBytes, 0);
    strictEqual(replicas.acknowledge(follower, followerFetch(2)).answer.error, "NONE");
    const after = await read(0);
    strictEqual(after.error === null && after.highWatermark, 2);
    strictEqual(after.error === null && after.sizeInBytes, producedBatch(2).length);
    const above = await read(4);
    strictEqual(above.error === null && above.sizeInBytes, 0);
    strictEqual((await read(5)).error, "OFFSET_OUT_OF_RANGE");
  });

  test("without a proved session does not say that an offset is not in the log: another leader may have it by now", async () => {
    const { append, read, session } = await setUp();
    await append();
    session.provedUntilMs = 0;
    strictEqual((await read(5)).error, "NOT_LEADER_OR_FOLLOWER");
    strictEqual((await read(0)).error, null);
  });

  test("below the log start is out of range", async () => {
    const { append, read, log } = await setUp();
    await append();
    await append();
    log.deleteBelow(1);
    strictEqual((await read(0)).error, "OFFSET_OUT_OF_RANGE");
    strictEqual((await read(1)).error, null);
  });

  test("with another leader epoch than ours is told so", async () => {
    const { read, service } = await setUp();
    strictEqual((await read(0, { currentLeaderEpoch: 4 })).error, "FENCED_LEADER_EPOCH");
    strictEqual((await read(0, { currentLeaderEpoch: 6 })).error, "UNKNOWN_LEADER_EPOCH");
    strictEqual((await read(0, { currentLeaderEpoch: 5 })).error, null);
    strictEqual((await service.listOffset(ref, { kind: "latest" }, 4)).error, "FENCED_LEADER_EPOCH");
    strictEqual(service.endOffsetForEpoch(ref, 6, 5).error, "UNKNOWN_LEADER_EPOCH");
  });

  test("whose last record is not ours is told where it diverges", async () => {
    const { append, read, assign } = await setUp();
    await append(producedBatch(3));
    await assign({ leaderEpoch: 8 });
    await append(producedBatch(2));
    const told = await read(5, { lastFetchedEpoch: 7 });
    deepStrictEqual(told.error === null && told.diverging, { epoch: 5, endOffset: 3 });
    const fine = await read(3, { lastFetchedEpoch: 5 });
    strictEqual(fine.error === null && fine.diverging, null);
  });

  test("waits for a commit, not for mere writes", async () => {
    const { append, table, replicas, clock } = await setUp({}, { isr: [1, 2] });
    let woken = false;
    void table.changed([ref], clock.monotonicMs() + 500).then(() => {
      woken = true;
    });
    await append();
    await settled();
    strictEqual(woken, false);
    replicas.acknowledge(follower, followerFetch(1));
    await settled();
    strictEqual(woken, true);
  });
});

describe("ListOffsets", () => {
  test("answers first, last and by time, below the high watermark only", async () => {
    const { append, service, replicas } = await setUp({}, { isr: [1, 2] });
    await append(producedBatch(1, "a", 100));
    await append(producedBatch(1, "b", 300));
    await append(producedBatch(1, "c", 900));
    replicas.acknowledge(follower, followerFetch(2));
    const list = async (target: Parameters<typeof service.listOffset>[1]) => {
      const found = await service.listOffset(ref, target, -1);
      return found.error ?? [found.offset, found.timestampMs, found.leaderEpoch];
    };
    deepStrictEqual(await list({ kind: "earliest" }), [0, -1, 5]);
    deepStrictEqual(await list({ kind: "latest" }), [2, -1, 5]);
    deepStrictEqual(await list({ kind: "timestamp", timestampMs: 200 }), [1, 300, 5]);
    deepStrictEqual(await list({ kind: "timestamp", timestampMs: 800 }), [-1, -1, -1]);
  });

  test("the first record of an empty log will be of the leader's epoch", async () => {
    const { service, assign } = await setUp();
    const first = async () => {
      const found = await service.listOffset(ref, { kind: "earliest" }, -1);
      return found.error ?? [found.offset, found.leaderEpoch];
    };
    deepStrictEqual(await first(), [0, 5]);
    await assign({ leaderEpoch: 6 });
    deepStrictEqual(await first(), [0, 6]);
  });

  test("after an election cannot say where the end is until the high watermark has caught up (KIP-207)", async () => {
    const { append, service, replicas, assign } = await setUp({}, { isr: [1, 2] });
    await append(producedBatch(1, "a", 100));
    await assign({ leaderEpoch: 6, isr: [1, 2] });
    strictEqual((await service.listOffset(ref, { kind: "latest" }, -1)).error, "OFFSET_NOT_AVAILABLE");
    strictEqual((await service.listOffset(ref, { kind: "timestamp", timestampMs: 50 }, -1)).error, "OFFSET_NOT_AVAILABLE");
    replicas.acknowledge(follower, followerFetch(1, { leaderEpoch: 6 }));
    strictEqual((await service.listOffset(ref, { kind: "latest" }, -1)).error, null);
  });

  test("the end of an epoch is where the next begins", async () => {
    const { append, service, assign } = await setUp();
    await append(producedBatch(3));
    await assign({ leaderEpoch: 8 });
    await append(producedBatch(2));
    deepStrictEqual(service.endOffsetForEpoch(ref, -1, 6), { error: null, epoch: 5, endOffset: 3 });
    deepStrictEqual(service.endOffsetForEpoch(ref, -1, 8), { error: null, epoch: 8, endOffset: 5 });
    deepStrictEqual(service.endOffsetForEpoch(ref, -1, 9), { error: null, epoch: -1, endOffset: -1 });
    deepStrictEqual(service.endOffsetForEpoch(ref, -1, 4), { error: null, epoch: -1, endOffset: -1 });
  });
});

describe("a follower's fetch", () => {
  test("is refused in another epoch, from an earlier life, and from a broker that has no replica", async () => {
    const { replicas, table } = await setUp();
    const ask = (from: Partial<typeof follower>, asked: Partial<ReplicaFetchPartition>) =>
      replicas.acknowledge({ ...follower, ...from }, followerFetch(0, asked)).answer.error;
    strictEqual(ask({}, { leaderEpoch: 4 }), "FENCED_LEADER_EPOCH");
    strictEqual(ask({}, { leaderEpoch: 6 }), "UNKNOWN_LEADER_EPOCH");
    strictEqual(ask({ brokerEpoch: 99 }, {}), "STALE_BROKER_EPOCH");
    strictEqual(ask({ brokerEpoch: 2 ** 53 - 1 }, {}), "STALE_BROKER_EPOCH", "one that is not registered yet, or never will be");
    strictEqual(ask({ brokerEpoch: 102 }, {}), "NONE", "and the registered one goes on acknowledging");
    strictEqual(ask({ brokerId: 9 }, {}), "REPLICA_NOT_AVAILABLE");
    strictEqual(table.leaderOf(topicId, 4), "UNKNOWN_TOPIC_ID");
    strictEqual(ask({}, {}), "NONE");
  });

  test("from a diverging log acknowledges nothing", async () => {
    const { replicas, append, table } = await setUp({}, { isr: [1, 2] });
    await append(producedBatch(3));
    const told = replicas.acknowledge(follower, followerFetch(3, { lastFetchedEpoch: 4 }));
    deepStrictEqual(told.answer.diverging, { epoch: -1, endOffset: 0 });
    strictEqual(table.find(ref)?.highWatermark, 0);
    const tooFar = replicas.acknowledge(follower, followerFetch(9, { lastFetchedEpoch: -1 }));
    strictEqual(tooFar.answer.error, "OFFSET_OUT_OF_RANGE");
    deepStrictEqual(tooFar.answer.diverging, { epoch: -1, endOffset: 3 });
  });

  test("does not get what is queued but not written", async () => {
    const { replicas, append, log } = await setUp();
    log.isHeld = true;
    void append();
    strictEqual(replicas.acknowledge(follower, followerFetch(0)).isReadable, false);
    log.release();
    strictEqual(replicas.acknowledge(follower, followerFetch(0)).isReadable, true);
  });

  test("that waits, and may have been given up, says nothing about where the follower is now", async () => {
    const { replicas, append, table } = await setUp({}, { isr: [1, 2] });
    replicas.acknowledge(follower, followerFetch(0));
    await append(producedBatch(3));
    replicas.acknowledge(follower, followerFetch(3));
    strictEqual(replicas.lookAgain(follower, followerFetch(0)).isReadable, true);
    const leadership = table.find(ref)?.leader();
    if (typeof leadership !== "object") throw new Error("not leading");
    strictEqual(leadership.state.followers.get(2)?.fetchOffset, 3);
    strictEqual(leadership.state.change.kind, "settled");
  });

  test("brings where the epochs of the records began, unless it is that of the follower's last record", async () => {
    const { replicas, append } = await setUp();
    await append();
    const told = async (lastFetchedEpoch: number) =>
      (await replicas.readForReplica(followerFetch(0, { lastFetchedEpoch }), 1e6, true)).answer.epochs;
    deepStrictEqual(await told(-1), [{ epoch: 5, startOffset: 0 }]);
    deepStrictEqual(await told(5), []);
  });

  test("that was read while the epoch rose brings nothing", async () => {
    const { replicas, append, assign } = await setUp();
    await append();
    const reading = replicas.readForReplica(followerFetch(0), 1e6, true);
    void assign({ leaderEpoch: 6 });
    strictEqual((await reading).answer.error, "FENCED_LEADER_EPOCH");
    const readingOn = replicas.readForReplica(followerFetch(0, { leaderEpoch: 6 }), 1e6, true);
    void assign({ leader: 2, leaderEpoch: 7 });
    strictEqual((await readingOn).answer.error, "NOT_LEADER_OR_FOLLOWER");
  });
});

describe("assignments", () => {
  test("of an older epoch are ignored", async () => {
    const { assign, append, table } = await setUp();
    await append();
    await assign({ leader: 2, leaderEpoch: 4 });
    strictEqual(table.find(ref)?.role, "leading");
  });

  test("that name us leader outside the in-sync set are not obeyed", async () => {
    const { assign, table } = await setUp();
    await assign({ leaderEpoch: 6, isr: [2] });
    strictEqual(table.find(ref)?.role, "none");
  });

  test("without a leader end the leadership", async () => {
    const { assign, table, append } = await setUp();
    await assign({ leader: -1, leaderEpoch: 6 });
    strictEqual(table.find(ref)?.role, "none");
    strictEqual((await append()).error, "NOT_LEADER_OR_FOLLOWER");
  });

  test("of an older epoch than the log's last record has are not led: a batch was changed on the disk", async () => {
    const { assign, table, log, health } = await setUp();
    await assign({ leader: 2, leaderEpoch: 6 });
    const batch = producedBatch();
    batch.writeInt32BE(2 ** 30, fieldAt.partitionLeaderEpoch);
    strictEqual(log.appendAsFollower(batch), true);
    await assign({ leaderEpoch: 7 });
    strictEqual(table.find(ref)?.role, "unfit");
    strictEqual(log.endOffset, 1, "it is left to the operator");
    deepStrictEqual(health, ["offline"], "others may lead");
    await assign({ leaderEpoch: 7, stateVersion: 9 });
    await assign({ leader: -1, leaderEpoch: 8 });
    deepStrictEqual(health, ["offline"], "it is not to be named again");
    await assign({ leader: 2, leaderEpoch: 9 });
    strictEqual(table.find(ref)?.role, "following");
    deepStrictEqual(health, ["offline", "usable"]);
  });

  test("that bring a newer in-sync set of the same epoch are taken note of", async () => {
    const { assign, table } = await setUp();
    const leadership = table.find(ref)?.leader();
    await assign({ isr: [1, 2], stateVersion: 9 });
    deepStrictEqual(typeof leadership === "object" && leadership.state.isr, new Set([1, 2]));
    await assign({ isr: [1], stateVersion: 8 });
    deepStrictEqual(typeof leadership === "object" && leadership.state.isr, new Set([1, 2]));
  });

  test("tell listeners who lead and who no longer do", async () => {
    const { assign, table } = await setUp();
    const heard: (number | null)[] = [];
    table.onLeadershipChanged((_ref, epoch) => heard.push(epoch));
    await assign({ leaderEpoch: 6 });
    await assign({ leader: 2, leaderEpoch: 7 });
    deepStrictEqual(heard, [6, null]);
  });

  test("under way when everything stands down are not carried on", async () => {
    const { assign, table, log, append } = await setUp();
    log.isHeld = true;
    void append();
    const assigning = assign({ leader: 2, leaderEpoch: 6 });
    await settled();
    table.standDown();
    log.release();
    await assigning;
    strictEqual(table.find(ref)?.role, "none");
  });
});
