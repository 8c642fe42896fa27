import { describe, expect, test } from "vitest";
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
    expect((await append(damaged)).error).toBe("CORRUPT_MESSAGE");
    expect((await append(producedBatch(60))).error).toBe("MESSAGE_TOO_LARGE");
    expect((await append(Buffer.concat([producedBatch(), producedBatch()]))).error).toBe("INVALID_RECORD");
    expect((await append(Buffer.alloc(0))).error).toBe("INVALID_RECORD");
    expect((await append(control)).error).toBe("INVALID_RECORD");
    expect(log.endOffset).toBe(0);
  });

  test("assigns offsets in the order of the calls, within the caller's turn", async () => {
    const { append, log } = await setUp();
    const both = [append(producedBatch(3)), append(producedBatch(2))];
    expect(log.endOffset).toBe(5);
    expect(await Promise.all(both)).toStrictEqual([
      { error: null, baseOffset: 0, logAppendTimeMs: -1, logStartOffset: 0 },
      { error: null, baseOffset: 3, logAppendTimeMs: -1, logStartOffset: 0 },
    ]);
  });

  test("under LogAppendTime the broker's clock counts", async () => {
    const { clock, append, log, read } = await setUp({ messageTimestampType: "LogAppendTime" });
    await clock.advance(7777);
    const appended = await append(producedBatch(1, "x", 12));
    expect(appended.error === null && appended.logAppendTimeMs).toBe(7777);
    const { chunks } = { chunks: [] as readonly Buffer[], ...(await read(0)) };
    expect(maxTimestampAt(Buffer.concat(chunks), 0)).toBe(7777);
    expect(log.endOffset).toBe(1);
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
    expect(answered).toBe(false);
    log.release();
    expect((await appending).error).toBeNull();
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
    expect(answered).toBe(false);
    log.release();
    expect((await appending).error).toBe("REQUEST_TIMED_OUT");
  });

  test("with acks=1 is not acknowledged when the leadership went before it was written", async () => {
    const { append, log, assign } = await setUp();
    log.isHeld = true;
    const appending = append();
    const assigning = assign({ leader: 2, leaderEpoch: 6 });
    await settled();
    log.release();
    expect((await appending).error).toBe("NOT_LEADER_OR_FOLLOWER");
    await assigning;
  });

  test("more waiting appends than allowed are refused before anything is appended", async () => {
    const { append, log } = await setUp({}, { isr: [1, 2] });
    const waiting = [1, 2, 3].map(() => append(producedBatch(), -1));
    expect((await append(producedBatch(), -1)).error).toBe("NOT_ENOUGH_REPLICAS");
    expect(log.endOffset).toBe(3);
    expect(waiting.length).toBe(3);
  });

  test("to a partition that is not here, or not led here", async () => {
    const { service, assign, append } = await setUp();
    const nowhere = await service.append({ topic: "u", partition: 0 }, producedBatch(), { acks: 1, timeoutMs: 1 });
    expect(nowhere.error).toBe("NOT_LEADER_OR_FOLLOWER");
    await assign({ leader: 2, leaderEpoch: 6 });
    expect((await append()).error).toBe("NOT_LEADER_OR_FOLLOWER");
  });
});

