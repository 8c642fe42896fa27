import { zstdCompressSync } from "node:zlib";
import { type AdmissionRules, admitBatch } from "../../protocol/records/admit-batch.ts";
import { compressionCodecs } from "../../protocol/records/batch-header.ts";
import { compressRecords } from "../../protocol/records/compression.ts";
import { decompressedBytesMaxDefault } from "../../protocol/records/decode-batch.ts";
import { encodeBatch } from "../../protocol/records/encode-batch.ts";
import { parsedBatch } from "../support/parsed-batch.ts";

// What a leader spends on looking at a produced batch: `node test/bench/validation.ts [ROUNDS]`. The smallest of many rounds, since
// machines are noisy; batches of all kinds in turn.

const rounds = Number(process.argv[2] ?? 300);
const rules: AdmissionRules = {
  keysRequired: false,
  timestamps: { earliestMs: 0, latestMs: Number.MAX_SAFE_INTEGER },
  codec: "producer",
  level: undefined,
  batchBytesMax: 2 ** 30,
  plainBytesMax: decompressedBytesMaxDefault,
};

const words = Array.from({ length: 2000 }, (_, i) =>
  Math.abs(Math.sin(i + 1))
    .toString(36)
    .slice(3, 5 + (i % 9)),
);

function text(bytes: number, seed: number): Buffer {
  let said = "";
  for (let x = seed + 1; said.length < bytes; ) {
    x = (x * 48_271) % 2_147_483_647;
    said += `${words[x % words.length]} `;
  }
  return Buffer.from(said.slice(0, bytes));
}

const kinds = { "1 KiB records": { count: 64, valueBytes: 1000 }, "100 B records": { count: 600, valueBytes: 90 } };
const cases = Object.entries(kinds).flatMap(([kind, { count, valueBytes }]) =>
  compressionCodecs.map((codec) => {
    const records = Array.from({ length: count }, (_, i) => ({
      key: Buffer.from(`k${i}`),
      value: text(valueBytes, i),
      headers: i % 4 === 0 ? [{ key: "trace", value: Buffer.from("abcdef") }] : [],
      timestampMs: 1_700_000_000_000 + i,
    }));
    const compress = codec === "zstd" ? (_: unknown, plain: Buffer) => zstdCompressSync(plain) : compressRecords;
    return { name: `${codec}, 64 KiB of ${kind}`, bytes: encodeBatch(records, { codec, compress }), smallestUs: Number.POSITIVE_INFINITY };
  }),
);

for (let round = 0; round < rounds; round++)
  for (const each of cases) {
    const batch = parsedBatch(each.bytes);
    const startedNs = process.hrtime.bigint();
    const admission = admitBatch(batch, rules, { unpackedBytesLeft: 2 ** 30 });
    const tookUs = Number(process.hrtime.bigint() - startedNs) / 1000;
    if (admission?.error !== null) throw new Error(admission?.message);
    each.smallestUs = Math.min(each.smallestUs, tookUs);
  }
for (const { name, bytes, smallestUs } of cases) console.log(`${name}: ${bytes.length} bytes, ${smallestUs.toFixed(1)} us`);
