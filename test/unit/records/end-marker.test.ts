import fc from "fast-check";
import { expect, test } from "vitest";
import { readBatchInfo, sealBatch } from "../../../protocol/records/batch-header.ts";
import { encodeBatch } from "../../../protocol/records/encode-batch.ts";
import { encodeEndMarker, readEndMarker } from "../../../protocol/records/end-marker.ts";

const marker = { producerId: 2 ** 40 + 7, producerEpoch: 5, coordinatorEpoch: 77, kind: "abort" } as const;

test("a marker is read as it was written, wherever it is in the bytes", () => {
  for (const one of [marker, { ...marker, kind: "commit" as const, coordinatorEpoch: 0 }]) {
    const bytes = Buffer.concat([Buffer.alloc(13), encodeEndMarker(one, 1_700_000_000_000), Buffer.alloc(3)]);
    const info = readBatchInfo(bytes, 13)!;
    expect(info).toMatchObject({ isControl: true, isTransactional: true, baseSequence: -1, recordsCount: 1, codec: "none" });
    expect(readEndMarker(bytes, info)).toStrictEqual(one);
  }
  // Kafka's key and value, as they stand before the number of headers, which is none
  const tail = encodeEndMarker(marker, 1).subarray(-13).toString("hex");
  expect(tail).toBe("08000000000c00000000004d00");
});

test("what is no marker is none, and no bytes make it throw", () => {
  const plain = encodeBatch([{ key: null, value: null, timestampMs: 1 }], { producerId: 1, producerEpoch: 0, baseSequence: 0 });
  expect(readEndMarker(plain, readBatchInfo(plain, 0)!)).toBeNull();
  const other = encodeBatch([{ key: Buffer.from([0, 0, 0, 3]), value: null, timestampMs: 1 }], { producerId: 1, isControl: true });
  expect(readEndMarker(other, readBatchInfo(other, 0)!), "another control record").toBeNull();
  const changed = encodeEndMarker(marker, 1);
  changed[changed.length - 2]! ^= 1;
  expect(readEndMarker(changed, readBatchInfo(changed, 0)!), "a wrong CRC").toBeNull();
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 4 }), fc.nat(100), (edits, cut) => {
      const bytes = encodeEndMarker(marker, 1_700_000_000_000);
      for (const [at, byte] of edits) bytes[21 + (at % (bytes.length - 21))] = byte;
      sealBatch(bytes, 0, bytes.length);
      const info = readBatchInfo(bytes, 0);
      const found = info === null ? null : readEndMarker(cut < 50 ? bytes.subarray(0, bytes.length - cut) : bytes, info);
      if (found !== null) expect(["commit", "abort"]).toContain(found.kind);
    }),
    { numRuns: 3000, seed: 1 },
  );
});