describe("a consumer", () => {
  test("sees nothing above the high watermark (I6), though it may wait there", async () => {
    const { append, read, replicas } = await setUp({}, { isr: [1, 2] });
    await append(producedBatch(2, "a"));
    await append(producedBatch(2, "b"));
    const before = await read(0);
    expect(before.error === null && before.sizeInBytes).toBe(0);
    expect(replicas.acknowledge(follower, followerFetch(2)).answer.error).toBe("NONE");
    const after = await read(0);
    expect(after.error === null && after.highWatermark).toBe(2);
    expect(after.error === null && after.sizeInBytes).toBe(producedBatch(2).length);
    const above = await read(4);
    expect(above.error === null && above.sizeInBytes).toBe(0);
    expect((await read(5)).error).toBe("OFFSET_OUT_OF_RANGE");
  });

  test("without a proved session does not say that an offset is not in the log: another leader may have it by now", async () => {
    const { append, read, session } = await setUp();
    await append();
    session.provedUntilMs = 0;
    expect((await read(5)).error).toBe("NOT_LEADER_OR_FOLLOWER");
    expect((await read(0)).error).toBeNull();
  });

  test("below the log start is out of range", async () => {
    const { append, read, log } = await setUp();
    await append();
    await append();
    log.deleteBelow(1);
    expect((await read(0)).error).toBe("OFFSET_OUT_OF_RANGE");
    expect((await read(1)).error).toBeNull();
  });

  test("with another leader epoch than ours is told so", async () => {
    const { read, service } = await setUp();
    expect((await read(0, { currentLeaderEpoch: 4 })).error).toBe("FENCED_LEADER_EPOCH");
    expect((await read(0, { currentLeaderEpoch: 6 })).error).toBe("UNKNOWN_LEADER_EPOCH");
    expect((await read(0, { currentLeaderEpoch: 5 })).error).toBeNull();
    expect((await service.listOffset(ref, { kind: "latest" }, 4)).error).toBe("FENCED_LEADER_EPOCH");
    expect(service.endOffsetForEpoch(ref, 6, 5).error).toBe("UNKNOWN_LEADER_EPOCH");
  });

  test("whose last record is not ours is told where it diverges", async () => {
    const { append, read, assign } = await setUp();
    await append(producedBatch(3));
    await assign({ leaderEpoch: 8 });
    await append(producedBatch(2));
    const told = await read(5, { lastFetchedEpoch: 7 });
    expect(told.error === null && told.diverging).toStrictEqual({ epoch: 5, endOffset: 3 });
    const fine = await read(3, { lastFetchedEpoch: 5 });
    expect(fine.error === null && fine.diverging).toBeNull();
  });

  test("whose last record is of an epoch before all of ours is out of range, as with Kafka", async () => {
    const { append, read, session } = await setUp();
    await append(producedBatch(3));
    expect((await read(2, { lastFetchedEpoch: 3 })).error).toBe("OFFSET_OUT_OF_RANGE");
    expect((await read(0, { lastFetchedEpoch: 3 })).error, "it has nothing of what we have").toBeNull();
    session.provedUntilMs = 0;
    expect((await read(2, { lastFetchedEpoch: 3 })).error).toBe("NOT_LEADER_OR_FOLLOWER");
  });

  test("waits for a commit, not for mere writes", async () => {
    const { append, table, replicas, clock } = await setUp({}, { isr: [1, 2] });
    let woken = false;
    void table.changed([ref], clock.monotonicMs() + 500).then(() => {
      woken = true;
    });
    await append();
    await settled();
    expect(woken).toBe(false);
    replicas.acknowledge(follower, followerFetch(1));
    await settled();
    expect(woken).toBe(true);
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
    expect(await list({ kind: "earliest" })).toStrictEqual([0, -1, 5]);
    expect(await list({ kind: "latest" })).toStrictEqual([2, -1, 5]);
    expect(await list({ kind: "timestamp", timestampMs: 200 })).toStrictEqual([1, 300, 5]);
    expect(await list({ kind: "timestamp", timestampMs: 800 })).toStrictEqual([-1, -1, -1]);
  });

  test("the first record of an empty log will be of the leader's epoch", async () => {
    const { service, assign } = await setUp();
    const first = async () => {
      const found = await service.listOffset(ref, { kind: "earliest" }, -1);
      return found.error ?? [found.offset, found.leaderEpoch];
    };
    expect(await first()).toStrictEqual([0, 5]);
    await assign({ leaderEpoch: 6 });
    expect(await first()).toStrictEqual([0, 6]);
  });

  test("after an election cannot say where the end is until the high watermark has caught up (KIP-207)", async () => {
    const { append, service, replicas, assign } = await setUp({}, { isr: [1, 2] });
    await append(producedBatch(1, "a", 100));
    await assign({ leaderEpoch: 6, isr: [1, 2] });
    expect((await service.listOffset(ref, { kind: "latest" }, -1)).error).toBe("OFFSET_NOT_AVAILABLE");
    expect((await service.listOffset(ref, { kind: "timestamp", timestampMs: 50 }, -1)).error).toBe("OFFSET_NOT_AVAILABLE");
    replicas.acknowledge(follower, followerFetch(1, { leaderEpoch: 6 }));
    expect((await service.listOffset(ref, { kind: "latest" }, -1)).error).toBeNull();
  });

  test("the end of an epoch is where the next begins", async () => {
    const { append, service, assign } = await setUp();
    await append(producedBatch(3));
    await assign({ leaderEpoch: 8 });
    await append(producedBatch(2));
    expect(service.endOffsetForEpoch(ref, -1, 6)).toStrictEqual({ error: null, epoch: 5, endOffset: 3 });
    expect(service.endOffsetForEpoch(ref, -1, 8)).toStrictEqual({ error: null, epoch: 8, endOffset: 5 });
    expect(service.endOffsetForEpoch(ref, -1, 9)).toStrictEqual({ error: null, epoch: -1, endOffset: -1 });
    expect(service.endOffsetForEpoch(ref, -1, 4)).toStrictEqual({ error: null, epoch: -1, endOffset: -1 });
  });
});

