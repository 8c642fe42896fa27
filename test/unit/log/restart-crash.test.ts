import { expect, test } from "vitest";
import { DamagedBatch } from "../../../broker/log/log-contract.ts";
import { seededRandom } from "../../../protocol/base/random.ts";
import { MemoryDisk } from "../../support/memory-files.ts";
import { append, readAll, root, StillClock, settingsWith, startStore, topicId } from "./log-fixture.ts";

const settings = settingsWith({ segmentBytes: 400, indexIntervalBytes: 100 });

/**
 * A log from offset 20 on, of a few segments, damaged or not, which is then to start over at `offset`, on a disk that crashes at the
 * `crashAt`-th operation. Null: it was done before.
 */
async function crashWhileBeginningAnew(offset: number, crashAt: number, how: "power" | "process", damaged: boolean) {
  const clock = new StillClock();
  const disk = new MemoryDisk({ clock, random: seededRandom(crashAt) });
  const first = await startStore(disk, { tailCacheBytesMax: 0 }, clock);
  const log = await first.store.open("t", 0, topicId, settings);
  await log.truncateFullyAndStartAt(20);
  for (let i = 0; i < 20; i++) await append(log, [`value ${i} ${"x".repeat(40)}`], i < 10 ? 1 : 2);
  await log.flush();
  const old = await readAll(log);
  if (damaged) {
    const path = `${root}/t-0/00000000000000000020.log`;
    disk.corrupt(path, (content) => Buffer.from(content.map((byte, at) => (at === 100 ? byte ^ 4 : byte))));
    await log
      .read(20, { maxBytes: 1, endOffsetLimit: 1e9, minOneBatch: true })
      .catch((error) => expect(error instanceof DamagedBatch).toBeTruthy());
    expect(log.damage).not.toBeNull();
    while (!(await first.files.exists(`${root}/t-0/ottla-damage`)));
  }
  const from = disk.operations;
  let crashed: () => void = () => undefined;
  const crash = new Promise<"crashed">((resolve) => {
    crashed = () => resolve("crashed");
  });
  disk.fault = () => {
    if (disk.operations - from === crashAt) {
      disk.fault = null;
      how === "power" ? disk.crash() : disk.loseProcess();
      crashed();
    }
    return null;
  };
  const end = await Promise.race([log.truncateFullyAndStartAt(offset).then(() => "done" as const), crash]);
  disk.fault = null;
  if (end === "done") disk.crash();
  const second = await startStore(disk, {}, clock);
  const again = await second.store.open("t", 0, topicId, settings);
  return { end, again, old, isNew: again.startOffset === offset && again.endOffset === offset };
}

test("a log that is started over is the old one's beginning or the new one, wherever a crash comes between", async () => {
  let [crashes, oldOnes] = [0, 0];
  for (const damaged of [false, true]) {
    for (const how of ["power", "process"] as const) {
      for (const offset of [0, 10, 20, 24, 31, 40, 5000]) {
        for (let crashAt = 1; ; crashAt++) {
          const { end, again, old, isNew } = await crashWhileBeginningAnew(offset, crashAt, how, damaged);
          const context = `${how} lost at operation ${crashAt} of starting over at ${offset}: [${again.startOffset}, ${again.endOffset})`;
          if (end === "done") {
            expect(isNew, context).toBeTruthy();
            expect(again.damage, context).toBeNull();
            break;
          }
          crashes++;
          if (!isNew) {
            oldOnes++;
            expect(again.startOffset, context).toBe(20);
            if (damaged) expect(again.damage, context).not.toBeNull();
            else expect(await readAll(again), context).toStrictEqual(old.slice(0, again.endOffset - 20));
          }
          await append(again, ["it goes on"], 9);
        }
      }
    }
  }
  expect(crashes > 500 && oldOnes > 100, `${crashes} crashes, ${oldOnes} times the old log`).toBeTruthy();
});
