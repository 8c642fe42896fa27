import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Writable } from "node:stream";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { classicGroupTombstone, offsetRecord, offsetTombstone } from "../../../broker/group/group-records.ts";
import { encodeCleanStop } from "../../../broker/log/files/clean-stop.ts";
import { noteDamage } from "../../../broker/log/files/folder-notes.ts";
import { encodeSnapshot } from "../../../broker/log/producers/producer-snapshot.ts";
import { nodeFileSystem } from "../../../broker/runtime/node-files.ts";
import { dumpFiles } from "../../../cli/offline/dump/dump-files.ts";
import { Output } from "../../../cli/output/output.ts";
import { compressRecords } from "../../../protocol/records/compression.ts";
import { encodeBatch } from "../../../protocol/records/encode-batch.ts";
import { threeRecords } from "../records/samples.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "ottla-dump-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

interface Dumped {
  readonly items: Record<string, unknown>[];
  readonly text: string;
  readonly failure: string | null;
}

async function dump(name: string, content: Buffer | string, options = { records: true, values: true, groups: false }): Promise<Dumped> {
  const path = join(folder, name);
  await writeFile(path, content);
  const run = async (json: boolean) => {
    let text = "";
    const sink = new Writable({
      write(chunk, _encoding, done) {
        text += String(chunk);
        done();
      },
    });
    const failure = await dumpFiles([path], { ...options, json }, nodeFileSystem(), new Output(sink)).then(
      () => null,
      (error: Error) => error.message.replace(`${folder}/`, ""),
    );
    return { text, failure };
  };
  const { text, failure } = await run(false);
  const json = await run(true);
  expect(json.failure).toBe(failure);
  const items = json.text
    .trimEnd()
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => {
      const { file, ...item } = JSON.parse(line);
      expect(file).toBe(path);
      return item;
    });
  return { items, text, failure };
}

const batch = (baseOffset: number, codec: "none" | "zstd" = "none") =>
  encodeBatch(threeRecords, { baseOffset, leaderEpoch: 7, codec, compress: compressRecords });

const segment = "00000000000000000100.log";

