import { describe, expect, test } from "vitest";
import { unwatchedPace } from "../../../broker/log/files/disk-pace.ts";
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
    remembering: { clock, rememberMs: 0 },
    pace: unwatchedPace,
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
    expect(() => state.assigned(batchAt(9)), "below the end").toThrow(InvariantViolation);
    for (const offset of [10, 11, 12]) state.assigned(batchAt(offset));
    expect(offsetsOf(state)).toStrictEqual([10, 10, 10, 10, 13]);
    expect(() => state.handedOver(14), "never assigned").toThrow(InvariantViolation);
    expect(() => state.written(11), "the operating system does not have it").toThrow(InvariantViolation);
    state.handedOver(13);
    expect(() => state.startAt(11), "not written yet").toThrow(InvariantViolation);
    state.written(12);
    expect(() => state.written(12), "the written end only rises").toThrow(InvariantViolation);
    state.flushed(13);
    expect(() => state.flushed(12), "the recovery point falls by a cut only").toThrow(InvariantViolation);
    expect(offsetsOf(state)).toStrictEqual([10, 13, 12, 13, 13]);
  });

  test("has one segment that grows, the last", async () => {
    const { state, clock, segmentAt } = await logUpTo(13);
    const first = state.last;
    await first.writable.offsets.store({} as never, { sync: false });
    state.assignedSegment(13, clock.nowMs());
    state.rolled(await segmentAt(13));
    expect(first.growing).toBeNull();
    expect(state.last.baseOffset).toBe(13);
    expect(() => state.replaceSegments(1, 1), "the growing one stays").toThrow(InvariantViolation);
    const [generation, departures] = [state.generation, state.departures];
    state.startAt(13);
    expect(state.replaceSegments(0, 1)).toStrictEqual([first]);
    expect(state.generation > generation && state.departures > departures && state.removalsUnsynced, "readers can tell").toBeTruthy();
    expect(() => state.assignedSegment(12, 0), "segments rise").toThrow(InvariantViolation);
  });

  test("says whether a cut lowered what the checkpoints have", async () => {
    const { state } = await logUpTo(20);
    expect(!state.cutTo(18), "nothing was flushed").toBeTruthy();
    state.flushed(15);
    expect(state.cutTo(14), "the recovery point was above").toBeTruthy();
    expect(offsetsOf(state)).toStrictEqual([10, 14, 14, 14, 14]);
    state.startAt(14);
    expect(state.cutTo(12), "the start was above").toBeTruthy();
    expect(offsetsOf(state)).toStrictEqual([12, 12, 12, 12, 12]);
  });

  test("is cut by one at a time, and reads of before can tell", async () => {
    const { state } = await logUpTo(20);
    const { generation, cuts } = state;
    state.cutBegun(Promise.resolve());
    expect(() => state.cutBegun(Promise.resolve())).toThrow(InvariantViolation);
    state.cutTo(15);
    state.cutOver();
    expect(state.truncating === null && state.cuts === cuts + 1 && state.generation > generation).toBeTruthy();
  });

  test("goes on in one segment after it was emptied", async () => {
    const { state, segmentAt } = await logUpTo(20);
    state.flushed(20);
    state.restarting(5);
    expect(state.recoveryPoint).toBe(5);
    state.restartedIn(await segmentAt(5), 1);
    expect(offsetsOf(state)).toStrictEqual([5, 5, 5, 5, 5]);
    expect(state.segments.length).toBe(1);
  });
});
