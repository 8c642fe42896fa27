import { expect, test } from "vitest";
import { abortedIndexFormat } from "../../../broker/log/segment/aborted-index.ts";
import { encodeEntries } from "../../../broker/log/segment/index-file.ts";
import { dumpAbortedIndex } from "../../../cli/offline/dump/dump-aborted.ts";
import type { DumpItem } from "../../../cli/offline/dump/dump-item.ts";
import { dumpSegment } from "../../../cli/offline/dump/dump-segment.ts";
import { encodeEndMarker } from "../../../protocol/records/end-marker.ts";
import { startStore } from "../log/log-fixture.ts";

async function dumped(content: Buffer, dump: typeof dumpAbortedIndex): Promise<unknown[]> {
  const { files } = await startStore();
  const file = await files.open("/data/dumped", "readwrite");
  await file.write([content], 0);
  const items: DumpItem[] = [];
  for await (const item of dump(file, 100)) items.push(item);
  return items.map((item) => (item.kind === "damage" ? item.reason : item.json));
}

test("the entries of a .txnindex, and what is wrong with them", async () => {
  const first = { producerId: 7, firstOffset: 101, offset: 105, lastStableOffset: 103 };
  const second = { ...first, firstOffset: 106, offset: 109, lastStableOffset: 110 };
  const content = encodeEntries(abortedIndexFormat, [first, second], 100);
  expect(await dumped(content, dumpAbortedIndex)).toStrictEqual([
    { version: 0, producerId: 7, firstOffset: 101, lastOffset: 105, lastStableOffset: 103 },
    { version: 0, producerId: 7, firstOffset: 106, lastOffset: 109, lastStableOffset: 110 },
  ]);
  expect(await dumped(content.subarray(0, -1), dumpAbortedIndex)).toContain("33 bytes are no whole entry of 34");
  const turned = Buffer.concat([content.subarray(34), content.subarray(0, 34)]);
  expect(await dumped(turned, dumpAbortedIndex)).toContain("a marker at 105 after 109");
  expect(await dumped(Buffer.alloc(34, 0xff), dumpAbortedIndex)).toContain("version -1, known is 0");
});

test("a marker among the batches: its kind, and the coordinator's epoch", async () => {
  const marker = encodeEndMarker({ producerId: 7, producerEpoch: 3, coordinatorEpoch: 9, kind: "abort" }, 1000);
  const dump = (file: Parameters<typeof dumpSegment>[0]) => dumpSegment(file, { records: true, values: false, groups: false });
  expect(await dumped(marker, dump)).toMatchObject([
    { producerId: 7, producerEpoch: 3, isControl: true, isTransactional: true, baseSequence: -1 },
    { control: "abort", coordinatorEpoch: 9, keyBytes: 4, valueBytes: 6 },
    { batches: 1, damaged: 0 },
  ]);
});
