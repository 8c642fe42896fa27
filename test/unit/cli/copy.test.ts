import { expect, test } from "vitest";
import { AlreadyThere } from "../../../cli/copy/already-there.ts";
import { parseCopyPosition } from "../../../cli/copy/copy-position.ts";
import type { RecordToFormat } from "../../../cli/output/record-format.ts";

const record: RecordToFormat = {
  topic: "t",
  partition: 1,
  offset: 5,
  timestampMs: 1000,
  key: Buffer.from("k"),
  value: Buffer.from("v"),
  headers: [{ key: "h", value: Buffer.from("x") }],
};

test("a copy is known by its contents, as often as it is there, wherever it is", () => {
  const there = new AlreadyThere({ partition: false, timestamp: true });
  there.add({ ...record, topic: "copy", partition: 0, offset: 77 });
  there.add({ ...record, topic: "copy", partition: 3, offset: 1 });
  expect([there.take(record), there.take(record), there.take(record), there.left]).toEqual([true, true, false, 0]);
});

test("what differs in anything that is kept is another record", () => {
  const others: Partial<RecordToFormat>[] = [
    { key: null },
    { key: Buffer.from("") },
    { key: Buffer.from("kv"), value: Buffer.from("") },
    { value: null },
    { timestampMs: 1001 },
    { headers: [] },
    { headers: [{ key: "hx", value: Buffer.from("") }] },
    { headers: [{ key: "h", value: null }] },
  ];
  for (const other of others) {
    const there = new AlreadyThere({ partition: false, timestamp: true });
    there.add({ ...record, ...other });
    expect({ other, isFound: there.take(record) }).toEqual({ other, isFound: false });
  }
});

test("partitions count where they are kept, times do not where they are not", () => {
  const kept = new AlreadyThere({ partition: true, timestamp: false });
  kept.add({ ...record, timestampMs: 5 });
  expect([kept.take({ ...record, partition: 0 }), kept.take(record)]).toEqual([false, true]);
});

test("only a whole position file is one", () => {
  const identity = { cluster: "c", topic: "t", topicId: "i" };
  const position = { source: identity, target: identity, keepsPartitions: true, sourcePositions: [1, 2], targetEnds: [0] };
  expect(parseCopyPosition(JSON.stringify({ version: 1, ...position }))).toEqual(position);
  const broken = [
    "",
    "{}",
    "null",
    JSON.stringify({ version: 2, ...position }),
    JSON.stringify({ version: 1, ...position, targetEnds: [-1] }),
  ];
  for (const content of broken) expect(parseCopyPosition(content)).toBeNull();
});
