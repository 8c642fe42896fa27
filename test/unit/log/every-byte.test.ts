import { describe, expect, test } from "vitest";
import { fromStart } from "../../../broker/log/files/clean-stop.ts";
import { parseSegmentFileName } from "../../../broker/log/files/file-names.ts";
import type { Log } from "../../../broker/log/log-contract.ts";
import type { Logger } from "../../../protocol/base/logger.ts";
import { scanBatches } from "../../../protocol/records/validate-batches.ts";
import type { MemoryDisk } from "../../support/memory-files.ts";
import { MemoryInode } from "../../support/memory-nodes.ts";
import { append, fileContents, type ReadBack, readAll, root, settingsWith, startLog, startStore, topicId } from "./log-fixture.ts";

const folder = `${root}/t-0`;
const time = 1_700_000_000_000;

const changes: Record<string, (content: Buffer, at: number) => Buffer> = {
  "cut there": (content, at) => content.subarray(0, at),
  "a bit flipped": (content, at) => Buffer.from(content.map((byte, i) => (i === at ? byte ^ (1 << (at % 8)) : byte))),
  "zeros from there": (content, at) => Buffer.concat([content.subarray(0, at), Buffer.alloc(content.length - at)]),
  "garbage from there, and more of it": (content, at) =>
    Buffer.concat([content.subarray(0, at), Buffer.alloc(content.length - at + 100, 0xa7)]),
};

/** What was said at `warn` and above. */
function listening(): { readonly log: Logger; readonly said: Record<string, unknown>[] } {
  const said: Record<string, unknown>[] = [];
  const say = (fields: object, message: string) => void said.push({ ...fields, message });
  const log: Logger = { debug: () => {}, info: () => {}, warn: say, error: say, child: () => log };
  return { log, said };
}

const settings = settingsWith({ segmentBytes: 2000, indexIntervalBytes: 200 });

/** Three segments in two epochs; all but the last batch on the disk. */
async function written() {
  const fixture = await startLog(settings);
  for (let i = 0; i < 45; i++) await append(fixture.log, [`value ${i} ${"x".repeat(20)}`], i < 20 ? 1 : 4, time + i);
  await fixture.log.flush();
  await fixture.store.writeCheckpoints();
  await fixture.store.checkpointHighWatermarks(new Map([["t-0", 40]]));
  const synced = await readAll(fixture.log);
  await append(fixture.log, ["the last"], 4, time + 45);
  return { ...fixture, synced };
}

/** All files, to be put back as they were; whatever else is there by then goes. */
function snapshot(disk: MemoryDisk): () => void {
  const contents = new Map<string, Buffer>();
  const paths = (below: string): string[] =>
    [...disk.directory(below).entries].flatMap(([name, node]) =>
      node instanceof MemoryInode ? [`${below}/${name}`] : paths(`${below}/${name}`),
    );
  for (const path of paths(root)) contents.set(path, Buffer.from(disk.file(path).content()));
  return () => {
    disk.loseProcess();
    for (const path of paths(root)) if (!contents.has(path)) disk.remove(path);
    for (const [path, content] of contents) {
      disk.create(path);
      disk.corrupt(path, () => Buffer.from(content));
    }
  };
}

async function reopened(disk: MemoryDisk, clock: Awaited<ReturnType<typeof written>>["clock"]) {
  const { log, said } = listening();
  const second = await startStore(disk, {}, clock, 1, log);
  return { ...second, said, log: await second.store.open("t", 0, topicId, settings) };
}

/** Every record by every way that leads to it. */
async function assertReads(log: Log, expected: readonly ReadBack[], context: string): Promise<void> {
  expect(await readAll(log, log.startOffset, 300), context).toStrictEqual(expected);
  for (const at of [0, 7, 19, 20, 33, expected.length - 1]) {
    const { offset, timestampMs, epoch } = expected[at]!;
    expect(await log.findByTimestamp(timestampMs), `${context}: time of ${offset}`).toStrictEqual({
      offset,
      timestampMs,
      leaderEpoch: epoch,
    });
  }
  expect((await log.findMaxTimestamp())?.offset, context).toBe(expected.at(-1)!.offset);
  expect(log.endOffsetForEpoch(1)?.endOffset, context).toBe(20);
}

