import { expect, test } from "vitest";
import type { LogDirectories } from "../../../broker/log/directories/log-directories.ts";
import { openLogDirectories } from "../../../broker/log/directories/open-directories.ts";
import type { Log } from "../../../broker/log/log-contract.ts";
import { silentLogger } from "../../../protocol/base/logger.ts";
import { seededRandom } from "../../../protocol/base/random.ts";
import { encodeBatch } from "../../../protocol/records/encode-batch.ts";
import { MemoryDisk } from "../../support/memory-files.ts";
import { lead, StillClock, settingsWith, topicId } from "./log-fixture.ts";

const directories = ["/disk1", "/disk2"];
const settings = settingsWith({ segmentBytes: 500 });

function open(disk: MemoryDisk): Promise<LogDirectories> {
  const parts = { files: disk.attach(), clock: new StillClock(), random: seededRandom(7), log: silentLogger };
  return openLogDirectories(parts, { directories, offline: [], tailCacheBytesMax: 1, openFilesMax: 4 });
}

/** One transaction of a record, aborted. */
async function abortOne(log: Log, at: number): Promise<void> {
  const records = [{ key: null, value: Buffer.from("v"), timestampMs: 1 }];
  lead(log, encodeBatch(records, { producerId: 1, producerEpoch: 0, baseSequence: at, isTransactional: true }));
  log.appendMarker({ producerId: 1, producerEpoch: 0, coordinatorEpoch: 0, kind: "abort", transactionVersion: 1 }, 0, 1);
  await log.written(log.endOffset);
}

test.each(["stop", "crash"])("what was aborted is known in the directory that a log was moved to, also after a %s", async (how) => {
  const disk = new MemoryDisk({ clock: new StillClock(), random: seededRandom(1) });
  const logs = await open(disk);
  const log = await logs.open("t", 0, topicId, settings, true);
  for (let i = 0; i < 12; i++) await abortOne(log, i);
  expect(logs.move("t", 0, "/disk2")).toBe("NONE");
  let count = 12;
  const isMoved = async () => (await logs.describe())[1]!.logs.some(({ copyOf }) => copyOf === null);
  while (!(await isMoved())) {
    if (count < 40) await abortOne(log, count++);
    await Promise.resolve();
  }
  await abortOne(log, count++);
  const expected = Array.from({ length: count }, (_, i) => ({ producerId: 1, firstOffset: 2 * i }));
  expect(await log.abortedWithin(0, log.endOffset)).toStrictEqual(expected);
  await log.flush();
  if (how === "stop") await logs.close();
  else disk.crash();
  const again = await (await open(disk)).open("t", 0, topicId, settings, false);
  expect(await again.abortedWithin(0, again.endOffset)).toStrictEqual(expected.slice(0, again.endOffset / 2));
  expect(again.endOffset).toBe(2 * count);
});
