import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { compressionCodecs } from "../../../protocol/records/batch-header.ts";
import { decompressRecords } from "../../../protocol/records/compression.ts";
import { decodeBatch, openBatch } from "../../../protocol/records/decode-batch.ts";

// written by kcat 1.7.1 over librdkafka 2.0.2 with `-z <codec> -K: -H from=kcat`, as found in a log
const fixture = new URL("fixtures/librdkafka-batches.json", import.meta.url);
const batches = JSON.parse(readFileSync(fixture, "utf8")) as Record<string, string>;

test.each(compressionCodecs)("a batch that librdkafka wrote with %s reads as it was meant", (codec) => {
  const bytes = Buffer.from(batches[codec] as string, "base64");
  expect(openBatch(bytes)).toMatchObject({ codec, recordsCount: 2, isControl: false, timestampType: "CreateTime" });
  const records = [...decodeBatch(bytes, 0, { decompress: decompressRecords })];
  const numbers = records.map(({ key }) => key?.toString().slice(3));
  expect(new Set(numbers).size).toBe(2);
  for (const [index, { key, value, headers }] of records.entries()) {
    expect(key?.toString()).toBe(`key${numbers[index]}`);
    expect(value?.toString()).toBe(`the quick brown otter jumps over the lazy log, again and again and again ${numbers[index]}`);
    expect(headers).toEqual([{ key: "from", value: Buffer.from("kcat") }]);
  }
});
