import { createRequire } from "node:module";
import { expect, test } from "vitest";
import { compressRecords, decompressRecords } from "../../../protocol/records/compression.ts";
import { decodeBatch } from "../../../protocol/records/decode-batch.ts";
import { encodeBatch } from "../../../protocol/records/encode-batch.ts";
import { validateProducedBatches } from "../../../protocol/records/validate-batches.ts";
import { threeRecords } from "./samples.ts";

// kafkajs, an implementation that knows nothing of ours, writes and reads the same bytes
const require = createRequire(import.meta.url);
const { RecordBatch } = require("kafkajs/src/protocol/recordBatch/v0/index.js") as {
  RecordBatch(batch: object): Promise<{ buffer: Buffer }>;
};
const kafkajsRecord = require("kafkajs/src/protocol/recordBatch/record/v0/index.js") as (record: object) => unknown;
const KafkajsDecoder = require("kafkajs/src/protocol/decoder.js") as new (bytes: Buffer) => object;
const kafkajsDecode = require("kafkajs/src/protocol/recordBatch/v0/decoder.js") as (decoder: object) => Promise<{
  records: readonly { offset: string; timestamp: string; key: Buffer | null; value: Buffer | null; headers: Record<string, Buffer> }[];
}>;

test.each([
  ["none", 0],
  ["gzip", 1],
] as const)("what kafkajs writes with %s is valid, and reads as it was meant", async (_codec, compression) => {
  const { buffer } = await RecordBatch({
    compression,
    firstTimestamp: 1_700_000_000_000,
    maxTimestamp: 1_700_000_000_300,
    lastOffsetDelta: 1,
    records: [
      kafkajsRecord({ key: "alpha", value: "one", headers: { h: "x" }, timestampDelta: 0, offsetDelta: 0 }),
      kafkajsRecord({ key: null, value: "two", timestampDelta: 300, offsetDelta: 1 }),
    ],
  });
  const checked = validateProducedBatches(buffer, { exactlyOneBatch: true, zstdAllowed: true });
  expect(checked).toMatchObject({
    error: null,
    batches: [{ recordsCount: 2, sizeInBytes: buffer.length, maxTimestampMs: 1_700_000_000_300 }],
  });
  expect([...decodeBatch(buffer, 0, { decompress: decompressRecords })]).toEqual([
    {
      offset: 0,
      timestampMs: 1_700_000_000_000,
      key: Buffer.from("alpha"),
      value: Buffer.from("one"),
      headers: [{ key: "h", value: Buffer.from("x") }],
    },
    { offset: 1, timestampMs: 1_700_000_000_300, key: null, value: Buffer.from("two"), headers: [] },
  ]);
});

test.each(["none", "gzip"] as const)("kafkajs reads what we write with %s", async (codec) => {
  const bytes = encodeBatch(threeRecords, { codec, compress: compressRecords, baseOffset: 40 });
  const { records } = await kafkajsDecode(new KafkajsDecoder(bytes));
  expect(
    records.map(({ offset, timestamp, key, value }) => [offset, timestamp, key?.toString() ?? null, value?.toString() ?? null]),
  ).toEqual([
    ["40", "1700000000000", "k1", "first value"],
    ["41", "1700000000005", null, "second"],
    ["42", "1699999999990", "k3", null],
  ]);
  expect(records[1]?.headers).toEqual({ trace: Buffer.from("abc") });
});