describe("a follower's fetch", () => {
  test("is refused in another epoch, from an earlier life, and from a broker that has no replica", async () => {
    const { replicas, table } = await setUp();
    const ask = (from: Partial<typeof follower>, asked: Partial<ReplicaFetchPartition>) =>
      replicas.acknowledge({ ...follower, ...from }, followerFetch(0, asked)).answer.error;
    expect(ask({}, { leaderEpoch: 4 })).toBe("FENCED_LEADER_EPOCH");
    expect(ask({}, { leaderEpoch: 6 })).toBe("UNKNOWN_LEADER_EPOCH");
    expect(ask({ brokerEpoch: 99 }, {})).toBe("STALE_BROKER_EPOCH");
    expect(ask({ brokerEpoch: 2 ** 53 - 1 }, {}), "one that is not registered yet, or never will be").toBe("STALE_BROKER_EPOCH");
    expect(ask({ brokerEpoch: 102 }, {}), "and the registered one goes on acknowledging").toBe("NONE");
    expect(ask({ brokerId: 9 }, {})).toBe("REPLICA_NOT_AVAILABLE");
    expect(table.leaderOf(topicId, 4)).toBe("UNKNOWN_TOPIC_ID");
    expect(ask({}, {})).toBe("NONE");
  });

  test("from a diverging log acknowledges nothing", async () => {
    const { replicas, append, table } = await setUp({}, { isr: [1, 2] });
    await append(producedBatch(3));
    const told = replicas.acknowledge(follower, followerFetch(3, { lastFetchedEpoch: 4 }));
    expect(told.answer.diverging).toStrictEqual({ epoch: -1, endOffset: 0 });
    expect(table.find(ref)?.highWatermark).toBe(0);
    const tooFar = replicas.acknowledge(follower, followerFetch(9, { lastFetchedEpoch: -1 }));
    expect(tooFar.answer.error).toBe("OFFSET_OUT_OF_RANGE");
    expect(tooFar.answer.diverging).toStrictEqual({ epoch: -1, endOffset: 3 });
  });

  test("does not get what is queued but not written", async () => {
    const { replicas, append, log } = await setUp();
    log.isHeld = true;
    void append();
    expect(replicas.acknowledge(follower, followerFetch(0)).isReadable).toBe(false);
    log.release();
    expect(replicas.acknowledge(follower, followerFetch(0)).isReadable).toBe(true);
  });

  test("that waits, and may have been given up, says nothing about where the follower is now", async () => {
    const { replicas, append, table } = await setUp({}, { isr: [1, 2] });
    replicas.acknowledge(follower, followerFetch(0));
    await append(producedBatch(3));
    replicas.acknowledge(follower, followerFetch(3));
    expect(replicas.lookAgain(follower, followerFetch(0)).isReadable).toBe(true);
    const leadership = table.find(ref)?.leader();
    if (typeof leadership !== "object") throw new Error("not leading");
    expect(leadership.state.followers.get(2)?.fetchOffset).toBe(3);
    expect(leadership.state.change.kind).toBe("settled");
  });

  test("brings where the epochs of the records began, unless it is that of the follower's last record", async () => {
    const { replicas, append } = await setUp();
    await append();
    const told = async (lastFetchedEpoch: number) =>
      (await replicas.readForReplica(followerFetch(0, { lastFetchedEpoch }), 1e6, true)).answer.epochs;
    expect(await told(-1)).toStrictEqual([{ epoch: 5, startOffset: 0 }]);
    expect(await told(5)).toStrictEqual([]);
  });

  test("that was read while the epoch rose brings nothing", async () => {
    const { replicas, append, assign } = await setUp();
    await append();
    const reading = replicas.readForReplica(followerFetch(0), 1e6, true);
    void assign({ leaderEpoch: 6 });
    expect((await reading).answer.error).toBe("FENCED_LEADER_EPOCH");
    const readingOn = replicas.readForReplica(followerFetch(0, { leaderEpoch: 6 }), 1e6, true);
    void assign({ leader: 2, leaderEpoch: 7 });
    expect((await readingOn).answer.error).toBe("NOT_LEADER_OR_FOLLOWER");
  });
});

