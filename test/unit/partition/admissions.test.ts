import { expect, test } from "vitest";
import { statePartitions } from "../../../broker/partition/state-partitions.ts";
import { maxTimestampAt, readBatchInfo } from "../../../protocol/records/batch-header.ts";
import { compressRecords, decompressRecords } from "../../../protocol/records/compression.ts";
import { decodeBatch } from "../../../protocol/records/decode-batch.ts";
import { encodeBatch } from "../../../protocol/records/encode-batch.ts";
import type { RecordToEncode } from "../../../protocol/records/record.ts";
import { testSettings } from "../../support/memory-log.ts";
import { ref, setUp } from "./partition-fixture.ts";

const record = (key: string | null, timestampMs: number): RecordToEncode => ({
  key: key === null ? null : Buffer.from(key),
  value: Buffer.from("v"),
  timestampMs,
});

test("a compacted topic refuses records without keys and names them; nothing is appended", async () => {
  for (const cleanupPolicy of ["compact", "compact,delete"] as const) {
    const { append, log } = await setUp({ cleanupPolicy });
    const refused = await append(encodeBatch([record("a", 1), record(null, 2)]));
    expect(refused).toMatchObject({ error: "INVALID_RECORD", recordErrors: [{ index: 1 }] });
    expect(log.endOffset).toBe(0);
    expect((await append(encodeBatch([record("a", 1)]))).error).toBeNull();
  }
});

test("timestamps are held against the broker's clock, and against new bounds as soon as they are set", async () => {
  const { append, clock, table } = await setUp({ messageTimestampBeforeMaxMs: 100, messageTimestampAfterMaxMs: 50 });
  await clock.advance(10_000);
  const now = clock.nowMs();
  const errorAt = async (timestampMs: number) => (await append(encodeBatch([record(null, timestampMs)]))).error;
  expect(await Promise.all([now - 100, now + 50, now - 101, now + 51].map(errorAt))).toStrictEqual([
    null,
    null,
    "INVALID_TIMESTAMP",
    "INVALID_TIMESTAMP",
  ]);
  table.updateSettings("t", { ...testSettings, messageTimestampBeforeMaxMs: 101 });
  expect(await Promise.all([now - 101, now + 51, now - 102].map(errorAt))).toStrictEqual([null, null, "INVALID_TIMESTAMP"]);
});

test("under LogAppendTime no timestamp is wrong, and the topic's codec and the broker's time go together", async () => {
  const { append, clock, read } = await setUp({
    messageTimestampType: "LogAppendTime",
    messageTimestampBeforeMaxMs: 1,
    compressionType: "zstd",
  });
  await clock.advance(7777);
  for (const codec of ["gzip", "zstd", "none"] as const)
    expect((await append(encodeBatch([record("a", 12), record("b", 5)], { codec, compress: compressRecords }))).error).toBeNull();
  const found = await read(0);
  const bytes = Buffer.concat(found.error === null ? found.chunks : []);
  for (let at = 0, i = 0; at < bytes.length; i++) {
    const batch = readBatchInfo(bytes, at);
    expect(batch?.codec).toBe("zstd");
    expect(maxTimestampAt(bytes, at)).toBe(7777);
    const records = [...decodeBatch(bytes, at, { decompress: decompressRecords })];
    expect(records.map(({ offset, timestampMs, key }) => [offset, timestampMs, String(key)])).toStrictEqual([
      [2 * i, 7777, "a"],
      [2 * i + 1, 7777, "b"],
    ]);
    at += batch!.sizeInBytes;
  }
});

test("what the broker writes itself is not looked at again", async () => {
  const { table, log } = await setUp({ cleanupPolicy: "compact", compressionType: "zstd" });
  const batch = encodeBatch([record(null, 1)]);
  expect(statePartitions(table).append(ref, batch).error).toBeNull();
  expect(log.endOffset).toBe(1);
});

test("a client that cannot read zstd is refused where the topic keeps it, and only there", async () => {
  for (const compressionType of ["zstd", "producer"] as const) {
    const { append, read } = await setUp({ compressionType });
    await append(encodeBatch([record("a", 1)]));
    expect((await read(0, { withoutZstd: true })).error).toBe(compressionType === "zstd" ? "UNSUPPORTED_COMPRESSION_TYPE" : null);
    expect((await read(0)).error).toBeNull();
  }
});
