import { expect, test } from "vitest";
import { positionIn } from "../../../../broker/partition/log-position.ts";
import { encodeBatch } from "../../../../protocol/records/encode-batch.ts";
import { startLog, startStore, topicId } from "../log-fixture.ts";
import { compacted } from "./compaction-fixture.ts";

const batch = (baseOffset: number, leaderEpoch: number) =>
  encodeBatch([{ key: Buffer.from("k"), value: Buffer.from("v"), timestampMs: 1 }], { baseOffset, leaderEpoch });

test("a replica copied from a compacted log knows where each epoch began, also one whose first records, or all, are gone", async () => {
  const { log, store, disk } = await startLog(compacted);
  // at the leader: epoch 0 up to 10, epoch 1 up to 14, epoch 2 from there on; all that is left are 7 and 18
  const leaders = [
    { epoch: 0, startOffset: 0 },
    { epoch: 1, startOffset: 10 },
    { epoch: 2, startOffset: 14 },
  ];
  expect(log.appendAsFollower(batch(7, 0), leaders)).toBeTruthy();
  expect(log.appendAsFollower(batch(18, 2), leaders.slice(1))).toBeTruthy();
  await log.written(19);
  await log.flush();
  expect(log.epochsFrom(0)).toStrictEqual(leaders);
  // who has 10 to 14 of epoch 0, which were never committed, is told to cut them
  expect(positionIn(log, 15, 0)).toStrictEqual({ kind: "diverging", epoch: 0, endOffset: 10 });
  // who has the records of epoch 1 keeps them
  expect(positionIn(log, 14, 1)).toStrictEqual({ kind: "agrees" });
  expect(positionIn(log, 15, 1)).toStrictEqual({ kind: "diverging", epoch: 1, endOffset: 14 });
  await store.close();
  const again = await startStore(disk);
  expect((await again.store.open("t", 0, topicId, compacted)).epochsFrom(0), "after a restart").toStrictEqual(leaders);
});
