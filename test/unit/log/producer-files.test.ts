import { crc32c } from "@node-rs/crc32";
import { describe, expect, test } from "vitest";
import type { Log, ProducerRow } from "../../../broker/log/log-contract.ts";
import { decodeSnapshot, encodeSnapshot } from "../../../broker/log/producers/producer-snapshot.ts";
import { idempotentBatch } from "../../support/memory-log.ts";
import { parsedBatch } from "../../support/parsed-batch.ts";
import { type Fixture, lead, root, settingsWith, startLog, startStore, topicId } from "./log-fixture.ts";

const settings = { segmentBytes: 200, indexIntervalBytes: 100 };
const folder = `${root}/t-0`;

const row: ProducerRow = {
  producerId: 0x0102030405,
  epoch: 0x0607,
  lastSequence: 0x08090a0b,
  lastOffset: 0x0c0d0e0f,
  offsetDelta: 0x10,
  timestampMs: 0x0111213141,
  coordinatorEpoch: -1,
  transactionFirstOffset: -1,
};

function snapshotOf(rows: readonly ProducerRow[]): Buffer {
  return encodeSnapshot(rows.length, (visit) => rows.forEach(visit));
}

/** As Kafka's ProducerStateManager lays it out. */
const kafkaRow = "0000000102030405 0607 08090a0b 000000000c0d0e0f 00000010 0000000111213141 ffffffff ffffffffffffffff";

function snapshotHex(hexRows: string, count: number): Buffer {
  const body = Buffer.from(`${count.toString(16).padStart(8, "0")}${hexRows}`.replaceAll(" ", ""), "hex");
  const head = Buffer.alloc(6);
  head.writeInt16BE(1, 0);
  head.writeUInt32BE(crc32c(body), 2);
  return Buffer.concat([head, body]);
}

describe("a snapshot", () => {
  test("is Kafka's, byte by byte", () => {
    expect(snapshotOf([row]).toString("hex")).toBe(snapshotHex(kafkaRow, 1).toString("hex"));
    expect(decodeSnapshot(snapshotHex(kafkaRow, 1))).toStrictEqual([row]);
    expect(decodeSnapshot(snapshotOf([]))).toStrictEqual([]);
  });

  test("is refused when any bit of it is another, when it is cut, or longer", () => {
    const sound = snapshotOf([row, { ...row, producerId: 9 }]);
    for (let bit = 0; bit < sound.length * 8; bit++) {
      const damaged = Buffer.from(sound);
      damaged[bit >> 3] = damaged[bit >> 3]! ^ (1 << (bit & 7));
      expect(typeof decodeSnapshot(damaged), `bit ${bit}`).toBe("string");
    }
    for (let length = 0; length < sound.length; length++) expect(typeof decodeSnapshot(sound.subarray(0, length))).toBe("string");
    expect(typeof decodeSnapshot(Buffer.concat([sound, Buffer.alloc(1)]))).toBe("string");
  });

  test("with a sound checksum but impossible rows is refused", () => {
    for (const change of [{ producerId: -1 }, { lastSequence: -2 }, { offsetDelta: -1 }, { lastOffset: 3, offsetDelta: 4 }])
      expect(typeof decodeSnapshot(snapshotOf([{ ...row, ...change }])), JSON.stringify(change)).toBe("string");
  });
});

interface Reads {
  readonly paths: Set<string>;
}

async function reopened({ disk, clock }: Fixture): Promise<Fixture & { log: Log; reads: Reads }> {
  const fixture = await startStore(disk, {}, clock);
  const reads = { paths: new Set<string>() };
  disk.fault = ({ kind, path }) => {
    if (kind === "read" && path.endsWith(".log")) reads.paths.add(path.slice(folder.length + 1));
    return null;
  };
  const log = await fixture.store.open("t", 0, topicId, settingsWith(settings));
  disk.fault = null;
  return { ...fixture, log, reads };
}

/** Two producers, five segments. */
async function written(): Promise<Fixture & { log: Log; rows: ProducerRow[] }> {
  const fixture = await startLog(settings);
  const { log } = fixture;
  for (let i = 0; i < 7; i++) {
    lead(log, idempotentBatch(7, i * 2, 2));
    lead(log, idempotentBatch(8, i, 1, 3));
  }
  await log.written(log.endOffset);
  return { ...fixture, log, rows: log.producerRows() };
}

async function snapshotsIn({ files }: Fixture): Promise<number[]> {
  return (await files.list(folder)).filter((name) => name.endsWith(".snapshot")).map((name) => Number.parseInt(name, 10));
}