describe("a segment", () => {
  test("shows its batches and records", async () => {
    const [first, second] = [batch(100), batch(110, "zstd")];
    const { items, text, failure } = await dump(segment, Buffer.concat([first, second]));
    expect(failure).toBeNull();
    expect(items.map(({ kind }) => kind)).toEqual([
      "batch",
      "record",
      "record",
      "record",
      "batch",
      "record",
      "record",
      "record",
      "summary",
    ]);
    expect(items[0]).toMatchObject({ position: 0, baseOffset: 100, lastOffset: 102, leaderEpoch: 7, codec: "none", crcValid: true });
    expect(items[4]).toMatchObject({ position: first.length, sizeInBytes: second.length, baseOffset: 110, codec: "zstd", crcValid: true });
    expect(items[5]).toMatchObject({ offset: 110, key: "k1", value: "first value", keyBytes: 2, valueBytes: 11 });
    expect(items[7]).toMatchObject({ offset: 112, value: null, valueBytes: null, headerValues: [{ key: "none", value: null }] });
    expect(items.at(-1)).toMatchObject({ batches: 2, records: 6, damaged: 0 });
    expect(text).toContain("position 0  offsets 100-102  records 3  epoch 7  codec none");
    expect(text).toContain('key "k1"  value "first value"');
  });

  test("shows batches alone unless asked for more", async () => {
    const { items } = await dump(segment, batch(100), { records: false, values: false, groups: false });
    expect(items.map(({ kind }) => kind)).toEqual(["batch", "summary"]);
  });

  test("tells where a batch is damaged and goes on behind it", async () => {
    const [first, second] = [batch(100), batch(110)];
    const bytes = Buffer.concat([first, second, batch(120)]);
    bytes[first.length + 70] = (bytes[first.length + 70] as number) ^ 1;
    const { items, text, failure } = await dump(segment, bytes, { records: false, values: false, groups: false });
    expect(failure).toBe(`${segment} is damaged at position ${first.length}: CRC-32C does not match the batch`);
    expect(items.map(({ crcValid }) => crcValid)).toEqual([true, false, undefined, true, undefined]);
    expect(text).toContain(`DAMAGED at position ${first.length}`);
  });

  test("tells where it was cut, wherever that was", async () => {
    const [first, second] = [batch(100), batch(110)];
    const whole = Buffer.concat([first, second]);
    for (let cut = first.length + 1; cut < whole.length; cut += 7) {
      const { items, failure } = await dump(segment, whole.subarray(0, cut));
      expect(failure).toContain(`damaged at position ${first.length}: `);
      expect(items.filter(({ kind }) => kind === "batch")).toHaveLength(1);
    }
  });

  test("checks batches larger than what it reads at once", async () => {
    const value = Buffer.alloc(700_000, "large ");
    const bytes = encodeBatch([{ key: null, value, timestampMs: 1 }], { baseOffset: 100, leaderEpoch: 7 });
    expect((await dump(segment, bytes, { records: false, values: false, groups: false })).failure).toBeNull();
    bytes[600_000] = 0;
    expect((await dump(segment, bytes, { records: false, values: false, groups: false })).failure).toContain("CRC-32C");
  });

  test("of the offsets' topic shows what groups committed, and that they are gone", async () => {
    const committed = {
      offset: 42,
      leaderEpoch: 3,
      metadata: "m",
      commitTimestamp: 9,
      expireTimestamp: -1,
      topicId: "mtopicidmtopicidmtopiQ",
    };
    const records = [
      offsetRecord("readers", "orders", 1, committed),
      offsetTombstone("readers", "orders", 2),
      classicGroupTombstone("old"),
    ];
    const bytes = encodeBatch(
      records.map((record) => ({ ...record, timestampMs: 1 })),
      { baseOffset: 100, leaderEpoch: 0 },
    );
    const { items, failure } = await dump(segment, bytes, { records: true, values: false, groups: true });
    expect(failure).toBeNull();
    expect(items.slice(1, 4)).toMatchObject([
      {
        offset: 100,
        says: "offset",
        group: "readers",
        topic: "orders",
        partition: 1,
        topicId: "mtopicidmtopicidmtopiQ",
        committedOffset: 42,
        leaderEpoch: 3,
        metadata: "m",
      },
      { offset: 101, says: "offset", group: "readers", topic: "orders", partition: 2, deleted: true },
      { offset: 102, says: "group", group: "old", deleted: true },
    ]);
    expect((await dump(segment, batch(100), { records: true, values: false, groups: true })).failure).toContain("records: ");
  });

  test("tells of offsets that go back", async () => {
    const { failure } = await dump(segment, Buffer.concat([batch(100), batch(101)]));
    expect(failure).toContain("offset 101 after 102");
  });

  test("whatever the bytes are, it ends", async () => {
    const noise = Buffer.alloc(3000);
    for (let i = 0; i < noise.length; i++) noise[i] = (i * 7919) % 251;
    expect((await dump(segment, noise)).failure).toContain("damaged at position 0");
    expect((await dump(segment, Buffer.alloc(500))).failure).toContain("zeros");
    expect((await dump(segment, "")).failure).toBeNull();
  });
});

function int32s(...values: number[]): Buffer {
  const bytes = Buffer.alloc(values.length * 4);
  values.forEach((value, i) => {
    bytes.writeInt32BE(value, i * 4);
  });
  return bytes;
}

