import { describe, expect, test } from "vitest";
import type { Log } from "../../../../broker/log/log-contract.ts";
import { silentLogger } from "../../../../protocol/base/logger.ts";
import { parsedBatch } from "../../../support/parsed-batch.ts";
import { fileContents, StillClock, startLog, startStore, topicId } from "../log-fixture.ts";
import { cleanerOf, compacted, type Entry, folder, keyedBatch, readKeyed, type Sender } from "./compaction-fixture.ts";

async function put(log: Log, entries: readonly Entry[], sender?: Sender): Promise<void> {
  log.appendAsLeader(parsedBatch(keyedBatch(entries, sender)), 0, 0);
  await log.written(log.endOffset);
}

/** `count` batches of two records each, over five keys; enough to roll several times. */
async function fill(log: Log, count: number, tag = "v", sender?: Sender): Promise<void> {
  for (let i = 0; i < count; i++) {
    const entry = (at: number) => ({ key: `k${(2 * i + at) % 5}`, value: `${tag}${2 * i + at}-${"x".repeat(40)}` });
    await put(log, [entry(0), entry(1)], sender === undefined ? undefined : { ...sender, baseSequence: 2 * i });
  }
  await log.flush();
}

describe("compacting a log", () => {
  test("the newest record of each key stays where it was, below the segment that is written", async () => {
    const { log, clock, files } = await startLog(compacted);
    await fill(log, 30);
    const before = await readKeyed(log);
    const bases = [...(await fileContents(files)).keys()].filter((name) => name.endsWith(".log")).map((name) => Number.parseInt(name, 10));
    const activeBase = bases.at(-1)!;
    expect(bases.length > 4).toBeTruthy();
    log.updateSettings({ ...compacted, segmentBytes: 60_000 });
    expect(await cleanerOf(log, { clock }).cleanOne()).toBeTruthy();
    const newest = new Map(before.filter(({ offset }) => offset < activeBase).map((record) => [record.key, record.offset]));
    expect(await readKeyed(log)).toStrictEqual(before.filter(({ offset, key }) => offset >= activeBase || newest.get(key) === offset));
    for (let from = 0; from < log.endOffset; from++)
      expect((await readKeyed(log, from))[0], `from ${from}`).toStrictEqual((await readKeyed(log)).find(({ offset }) => offset >= from));
    expect(await cleanerOf(log, { clock }).cleanOne(), "nothing is new").toBe(false);
    const logs = [...(await fileContents(files)).keys()].filter((name) => /\.log$/.test(name));
    expect(logs.length, "the small rests are one segment").toBe(2);
  });

  test("nothing above the high watermark is touched", async () => {
    const { log, clock } = await startLog(compacted);
    await fill(log, 30);
    const before = await readKeyed(log);
    expect(await cleanerOf(log, { clock, highWatermark: 3 }).cleanOne()).toBe(false);
    expect(await cleanerOf(log, { clock, highWatermark: 20 }).cleanOne()).toBeTruthy();
    expect((await readKeyed(log)).filter(({ offset }) => offset >= 20)).toStrictEqual(before.filter(({ offset }) => offset >= 20));
  });

  test("a map with room for one key comes through in as many rounds as it needs", async () => {
    const { log, clock } = await startLog(compacted);
    await fill(log, 12);
    const last = (await readKeyed(log)).at(-1)!;
    const cleaner = cleanerOf(log, { clock, keysMax: 1 });
    let rounds = 0;
    while (await cleaner.cleanOne()) expect(++rounds < 100).toBeTruthy();
    expect(rounds > 3).toBeTruthy();
    const left = await readKeyed(log);
    expect(left.at(-1)).toStrictEqual(last);
    for (const key of ["k0", "k1", "k2", "k3", "k4"]) expect(left.some((record) => record.key === key)).toBeTruthy();
  });

  test("tombstones delete their key at once, and leave after delete.retention.ms", async () => {
    const { log, clock } = await startLog(compacted);
    await put(log, [
      { key: "gone", value: "x" },
      { key: "stays", value: "y" },
    ]);
    await put(log, [{ key: "gone", value: null }]);
    await fill(log, 12);
    expect(await cleanerOf(log, { clock }).cleanOne()).toBeTruthy();
    expect((await readKeyed(log)).filter(({ key }) => key === "gone").map(({ offset, value }) => [offset, value])).toStrictEqual([
      [2, null],
    ]);
    clock.now += 999;
    await fill(log, 12);
    expect(await cleanerOf(log, { clock }).cleanOne()).toBeTruthy();
    expect((await readKeyed(log)).some(({ key }) => key === "gone")).toBeTruthy();
    clock.now += 1;
    await fill(log, 12);
    expect(await cleanerOf(log, { clock }).cleanOne()).toBeTruthy();
    expect(!(await readKeyed(log)).some(({ key }) => key === "gone")).toBeTruthy();
    expect((await readKeyed(log)).some(({ key }) => key === "stays")).toBeTruthy();
  });

  test("records without key are dropped, as they can never be replaced", async () => {
    const { log, clock } = await startLog(compacted);
    await put(log, [
      { key: null, value: "nobody's" },
      { key: "a", value: "1" },
    ]);
    await fill(log, 12);
    expect(await cleanerOf(log, { clock }).cleanOne()).toBeTruthy();
    expect(!(await readKeyed(log)).some(({ key }) => key === null)).toBeTruthy();
  });

  test("a batch that cannot be unpacked stays as it is, and is reported once", async () => {
    const { log, clock } = await startLog(compacted);
    const broken = keyedBatch([{ key: "a", value: "1" }], { codec: "gzip" });
    broken.writeInt32BE(2, 57);
    broken.writeInt32BE(1, 23);
    const { sealBatch } = await import("../../../../protocol/records/batch-header.ts");
    sealBatch(broken, 0, broken.length);
    log.appendAsLeader(parsedBatch(Buffer.from(broken)), 0, 0);
    await fill(log, 12);
    const warnings: string[] = [];
    const logger = { ...silentLogger, warn: (_fields: object, message: string) => void warnings.push(message) };
    expect(await cleanerOf(log, { clock, logger }).cleanOne()).toBeTruthy();
    const { chunks } = await log.read(0, { maxBytes: broken.length, endOffsetLimit: log.endOffset, minOneBatch: true });
    expect(Buffer.concat(chunks).subarray(21).compare(broken.subarray(21))).toBe(0);
  });

  test("a damaged batch ends the compaction of this log, until it is another one", async () => {
    const { log, clock, disk } = await startLog(compacted, { tailCacheBytesMax: 0 });
    await fill(log, 30);
    disk.corrupt(`${folder}/00000000000000000000.log`, (content) => {
      content[100]! ^= 1;
      return content;
    });
    const errors: { fields: { err: Error }; message: string }[] = [];
    const logger = {
      ...silentLogger,
      error: (fields: object, message: string) => void errors.push({ fields: fields as { err: Error }, message }),
    };
    const cleaner = cleanerOf(log, { clock, logger });
    expect(await cleaner.cleanOne()).toBeTruthy();
    expect(
      errors.some(({ fields, message }) => message.includes("cannot be compacted") && /00000\.log.* 0\b/.test(fields.err.message)),
    ).toBeTruthy();
    expect(await cleaner.cleanOne()).toBe(false);
    expect(log.damage?.kind).toBe("batch");
  });

  test("what is younger than min.compaction.lag.ms stays; what is older than max.compaction.lag.ms is not left to the ratio", async () => {
    const { log, clock } = await startLog({ ...compacted, minCompactionLagMs: 1000 });
    for (let i = 0; i < 20; i++) await put(log, [{ key: "a", value: "x".repeat(60), timestampMs: 1000 + i * 100 }]);
    await log.flush();
    clock.now = 2500;
    expect(await cleanerOf(log, { clock }).cleanOne()).toBeTruthy();
    const left = await readKeyed(log);
    expect(left.length < 20 && left.filter(({ timestampMs }) => timestampMs > 1500).length === 14).toBeTruthy();
    log.updateSettings({ ...compacted, minCleanableDirtyRatio: 1, maxCompactionLagMs: 5000 });
    clock.now = 6000;
    expect(await cleanerOf(log, { clock }).cleanOne()).toBe(false);
    clock.now = 9000;
    expect(await cleanerOf(log, { clock }).cleanOne()).toBeTruthy();
  });

  test.each([
    ["from the future", 90_000],
    ["without a timestamp", -1],
  ])(
    "max.compaction.lag.ms counts from the oldest record that a dirty segment begins with: a first one %s hides no other",
    async (_, firstMs) => {
      const { log, clock } = await startLog({ ...compacted, minCleanableDirtyRatio: 1, maxCompactionLagMs: 5000 });
      for (let i = 0; i < 20; i++) await put(log, [{ key: "a", value: "x".repeat(60), timestampMs: i === 0 ? firstMs : 1000 + i * 100 }]);
      await log.flush();
      clock.now = 6000;
      expect(await cleanerOf(log, { clock }).cleanOne()).toBe(false);
      clock.now = 9000;
      expect(await cleanerOf(log, { clock }).cleanOne()).toBeTruthy();
    },
  );

  test("truncated, deleted or closed meanwhile, the round is given up", async () => {
    for (const end of ["truncate", "close", "delete"] as const) {
      const { log, clock, store, files } = await startLog(compacted, { tailCacheBytesMax: 0 });
      await fill(log, 30);
      const before = await readKeyed(log);
      const cleaning = cleanerOf(log, { clock }).cleanOne();
      for (let i = 0; i < 20; i++) await Promise.resolve();
      if (end === "truncate") await log.truncateTo(40);
      else if (end === "close") await log.close();
      else await store.delete("t", 0, topicId);
      expect(await cleaning, end).toBe(false);
      if (end === "truncate") expect(await readKeyed(log)).toStrictEqual(before.filter(({ offset }) => offset < 40));
      if (end !== "delete") expect([...(await fileContents(files)).keys()].every((name) => !/cleaned|swap/.test(name))).toBeTruthy();
    }
  });

  test("the last batch of a producer stays, emptied", async () => {
    const { log, clock } = await startLog(compacted);
    await fill(log, 3, "p", { producerId: 77 });
    await fill(log, 20);
    expect(await cleanerOf(log, { clock }).cleanOne()).toBeTruthy();
    const { chunks } = await log.read(0, { maxBytes: 61, endOffsetLimit: log.endOffset, minOneBatch: true });
    const { readBatchInfo } = await import("../../../../protocol/records/batch-header.ts");
    const first = readBatchInfo(Buffer.concat(chunks), 0)!;
    expect([first.producerId, first.recordsCount]).toStrictEqual([77, 0]);
  });

  test("the clean offset outlives a restart, and a truncation takes it back", async () => {
    const { log, clock, disk, store } = await startLog(compacted);
    await fill(log, 30);
    expect(await cleanerOf(log, { clock }).cleanOne()).toBeTruthy();
    await store.close();
    const again = await startStore(disk, {}, new StillClock());
    const reopened = await again.store.open("t", 0, topicId, compacted);
    expect(await cleanerOf(reopened, { clock }).cleanOne()).toBe(false);
    await reopened.truncateTo(10);
    await fill(reopened, 12);
    await again.store.writeCheckpoints();
    expect(await cleanerOf(reopened, { clock }).cleanOne()).toBeTruthy();
    expect(
      String(await again.files.readFile("/data/logs/cleaner-offset-checkpoint"))
        .split("\n")
        .slice(0, 2),
    ).toStrictEqual(["0", "1"]);
  });
});