describe("after a kill, what was on the disk is there, whatever became of the last batch's bytes", () => {
  for (const [what, change] of Object.entries(changes)) {
    test(`${what}, at each of them, and what was cut is told with file and position`, async () => {
      const { disk, clock, files, synced } = await written();
      const logs = [...(await fileContents(files))].filter(([name]) => name.endsWith(".log"));
      const [name, whole] = logs.at(-1)!;
      const last = scanBatches(whole).batches.at(-1)!;
      const putBack = snapshot(disk);
      for (let at = last.position; at <= whole.length; at++) {
        putBack();
        disk.corrupt(`${folder}/${name}`, () => Buffer.from(change(whole, at)));
        const second = await reopened(disk, clock);
        const context = `${what} at ${at - last.position}`;
        expect(second.log.damage, context).toBeNull();
        const isEpoch = at >= last.position + 12 && at < last.position + 16; // not covered by the CRC: may be a later epoch
        if (second.log.endOffset === 46)
          expect(change(whole, at).subarray(0, whole.length).equals(whole) || (what === "a bit flipped" && isEpoch), context).toBeTruthy();
        else {
          expect(second.log.endOffset, context).toBe(45);
          await assertReads(second.log, synced, context);
        }
        const cut = second.said.filter(({ path }) => path === `${folder}/${name}`);
        const isWhole = change(whole, at).length === last.position + (second.log.endOffset === 46 ? last.sizeInBytes : 0);
        if (!isWhole) expect(cut[0]?.endPosition, context).toStrictEqual(second.log.endOffset === 46 ? whole.length : last.position);
      }
    });
  }
});

/** Around the end, and at some places before. */
function places(content: Buffer, step: number): number[] {
  return [...Array(content.length).keys()].filter((at) => at % step === 0 || at >= content.length - 26);
}

describe("an index that is damaged at any byte is rebuilt, and every record is found", () => {
  for (const stop of ["clean", "kill"] as const) {
    for (const [what, change] of Object.entries(changes)) {
      test(`after a ${stop}: ${what}`, async () => {
        const { disk, clock, log, store, files } = await written();
        await log.flush();
        await store.writeCheckpoints();
        const expected = await readAll(log);
        if (stop === "clean") await store.close();
        const putBack = snapshot(disk);
        for (const [name, content] of await fileContents(files)) {
          if (!name.endsWith("index")) continue;
          for (const at of places(content, 5)) {
            putBack();
            disk.corrupt(`${folder}/${name}`, () => Buffer.from(change(content, at)));
            const second = await reopened(disk, clock);
            await assertReads(second.log, expected, `${name}, ${what} at ${at} of ${content.length}`);
            expect(second.log.damage).toBeNull();
          }
        }
      });
    }
  }
});

describe("a checkpoint that is damaged at any byte", () => {
  const checkpoints = [
    `${folder}/leader-epoch-checkpoint`,
    `${folder}/partition.metadata`,
    `${root}/recovery-point-offset-checkpoint`,
    `${root}/log-start-offset-checkpoint`,
    `${root}/replication-offset-checkpoint`,
  ];
  for (const [what, change] of Object.entries(changes)) {
    test(`${what}: the records on the disk are there, and the log goes on`, async () => {
      const { disk, clock, synced } = await written();
      const putBack = snapshot(disk);
      const paths = checkpoints.filter((path) => disk.find(path) !== null);
      expect(paths.length >= 4).toBeTruthy();
      for (const path of paths) {
        const content = Buffer.from(disk.file(path).content());
        for (let at = 0; at <= content.length; at++) {
          putBack();
          disk.corrupt(path, () => Buffer.from(change(content, at)));
          const context = `${path}, ${what} at ${at}`;
          const second = await reopened(disk, clock);
          expect((await readAll(second.log)).slice(0, 45), context).toStrictEqual(synced);
          await append(second.log, ["it goes on"], 9);
        }
      }
    });
  }
});