describe("an index", () => {
  test("shows its entries, by the base offset in its name", async () => {
    const { items, failure } = await dump("00000000000000000100.index", int32s(5, 4096, 9, 8192));
    expect(failure).toBeNull();
    expect(items).toEqual([
      { kind: "entry", offset: 105, position: 4096 },
      { kind: "entry", offset: 109, position: 8192 },
    ]);
  });

  test("by time shows which offset has a time", async () => {
    const { items } = await dump("00000000000000000100.timeindex", int32s(0, 1700, 3, 0, 1800, 9));
    expect(items).toEqual([
      { kind: "entry", timestampMs: 1700, offset: 103 },
      { kind: "entry", timestampMs: 1800, offset: 109 },
    ]);
  });

  test("made at its full size ends at its zeros", async () => {
    const { items, failure } = await dump("00000000000000000000.index", int32s(5, 4096, 0, 0, 0, 0));
    expect(failure).toBeNull();
    expect(items.at(-1)).toEqual({ kind: "entry", unusedBytes: 16 });
  });

  test("that goes back, or ends amid an entry, is damaged there", async () => {
    expect((await dump("00000000000000000000.index", int32s(5, 4096, 4, 8192))).failure).toContain("damaged at position 8");
    expect((await dump("00000000000000000000.index", int32s(5, 4096, 9))).failure).toContain("damaged at position 8");
  });

  const damageIn = ({ items }: Dumped) => items.filter(({ kind }) => kind === "damage").map(({ where, reason }) => `${where}: ${reason}`);

  test("with an entry that no segment can have is damaged there, whatever the entries around it are", async () => {
    const crafted = await dump("00000000000000000100.index", int32s(-5, -7, -2, 900, 3, 950, 4, -1, 5, 960));
    expect(damageIn(crafted)).toEqual([
      "position 0: offset 95 is below the segment's first, 100; position -7 is negative",
      "position 8: offset 98 is below the segment's first, 100",
      "position 24: position -1 is negative",
    ]);
    expect(crafted.text).toContain("offset 98  position 900\nDAMAGED at position 8: ");
    const byTime = await dump("00000000000000000100.timeindex", int32s(0, 1700, -1, 0, 1800, 0, -1, 5, 1));
    expect(damageIn(byTime)).toEqual([
      "position 0: offset 99 is below the segment's first, 100",
      "position 24: timestampMs -4294967291 is negative",
    ]);
  });

  test("with a time or an offset beyond 2^53 is damaged there, and shows it exactly", async () => {
    const byTime = await dump("00000000000000000100.timeindex", int32s(0, 1700, 3, 0x20_00_00, 1, 4, 0x7fffffff, -1, 5, 0, 1800, 6));
    expect(byTime.items.filter(({ kind }) => kind === "entry")).toEqual([
      { kind: "entry", timestampMs: 1700, offset: 103 },
      { kind: "entry", timestampMs: "9007199254740993", offset: 104 },
      { kind: "entry", timestampMs: "9223372036854775807", offset: 105 },
      { kind: "entry", timestampMs: 1800, offset: 106 },
    ]);
    expect(damageIn(byTime)).toEqual([
      "position 12: timestampMs 9007199254740993 is beyond 2^53",
      "position 24: timestampMs 9223372036854775807 is beyond 2^53",
    ]);
    expect(byTime.text).toContain("timestampMs 9007199254740993  offset 104\n");
    expect(damageIn(await dump("00009007199254740990.index", int32s(1, 10, 3, 20)))).toEqual([
      "position 8: offset 9007199254740993 is beyond 2^53",
    ]);
  });

  test("under another name cannot be read", async () => {
    expect((await dump("copy.index", int32s(5, 4096))).failure).toContain("needs its segment's name");
  });
});

