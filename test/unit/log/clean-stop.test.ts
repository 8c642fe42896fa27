import { describe, expect, test } from "vitest";
import { decodeCleanStop, encodeCleanStop } from "../../../broker/log/files/clean-stop.ts";
import { fileNames } from "../../../broker/log/files/file-names.ts";
import { replaceFile } from "../../../broker/runtime/files.ts";
import { append, type Fixture, readAll, root, StillClock, settingsWith, startStore, topicId } from "./log-fixture.ts";

const settings = settingsWith({ segmentBytes: 300 });
const value = (i: number) => `value ${i} ${"x".repeat(60)}`;

const open = ({ store }: Fixture, partition: number) => store.open("t", partition, topicId, settings);

async function grow(fixture: Fixture, partition: number, count: number): Promise<void> {
  const log = await open(fixture, partition);
  for (let i = 0; i < count; i++) await append(log, [value(log.endOffset)]);
}

const next = (fixture: Fixture) => startStore(fixture.disk, {}, fixture.clock);
const noteOf = async (fixture: Fixture) => decodeCleanStop(await fixture.disk.attach().readFile(`${root}/${fileNames.cleanStop}`));

async function valuesIn(fixture: Fixture, partition: number): Promise<string[]> {
  return (await readAll(await open(fixture, partition))).map(({ value }) => value);
}

describe("the note of a clean stop", () => {
  test("has all logs, those that were not opened since the stop before included", async () => {
    const first = await startStore();
    await grow(first, 0, 10);
    await grow(first, 1, 10);
    await first.store.close();
    const noted = await noteOf(first);
    expect([...(noted?.keys() ?? [])].sort()).toEqual(["t-0", "t-1"]);
    expect(noted?.get("t-0")?.length).toBeGreaterThan(2);

    const second = await next(first);
    expect(await second.files.exists(`${root}/${fileNames.cleanStop}`), "gone before anything is written").toBe(false);
    await grow(second, 1, 3);
    await second.store.close();
    const again = await noteOf(second);
    expect(again?.get("t-0")).toEqual(noted?.get("t-0"));
    expect(again?.get("t-1")).not.toEqual(noted?.get("t-1"));

    const name = `${root}/t-0/${String(noted?.get("t-0")?.[1]?.baseOffset).padStart(20, "0")}.log`;
    second.disk.corrupt(name, (content) => content.subarray(0, 0));
    expect((await open(await next(second), 0)).damage?.path).toBe(name);
  });

  test("does not count beside the marker of another stop, as when a Kafka has run on the directory since", async () => {
    const first = await startStore();
    await grow(first, 0, 10);
    await first.store.close();
    const noted = await first.files.readFile(`${root}/${fileNames.cleanStop}`);
    const second = await next(first);
    await grow(second, 0, 10);
    await second.store.close();
    await replaceFile(second.files, `${root}/${fileNames.cleanStop}`, noted);
    const third = await next(second);
    const log = await open(third, 0);
    expect([log.damage, log.endOffset]).toEqual([null, 20]);
    expect(await valuesIn(third, 0)).toHaveLength(20);
  });

  test("is not needed: damaged or missing, all is read as it is", async () => {
    for (const damage of [(content: Buffer) => content.subarray(1), () => Buffer.alloc(0)]) {
      const first = await startStore();
      await grow(first, 0, 10);
      await first.store.close();
      first.disk.corrupt(`${root}/${fileNames.cleanStop}`, damage);
      expect(await valuesIn(await next(first), 0)).toHaveLength(10);
    }
  });

  test("does not name a log whose files may be lost with the power", async () => {
    for (let seed = 0; seed < 40; seed++) {
      const first = await startStore(undefined, {}, new StillClock(), seed);
      await open(first, 0);
      await first.store.close();
      expect([...((await noteOf(first))?.keys() ?? [])]).toEqual([]);
      if (seed % 2 === 0) first.disk.crash();

      const second = await next(first);
      await grow(second, 0, 2);
      await (await open(second, 0)).flush();
      await second.store.writeCheckpoints();
      second.disk.crash();
      const third = await next(second);
      expect([await valuesIn(third, 0), (await open(third, 0)).damage], `seed ${seed}`).toEqual([[value(0), value(1)], null]);
    }
  });

  test("goes with a log that is set aside, and comes back with it", async () => {
    const first = await startStore();
    await grow(first, 0, 10);
    await first.store.close();
    const noted = (await noteOf(first))?.get("t-0");
    const second = await next(first); // not opened
    await second.store.setAside("t", 0, { topicId, highWatermark: 10 });
    await second.store.close();
    expect((await noteOf(second))?.size).toBe(0);
    const third = await next(second);
    await third.store.takeUp("t", 0, topicId, async () => {});
    await third.store.close();
    expect((await noteOf(third))?.get("t-0")).toEqual(noted);
    expect(await third.files.list(`${root}/t-0`)).not.toContain(fileNames.cleanStop);
    expect(await valuesIn(await next(third), 0)).toHaveLength(10);
  });

  test("leaves a note in a folder alone no longer than until the log is opened", async () => {
    const first = await startStore();
    await grow(first, 0, 2);
    await first.store.close();
    await replaceFile(first.disk.attach(), `${root}/t-0/${fileNames.cleanStop}`, encodeCleanStop(new Map()));
    const second = await next(first);
    expect(await valuesIn(second, 0)).toHaveLength(2);
    expect(await second.files.list(`${root}/t-0`)).not.toContain(fileNames.cleanStop);
  });
});

describe("leader epochs", () => {
  test("are on the disk once they have records, and an epoch without any waits", async () => {
    const first = await startStore();
    const log = await open(first, 0);
    await append(log, [value(0)], 3);
    log.beginEpoch(5);
    await log.flush();
    const stored = () => first.files.readFile(`${root}/t-0/${fileNames.leaderEpochs}`).then(String);
    expect(await stored()).toContain("3 0\n5 1\n"); // with the record of epoch 3
    log.beginEpoch(6);
    await log.flush();
    expect(await stored(), "nobody can have a record of it").toContain("3 0\n5 1\n");
    await append(log, [value(1)], 6);
    await log.flush();
    expect(await stored()).toContain("3 0\n6 1\n");
    await first.store.close();
    expect((await open(await next(first), 0)).lastEpoch).toBe(6);
  });
});
