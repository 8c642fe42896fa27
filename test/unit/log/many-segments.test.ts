import { expect, test } from "vitest";
import { seededRandom } from "../../../protocol/base/random.ts";
import { writeManySegments } from "../../support/many-segments.ts";
import { MemoryDisk } from "../../support/memory-files.ts";
import { recordsIn, root, StillClock, settingsWith, startStore, topicId } from "./log-fixture.ts";

const time = 1_700_000_000_000;
const count = 10_000;
/** Not rising: every hundredth segment is newer than the ninety that follow. */
const timestampMs = (segment: number) => time + segment * 10 + (segment % 100 === 0 ? 900 : 0);

test("10,000 segments after a clean stop: no segment is read whole, few files are open, and lookups do not look at all of them", async () => {
  const clock = new StillClock();
  const disk = new MemoryDisk({ clock, random: seededRandom(1) });
  await writeManySegments(disk.attach(), { root, topicId, count, timestampMs });
  disk.loseProcess();
  const done = { open: 0, read: 0, size: 0 };
  disk.fault = ({ kind, path }) => {
    if (path.startsWith(`${root}/t-0/`) && kind in done) done[kind as keyof typeof done]++;
    return null;
  };
  const { store } = await startStore(disk, { tailCacheBytesMax: 0, openFilesMax: 16 }, clock);
  const log = await store.open("t", 0, topicId, settingsWith({ segmentBytes: 100 }));
  expect(log.endOffset).toBe(count);
  expect(done.open + done.read < 40, `${done.open} opened, ${done.read} reads`).toBeTruthy();
  expect(done.size <= count + 10, `${done.size} sizes asked for`).toBeTruthy();

  Object.assign(done, { open: 0, read: 0 });
  const { chunks } = await log.read(7777, { maxBytes: 1, endOffsetLimit: count, minOneBatch: true });
  expect(recordsIn(chunks).map(({ value }) => value)).toStrictEqual(["value 7777"]);
  expect(done.open + done.read < 10, `${done.open} opened, ${done.read} reads to read one batch`).toBeTruthy();

  const expected = (wanted: number) => {
    for (let segment = 0; segment < count; segment++) if (timestampMs(segment) >= wanted) return segment;
    return null;
  };
  // the first lookup reads the last entry of each index, and what is behind it
  await log.findByTimestamp(time);
  for (const wanted of [
    time,
    time + 5,
    time + 901,
    time + 12_345,
    time + 50_000,
    time + 99_000,
    timestampMs(9900),
    timestampMs(9900) + 1,
  ]) {
    Object.assign(done, { open: 0, read: 0 });
    expect((await log.findByTimestamp(wanted))?.offset ?? null, `at ${wanted - time}`).toBe(expected(wanted));
    expect(done.open + done.read < 16, `${done.open} opened, ${done.read} reads for a lookup`).toBeTruthy();
  }
  expect((await log.findMaxTimestamp())?.offset).toBe(9900 + 99);
});