describe("the producers of a log", () => {
  test("have a snapshot at each segment's start but the first, and at a clean end", async () => {
    const fixture = await written();
    const bases = (await fixture.files.list(folder)).filter((name) => name.endsWith(".log")).map((name) => Number.parseInt(name, 10));
    expect(bases.length >= 5).toBeTruthy();
    expect(await snapshotsIn(fixture)).toStrictEqual(bases.slice(1));
    await fixture.store.close();
    expect(await snapshotsIn(fixture)).toStrictEqual([...bases.slice(1), 21]);
  });

  test("are known after a clean stop without a segment read, all five batches of each", async () => {
    const fixture = await written();
    expect(fixture.rows.length).toBe(10);
    await fixture.store.close();
    const { log, reads } = await reopened(fixture);
    expect(log.producerRows()).toStrictEqual(fixture.rows);
    // the end of the last one, for its index, and a header of the first, where the epoch begins
    expect([...reads.paths].slice(1)).toStrictEqual(["00000000000000000000.log"]);
    expect(log.appendAsLeader(parsedBatch(idempotentBatch(7, 4, 2)), 0, 0).kind).toBe("duplicate");
    expect(log.appendAsLeader(parsedBatch(idempotentBatch(7, 14, 2)), 0, 0).kind).toBe("appended");
  });

  test("are read from the last segment after a crash", async () => {
    const fixture = await written();
    await fixture.log.flush();
    fixture.disk.crash();
    const { log } = await reopened(fixture);
    expect(log.endOffset).toBe(21);
    expect(log.producerRows()).toStrictEqual(fixture.rows);
  });

  test("are known from an older snapshot when the newest is damaged, and from the batches when all are", async () => {
    const fixture = await written();
    await fixture.store.close();
    const offsets = await snapshotsIn(fixture);
    const damage = (offset: number) =>
      fixture.disk.corrupt(`${folder}/${String(offset).padStart(20, "0")}.snapshot`, (content) =>
        Buffer.from(content.map((byte, i) => (i === 20 ? byte ^ 1 : byte))),
      );
    damage(21);
    const second = await reopened(fixture);
    expect(second.log.producerRows()).toStrictEqual(fixture.rows);
    expect(await snapshotsIn(second), "the damaged one is gone").toStrictEqual(offsets.slice(0, -1));
    await second.store.close();
    for (const offset of offsets) damage(offset);
    const third = await reopened(fixture);
    expect(third.log.producerRows()).toStrictEqual(fixture.rows);
    expect(await snapshotsIn(third)).toStrictEqual([]);
  });

  test("are not known from a snapshot above the end, which is removed", async () => {
    const fixture = await written();
    await fixture.store.close();
    const future = await fixture.files.open(`${folder}/00000000000000000022.snapshot`, "readwrite");
    await future.write([snapshotOf([{ ...row, producerId: 7, lastOffset: 21, offsetDelta: 0 }])], 0);
    await future.close();
    const second = await reopened(fixture);
    expect(second.log.producerRows()).toStrictEqual(fixture.rows);
    expect(!(await snapshotsIn(second)).includes(22)).toBeTruthy();
  });

  test("go back with a truncation, and are forgotten when the log starts over", async () => {
    const fixture = await written();
    const { log } = fixture;
    await log.truncateTo(12);
    expect((await snapshotsIn(fixture)).every((offset) => offset <= 12)).toBeTruthy();
    expect(log.appendAsLeader(parsedBatch(idempotentBatch(8, 3, 1, 3)), 0, 0).kind).toBe("duplicate");
    expect(log.appendAsLeader(parsedBatch(idempotentBatch(8, 6, 1, 3)), 0, 0).kind).toBe("refused");
    expect(log.appendAsLeader(parsedBatch(idempotentBatch(8, 4, 1, 3)), 0, 0).kind).toBe("appended");
    await log.written(log.endOffset);
    await log.truncateFullyAndStartAt(100);
    expect(log.producerRows()).toStrictEqual([]);
    expect(await snapshotsIn(fixture)).toStrictEqual([]);
    expect(log.appendAsLeader(parsedBatch(idempotentBatch(8, 77, 1, 3)), 0, 0).kind).toBe("appended");
  });

  test("stay when their records are deleted, also in a later life", async () => {
    const fixture = await written();
    const { log } = fixture;
    const newest = (await snapshotsIn(fixture)).at(-1);
    await log.advanceStartOffset(20);
    await log.flush(); // comes after the removal
    expect(await snapshotsIn(fixture), "those of removed segments go with them").toStrictEqual([newest]);
    expect(log.producerRows()).toStrictEqual(fixture.rows);
    await fixture.store.close();
    const { log: again } = await reopened(fixture);
    expect(again.producerRows()).toStrictEqual(fixture.rows);
  });

  test("are not known from a snapshot below the first segment: it would refuse what continues the batches between", async () => {
    const fixture = await written();
    const snapshots = await snapshotsIn(fixture);
    const earlyPath = `${folder}/${String(snapshots[0]).padStart(20, "0")}.snapshot`;
    const early = await fixture.files.readFile(earlyPath);
    await fixture.log.advanceStartOffset(20);
    await fixture.log.flush();
    await fixture.store.close();
    for (const offset of await snapshotsIn(fixture)) await fixture.files.remove(`${folder}/${String(offset).padStart(20, "0")}.snapshot`);
    const back = await fixture.files.open(earlyPath, "readwrite");
    await back.write([early], 0);
    await back.close();
    const { log, files } = await reopened(fixture);
    expect(log.producerRows()).toStrictEqual(fixture.rows.filter(({ lastOffset }) => lastOffset >= snapshots.at(-1)!));
    expect((await files.list(folder)).filter((name) => name.endsWith(".snapshot"))).toStrictEqual([]);
    expect(log.appendAsLeader(parsedBatch(idempotentBatch(7, 14, 2)), 0, 0).kind).toBe("appended");
  });
});