describe("a small file", () => {
  test("of producers", async () => {
    const row = { producerId: 5, epoch: 1, lastSequence: 9, lastOffset: 19, offsetDelta: 4, timestampMs: 7, coordinatorEpoch: -1 };
    const content = encodeSnapshot(1, (visit) => visit({ ...row, transactionFirstOffset: -1 }));
    const { items, failure } = await dump("00000000000000000020.snapshot", content);
    expect(failure).toBeNull();
    expect(items).toEqual([{ kind: "entry", ...row, transactionFirstOffset: -1 }]);
    expect((await dump("00000000000000000020.snapshot", content.fill(1, 12, 13))).failure).toContain("CRC-32C");
  });

  test("of epochs", async () => {
    const { items, failure } = await dump("leader-epoch-checkpoint", "0\n2\n0 0\n3 77\n");
    expect(failure).toBeNull();
    expect(items).toEqual([
      { kind: "entry", epoch: 0, startOffset: 0 },
      { kind: "entry", epoch: 3, startOffset: 77 },
    ]);
    expect((await dump("leader-epoch-checkpoint", "0\n2\n3 77\n2 80\n")).failure).toContain("line 4");
  });

  test("of offsets", async () => {
    const { items } = await dump("replication-offset-checkpoint", "0\n1\nmy-topic 4 99\n");
    expect(items).toEqual([{ kind: "entry", topic: "my-topic", partition: 4, offset: 99 }]);
    expect((await dump("replication-offset-checkpoint", "0\n2\nt 0 1\n")).failure).toContain("2 entries are announced, 1 are there");
    expect((await dump("replication-offset-checkpoint", "0\n1\nt zero 1\n")).failure).toContain("line 3");
    expect((await dump("recovery-point-offset-checkpoint", "1\n0\n")).failure).toContain("line 1");
    expect((await dump("log-start-offset-checkpoint", "\n")).failure).toContain("line 1");
    expect(await dump("log-start-offset-checkpoint", "")).toMatchObject({ items: [], failure: null });
  });

  test("of offsets or epochs that was cut within its last line, or has an offset beyond 2^53, is damaged there", async () => {
    for (const [name, line] of [
      ["leader-epoch-checkpoint", "3 9"],
      ["replication-offset-checkpoint", "t 0 9"],
    ] as const) {
      expect((await dump(name, `0\n1\n${line}9`)).failure).toBe(`${name} is damaged at line 3: the file ends within the line`);
      const { items, failure } = await dump(name, `0\n1\n${line}007199254740993\n`);
      expect(failure).toBe(`${name} is damaged at line 3: offset 9007199254740993 is beyond 2^53`);
      expect(Object.values(items[0]!).at(-1)).toBe("9007199254740993");
    }
  });

  test("of identities", async () => {
    const { items } = await dump("partition.metadata", "version: 0\ntopic_id: abcdefghijklmnopqrstuv");
    expect(items).toEqual([{ kind: "entry", topicId: "abcdefghijklmnopqrstuv" }]);
    expect((await dump("partition.metadata", "version: 9")).failure).toContain("damaged");
    const meta = await dump("meta.properties", "version=0\nbroker.id=3\ncluster.id=abc\n");
    expect(meta.items).toEqual([{ kind: "entry", brokerId: 3, clusterId: "abc", directoryId: null }]);
    expect((await dump("meta.properties", "broker.id=3\n")).failure).toContain("has no version");
  });

  test("of a clean stop", async () => {
    const sizes = [
      { baseOffset: 0, log: 4711, index: 8, timeindex: 12, txnindex: 34 },
      { baseOffset: 590, log: 0, index: -1, timeindex: -1, txnindex: -1 },
    ];
    const content = encodeCleanStop(new Map([["t-0", sizes]])).toString("utf8");
    const { items, text, failure } = await dump("ottla-clean-stop", content);
    expect(failure).toBeNull();
    expect(items).toEqual([
      { kind: "entry", log: "t-0", baseOffset: 0, logBytes: 4711, indexBytes: 8, timeindexBytes: 12, txnindexBytes: 34 },
      { kind: "entry", log: "t-0", baseOffset: 590, logBytes: 0, indexBytes: null, timeindexBytes: null, txnindexBytes: null },
    ]);
    expect(text).toContain("log t-0  baseOffset 590  logBytes 0  indexBytes -  timeindexBytes -  txnindexBytes -\n");
    for (let cut = 0; cut < content.length; cut++)
      expect((await dump("ottla-clean-stop", content.slice(0, cut))).failure, `cut at ${cut}`).toContain(
        "ottla-clean-stop is damaged at line ",
      );
    expect((await dump("ottla-clean-stop", content.replace("4711", "4712"))).failure).toContain("CRC-32C");
    expect((await dump("ottla-clean-stop", content.replace("590 0", "590 ?"))).failure).toContain("damaged at line 5");
  });

  test("of a damage that was noted, which is no damage of that file", async () => {
    const noted = { kind: "batch", path: "/d/t-0/0.log", position: 776, offset: 599, reason: "CRC-32C does not match" } as const;
    await noteDamage(nodeFileSystem(), folder, noted);
    const content = await readFile(join(folder, "ottla-damage"), "utf8");
    const { items, text, failure } = await dump("ottla-damage", content);
    expect(failure).toBeNull();
    const { kind, ...place } = noted;
    expect(items).toEqual([{ kind: "entry", damage: kind, ...place }]);
    expect(text).toBe("damage batch  path /d/t-0/0.log  position 776  offset 599  reason CRC-32C does not match\n");
    for (let cut = 0; cut < content.length - 1; cut++)
      expect((await dump("ottla-damage", content.slice(0, cut))).failure, `cut at ${cut}`).toContain("ottla-damage is damaged at line 1");
  });

  test("of gaps, and the one that says that there are no others", async () => {
    const { items, failure } = await dump("ottla-gaps", "0\n2\n590\n1184\n");
    expect(failure).toBeNull();
    expect(items).toEqual([
      { kind: "entry", baseOffset: 590 },
      { kind: "entry", baseOffset: 1184 },
    ]);
    expect((await dump("ottla-gaps", "0\n2\n590\n118")).failure).toContain("damaged at line 4");
    expect((await dump("ottla-gaps", "0\n2\n590\n59\n")).failure).toContain("damaged at line 4");
    expect((await dump("ottla-gaps", "")).failure).toContain("damaged at line 1");
    expect(await dump("ottla-segments-join", "0\n0\n")).toMatchObject({ items: [], failure: null });
    expect((await dump("ottla-segments-join", "0\n1\nx\n")).failure).toContain("damaged at line 3");
  });

  test("that waits to be removed is what it was", async () => {
    const { items, failure } = await dump("00000000000000000100.index.deleted", int32s(5, 4096));
    expect(failure).toBeNull();
    expect(items).toEqual([{ kind: "entry", offset: 105, position: 4096 }]);
  });

  test("of another kind is refused", async () => {
    expect((await dump("notes.txt", "")).failure).toContain("not a file of a log directory");
  });
});

