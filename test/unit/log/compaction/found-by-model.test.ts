import { describe, expect, test } from "vitest";
import { readOffsets, writeOffsets } from "../../../../broker/log/files/checkpoint-file.ts";
import { fileNames } from "../../../../broker/log/files/file-names.ts";
import type { SegmentedLog } from "../../../../broker/log/partition-log/segmented-log.ts";
import { dyingAt } from "../../../support/dying-disk.ts";
import { parsedBatch } from "../../../support/parsed-batch.ts";
import { root, startStore, topicId } from "../log-fixture.ts";
import { cleanerOf, compacted, keyedBatch, readKeyed } from "./compaction-fixture.ts";

describe("what the whole model found in compacted logs", () => {
  test("the largest timestamp is one of a record, not of a batch that compaction emptied", async () => {
    const { store, clock } = await startStore();
    const log = (await store.open("t", 0, topicId, { ...compacted, segmentBytes: 200 })) as SegmentedLog;
    const lead = async (key: string, timestampMs: number, sender = {}) => {
      expect(log.appendAsLeader(parsedBatch(keyedBatch([{ key, value: "x".repeat(100), timestampMs }], sender)), 0, 0).kind).toBe(
        "appended",
      );
      await log.written(log.endOffset);
    };
    await lead("a", 9000, { producerId: 1, baseSequence: 0 });
    await lead("b", 2000);
    await lead("a", 3000);
    await lead("c", 1000);
    await log.flush();
    expect(await cleanerOf(log, { clock }).cleanOne()).toBeTruthy();
    expect((await readKeyed(log)).map(({ offset }) => offset)).toStrictEqual([1, 2, 3]);
    expect(log.producerRows().length).toBe(1);
    expect(await log.findMaxTimestamp()).toStrictEqual({ offset: 2, timestampMs: 3000, leaderEpoch: 0 });
    await store.close();
  });

  test("a checkpoint of the cleaner from before a crash that took the log's end says nothing of what is appended there", async () => {
    const { disk, store, clock, files } = await startStore();
    const append = async (log: SegmentedLog) => {
      for (let i = 0; i < 10; i++) log.appendAsLeader(parsedBatch(keyedBatch([{ key: "k", value: `v${i}` }])), 0, 0);
      await log.written(log.endOffset);
    };
    await append((await store.open("t", 0, topicId, compacted)) as SegmentedLog);
    const path = `${root}/${fileNames.cleanedOffsets}`;
    await writeOffsets(files, path, new Map([["t-0", 15]]));
    disk.loseProcess();

    const again = await startStore(disk, {}, clock);
    const log = (await again.store.open("t", 0, topicId, compacted)) as SegmentedLog;
    expect(log.cleanedEndOffset).toBe(10);
    expect(await readOffsets(again.files, path), "before anything is appended").toStrictEqual(new Map([["t-0", 10]]));
    await append(log);
    disk.loseProcess();
    const third = await startStore(disk, {}, clock);
    expect(((await third.store.open("t", 0, topicId, compacted)) as SegmentedLog).cleanedEndOffset).toBe(10);
  });

  test("a start that goes back behind what was compacted takes how far compaction came along, wherever a crash comes between", async () => {
    for (let crashAt = 1, isOver = false; !isOver; crashAt++) {
      const { disk, store, clock } = await startStore();
      const log = (await store.open("t", 0, topicId, compacted)) as SegmentedLog;
      // the same key five times, deleted and so of no interest to compaction; then each another
      for (let i = 0; i < 10; i++) log.appendAsLeader(parsedBatch(keyedBatch([{ key: `k${Math.max(i, 4)}`, value: `v${i}` }])), 0, 0);
      await log.written(log.endOffset);
      await log.advanceStartOffset(5);
      await log.flush();
      expect(await cleanerOf(log, { clock }).cleanOne()).toBeTruthy();
      const { cleanedEndOffset } = log;
      expect(cleanedEndOffset > 5).toBeTruthy();
      isOver = !(await dyingAt(
        disk,
        crashAt,
        () => disk.loseProcess(),
        () => log.truncateFullyAndStartAt(0),
      ));
      if (isOver) disk.loseProcess();
      const again = (await (await startStore(disk, {}, clock)).store.open("t", 0, topicId, compacted)) as SegmentedLog;
      if (again.startOffset < 5) expect(again.cleanedEndOffset, `died at operation ${crashAt}: it begins at ${again.startOffset}`).toBe(0);
    }
  });
});