describe("after a clean stop", () => {
  async function stopped() {
    const { disk, clock, log, store } = await written();
    const expected = await readAll(log);
    await store.close();
    const logs = (await disk.attach().list(folder)).filter((name) => name.endsWith(".log")).map((name) => `${folder}/${name}`);
    return { disk, clock, expected, logs };
  }

  test("a closed segment that was cut at a batch's end, or lost, is found, and nobody reads over the hole", async () => {
    for (const how of ["cut", "lost"] as const) {
      const { disk, clock, expected, logs } = await stopped();
      const path = logs[1]!;
      const { batches } = scanBatches(disk.file(path).content());
      const kept = how === "cut" ? batches[5]! : batches[0]!;
      if (how === "cut") disk.corrupt(path, (content) => Buffer.from(content.subarray(0, kept.position)));
      else disk.remove(path);
      const { log, said } = await reopened(disk, clock);
      expect([log.damage?.path, log.damage?.position], how).toStrictEqual([path, kept.position]);
      expect(said.some((one) => one.path === path)).toBeTruthy();
      expect(await readAll(log, 0, 300).catch(() => "damaged"), how).toStrictEqual("damaged");
      const read = async (offset: number) => (await log.read(offset, { maxBytes: 1, endOffsetLimit: 46, minOneBatch: true })).chunks[0];
      expect((await read(0)) !== undefined).toBeTruthy();
      expect((await read(batches.at(-1)!.lastOffset + 1)) !== undefined, "the next segment is read").toBeTruthy();
      expect(log.endOffset).toBe(expected.length);
    }
  });

  test("the first segment lost: the log does not begin later for that, and followers are not told that it does", async () => {
    const { disk, clock, logs } = await stopped();
    disk.remove(logs[0]!);
    const { log, said } = await reopened(disk, clock);
    expect([log.startOffset, log.damage?.path, log.damage?.offset]).toStrictEqual([0, logs[0], 0]);
    expect(said.some((one) => one.path === logs[0])).toBeTruthy();
    expect(await readAll(log, 0, 300).catch(() => "damaged")).toStrictEqual("damaged");
  });

  test("segments below the start that were on their way out at the stop are not missed", async () => {
    const { disk, clock, logs } = await stopped();
    const sizes = [0, 1, 2].map((base) => ({ baseOffset: base, log: 1, index: -1, timeindex: -1, txnindex: -1 }));
    expect(fromStart(sizes, 1)).toStrictEqual(sizes.slice(1));
    expect(fromStart(sizes, 9)).toStrictEqual(sizes.slice(2));
    expect(fromStart(sizes.slice(1), 0), "the log began between two checkpoints").toStrictEqual(sizes.slice(1));
    const second = parseSegmentFileName(logs[1]!.split("/").at(-1)!)!.baseOffset;
    disk.create(`${root}/log-start-offset-checkpoint`);
    disk.corrupt(`${root}/log-start-offset-checkpoint`, () => Buffer.from(`0\n1\nt 0 ${second}\n`));
    disk.remove(logs[0]!);
    const { log } = await reopened(disk, clock);
    expect([log.startOffset, log.damage]).toStrictEqual([second, null]);
  });

  test("an end that was cut, even at a batch's end, counts as damage: what was on the disk is gone", async () => {
    const { disk, clock, logs, expected } = await stopped();
    const path = logs.at(-1)!;
    const whole = Buffer.from(disk.file(path).content());
    const last = scanBatches(whole).batches.at(-1)!;
    disk.corrupt(path, () => whole.subarray(0, last.position));
    const { log, store } = await reopened(disk, clock);
    expect([log.damage?.kind, log.damage?.offset, log.endOffset]).toStrictEqual(["end-lost", 45, 45]);
    expect(await readAll(log)).toStrictEqual(expected.slice(0, 45));
    await store.close();
    const third = await reopened(disk, clock);
    expect(third.log.damage?.kind, "also after another clean stop").toBe("end-lost");
  });

  test("bytes after the end are cut off, and are no damage", async () => {
    const { disk, clock, logs, expected } = await stopped();
    disk.corrupt(logs.at(-1)!, (content) => Buffer.concat([content, Buffer.alloc(70, 0xa7)]));
    disk.corrupt(logs[0]!, (content) => Buffer.concat([content, Buffer.alloc(70, 0xa7)]));
    const { log } = await reopened(disk, clock);
    expect(log.damage).toBeNull();
    expect(await readAll(log)).toStrictEqual(expected);
    await append(log, ["it goes on"], 9);
  });
});