test("what another program calls a log is no segment; a segment that is damaged from its first byte is one", async () => {
  const text = "10.0.0.1 - - [01/Jul/2026] GET / 200\n";
  expect((await dump("access.log", text)).failure).toMatch(
    /^access\.log is no segment of a partition's log: it does not begin with a batch/,
  );
  expect((await dump("short.log", "hello\n")).failure).toContain("is no segment");
  expect((await dump("00000000000000000000.log", text)).failure).toContain("is damaged at position 0");
  expect((await dump("copy.log", "")).failure).toBeNull();
});

const plain = { records: false, values: false, groups: false, json: false };

test("a folder is told to be one, with a file in it to name instead", async () => {
  const refusal = (path: string) =>
    dumpFiles([path], plain, nodeFileSystem(), new Output(new Writable())).catch((error: Error) => error.message);
  expect(await refusal(folder)).toBe(`${folder} is a folder; name files in it, such as ${folder}/…/00000000000000000000.log`);
  await writeFile(join(folder, "00000000000000000590.log"), "");
  expect(await refusal(folder)).toBe(`${folder} is a folder; name files in it, such as ${folder}/00000000000000000590.log`);
  for (const gone of ["gone.log", "gone", "00000000000000000000.log"])
    expect(await refusal(join(folder, gone))).toBe(`${join(folder, gone)} does not exist`);
});