describe("assignments", () => {
  test("of an older epoch are ignored", async () => {
    const { assign, append, table } = await setUp();
    await append();
    await assign({ leader: 2, leaderEpoch: 4 });
    expect(table.find(ref)?.role).toBe("leading");
  });

  test("that name us leader outside the in-sync set are not obeyed", async () => {
    const { assign, table } = await setUp();
    await assign({ leaderEpoch: 6, isr: [2] });
    expect(table.find(ref)?.role).toBe("none");
  });

  test("without a leader end the leadership", async () => {
    const { assign, table, append } = await setUp();
    await assign({ leader: -1, leaderEpoch: 6 });
    expect(table.find(ref)?.role).toBe("none");
    expect((await append()).error).toBe("NOT_LEADER_OR_FOLLOWER");
  });

  test("of an older epoch than the log's last record has are not led: a batch was changed on the disk", async () => {
    const { assign, table, log, health } = await setUp();
    await assign({ leader: 2, leaderEpoch: 6 });
    const batch = producedBatch();
    batch.writeInt32BE(2 ** 30, fieldAt.partitionLeaderEpoch);
    expect(log.appendAsFollower(batch)).toBe(true);
    await assign({ leaderEpoch: 7 });
    expect(table.find(ref)?.role).toBe("unfit");
    expect(log.endOffset, "it is left to the operator").toBe(1);
    expect(health, "others may lead").toStrictEqual(["offline"]);
    await assign({ leaderEpoch: 7, stateVersion: 9 });
    await assign({ leader: -1, leaderEpoch: 8 });
    expect(health, "it is not to be named again").toStrictEqual(["offline"]);
    await assign({ leader: 2, leaderEpoch: 9 });
    expect(table.find(ref)?.role).toBe("following");
    expect(health).toStrictEqual(["offline", "usable"]);
  });

  test("that bring a newer in-sync set of the same epoch are taken note of", async () => {
    const { assign, table } = await setUp();
    const leadership = table.find(ref)?.leader();
    await assign({ isr: [1, 2], stateVersion: 9 });
    expect(typeof leadership === "object" && leadership.state.isr).toStrictEqual(new Set([1, 2]));
    await assign({ isr: [1], stateVersion: 8 });
    expect(typeof leadership === "object" && leadership.state.isr).toStrictEqual(new Set([1, 2]));
  });

  test("tell listeners who lead and who no longer do", async () => {
    const { assign, table } = await setUp();
    const heard: (number | null)[] = [];
    table.onLeadershipChanged((_ref, epoch) => heard.push(epoch));
    await assign({ leaderEpoch: 6 });
    await assign({ leader: 2, leaderEpoch: 7 });
    expect(heard).toStrictEqual([6, null]);
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
    expect(table.find(ref)?.role).toBe("none");
  });
});
