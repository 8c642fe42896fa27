import { deepStrictEqual, ok, strictEqual, throws } from "node:assert";
import { describe, test } from "vitest";
import { LogHealth } from "../../../broker/log/files/log-health.ts";
import { openLog } from "../../../broker/log/opening/open-log.ts";
import { logCaches } from "../../../broker/log/partition-log/log-caches.ts";
import { LogState } from "../../../broker/log/partition-log/log-state.ts";
import { createSegment } from "../../../broker/log/segment/segment-files.ts";
import { InvariantViolation } from "../../../protocol/base/invariant.ts";
import { silentLogger } from "../../../protocol/base/logger.ts";
import { seededRandom } from "../../../protocol/base/random.ts";
import { readBatchInfo } from "../../../protocol/records/batch-header.ts";
import { encodeBatch } from "../../../protocol/records/encode-batch.ts";
import { MemoryDisk } from "../../support/memory-files.ts";
import { StillClock, settingsWith } from "./log-fixture.ts";

/** An empty log that begins at 10, and what its next segments are made with. */
async function emptyLog() {
  const clock = new StillClock();
  const files = new MemoryDisk({ clock, random: seededRandom(1) }).attach();
  const caches = logCaches(files, {});
  const io = { files, openFiles: caches.openFiles, indexes: caches.indexes, logger: silentLogger };
  await files.makeDirectory("/log");
  const opened = await openLog({ ...io, clock, producers: caches.producers }, "/log", { startOffset: 10, recoveryPoint: 0 });
  const directory = {
    health: new LogHealth("/"),
    checkpoints: { write: async () => {}, due: () => {} },
    removedFiles: { removeLater() {} },
  };
  const state = new LogState({ directory: directory as never, io, tails: caches.tails }, settingsWith(), opened);
  return { state, clock, segmentAt: (baseOffset: number) => createSegment(io, "/log", baseOffset) };
}

function batchAt(baseOffset: number) {
  const bytes = encodeBatch([{ key: null, value: Buffer.from("v"), headers: [], timestampMs: 5 }], { baseOffset, leaderEpoch: 0 });
  return readBatchInfo(bytes, 0)!;
}

/** Records from 10 up to `endOffset`, all of them written. */
async function logUpTo(endOffset: number) {
  const log = await emptyLog();
  for (let offset = 10; offset < endOffset; offset++) log.state.assigned(batchAt(offset));
  log.state.handedOver(endOffset);
  log.state.written(endOffset);
  return log;
}

const offsetsOf = ({ startOffset, recoveryPoint, writtenEndOffset, handedOverEndOffset, endOffset }: LogState) => [
  startOffset,
  recoveryPoint,
  writtenEndOffset,
  handedOverEndOffset,
  endOffset,
];

describe("a log's state", () => {
  test("takes an append through assigned, handed over, written and flushed, in that order only", async () => {
    const { state } = await emptyLog();
    throws(() => state.assigned(batchAt(9)), InvariantViolation, "below the end");
    for (const offset of [10, 11, 12]) state.assigned(batchAt(offset));
    deepStrictEqual(offsetsOf(state), [10, 10, 10, 10, 13]);
    throws(() => state.handedOver(14), InvariantViolation, "never assigned");
    throws(() => state.written(11), InvariantViolation, "the operating system does not have it");
    state.handedOver(13);
    throws(() => state.startAt(11), InvariantViolation, "not written yet");
    state.written(12);
    throws(() => state.written(12), InvariantViolation, "the written end only rises");
    state.flushed(13);
    throws(() => state.flushed(12), InvariantViolation, "the recovery point falls by a cut only");
    deepStrictEqual(offsetsOf(state), [10, 13, 12, 13, 13]);
  });

  test("has one segment that grows, the last", async () => {
    const { state, clock, segmentAt } = await logUpTo(13);
    const first = state.last;
    await first.writable.offsets.store({} as never, { sync: false });
    state.assignedSegment(13, clock.nowMs());
    state.rolled(await segmentAt(13));
    strictEqual(first.growing, null);
    strictEqual(state.last.baseOffset, 13);
    throws(() => state.replaceSegments(1, 1), InvariantViolation, "the growing one stays");
    const [generation, departures] = [state.generation, state.departures];
    state.startAt(13);
    deepStrictEqual(state.replaceSegments(0, 1), [first]);
    ok(state.generation > generation && state.departures > departures && state.removalsUnsynced, "readers can tell");
    throws(() => state.assignedSegment(12, 0), InvariantViolation, "segments rise");
  });

  test("says whether a cut lowered what the checkpoints have", async () => {
    const { state } = await logUpTo(20);
    ok(!state.cutTo(18), "nothing was flushed");
    state.flushed(15);
    ok(state.cutTo(14), "the recovery point was above");
    deepStrictEqual(offsetsOf(state), [10, 14, 14, 14, 14]);
    state.startAt(14);
    ok(state.cutTo(12), "the start was above");
    deepStrictEqual(offsetsOf(state), [12, 12, 12, 12, 12]);
  });

  test("is cut by one at a time, and reads of before can tell", async () => {
    const { state } = await logUpTo(20);
    const { generation, cuts } = state;
    state.cutBegun(Promise.resolve());
    throws(() => state.cutBegun(Promise.resolve()), InvariantViolation);
    state.cutTo(15);
    state.cutOver();
    ok(state.truncating === null && state.cuts === cuts + 1 && state.generation > generation);
  });

  test("goes on in one segment after it was emptied", async () => {
    const { state, segmentAt } = await logUpTo(20);
    state.flushed(20);
    state.restarting(5);
    strictEqual(state.recoveryPoint, 5);
    state.restartedIn(await segmentAt(5), 1);
    deepStrictEqual(offsetsOf(state), [5, 5, 5, 5, 5]);
    strictEqual(state.segments.length, 1);
  });
});
