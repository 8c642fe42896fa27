import { describe, expect, test } from "vitest";
import { encodeEntries, offsetIndexFormat, timeIndexFormat } from "../../../../broker/log/segment/index-file.ts";
import { OffsetIndexCheck, TimeIndexCheck, usedBytes } from "../../../../cli/offline/verify/check-index.ts";
import { type GapRules, OffsetsCheck } from "../../../../cli/offline/verify/check-offsets.ts";
import type { Fault } from "../../../../cli/offline/verify/finding.ts";
import type { BatchInfo } from "../../../../protocol/records/batch-header.ts";

/** Ten batches of five offsets and a hundred bytes each, from offset 100 on. */
const batches = Array.from({ length: 10 }, (_, i) => batchAt(i));

function batchAt(i: number, changes: Partial<BatchInfo> = {}): BatchInfo {
  const offsets = { baseOffset: 100 + 5 * i, lastOffset: 104 + 5 * i, recordsCount: 5 };
  const producer = { producerId: -1, producerEpoch: -1, baseSequence: -1, isTransactional: false, isControl: false };
  const times = {
    timestampType: "CreateTime" as const,
    baseTimestampMs: 0,
    maxTimestampMs: 1000 + ((i * 3) % 10),
    hasDeleteHorizon: false,
  };
  return { position: 100 * i, sizeInBytes: 100, leaderEpoch: 0, codec: "none", ...offsets, ...producer, ...times, ...changes };
}

function offsetFaults(entries: readonly { readonly offset: number; readonly position: number }[], padding = 0): readonly string[] {
  const faults: Fault[] = [];
  const bytes = Buffer.concat([encodeEntries(offsetIndexFormat, entries, 100), Buffer.alloc(padding)]);
  const check = new OffsetIndexCheck(bytes, 100, (fault) => faults.push(fault));
  for (const batch of batches) check.batch(batch, true);
  check.end(1000, true);
  return faults.map(({ reason }) => reason);
}

function timeFaults(entries: readonly { readonly offset: number; readonly timestampMs: number }[], isComplete = false): readonly string[] {
  const faults: Fault[] = [];
  const check = new TimeIndexCheck(encodeEntries(timeIndexFormat, entries, 100), 100, (fault) => faults.push(fault));
  for (const batch of batches) check.batch(batch, true);
  check.end({ isWhole: true, isComplete });
  return faults.map(({ reason }) => reason);
}

describe("an entry of an offset index", () => {
  test("names the last offset of the batch at its position, or, as Kafka's followers write it, of a batch further on", () => {
    expect(
      offsetFaults([
        { offset: 114, position: 200 },
        { offset: 134, position: 600 },
      ]),
    ).toEqual([]);
    expect(
      offsetFaults([
        { offset: 124, position: 200 },
        { offset: 149, position: 600 },
      ]),
    ).toEqual([]);
  });

  test("is wrong where no batch begins, where another does, and behind the end", () => {
    expect(offsetFaults([{ offset: 114, position: 201 }])).toEqual([expect.stringContaining("where no batch begins")]);
    expect(offsetFaults([{ offset: 109, position: 200 }])).toEqual([expect.stringContaining("where another batch begins")]);
    expect(offsetFaults([{ offset: 122, position: 200 }])).toEqual([expect.stringContaining("where another batch begins")]);
    expect(offsetFaults([{ offset: 154, position: 1000 }])).toEqual([expect.stringContaining("the segment of 1000 bytes does not have")]);
  });

  test("does not hide what is wrong with the next", () => {
    expect(
      offsetFaults([
        { offset: 113, position: 201 },
        { offset: 134, position: 600 },
        { offset: 139, position: 701 },
      ]),
    ).toHaveLength(2);
  });

  test("may be followed by the zeros of an index that was made at its full size", () => {
    expect(offsetFaults([{ offset: 114, position: 200 }], 800)).toEqual([]);
    expect(offsetFaults([], 800)).toEqual([]);
    expect(usedBytes(offsetIndexFormat, Buffer.alloc(8))).toBe(8);
  });
});

describe("an entry of a time index", () => {
  // the batches' largest timestamps: 1000 1003 1006 1009 1002 …
  test("has the largest timestamp so far, and the batch that has it", () => {
    expect(
      timeFaults(
        [
          { timestampMs: 1003, offset: 109 },
          { timestampMs: 1009, offset: 119 },
        ],
        true,
      ),
    ).toEqual([]);
    expect(timeFaults([{ timestampMs: 1003, offset: 107 }])).toEqual([]);
  });

  test("is wrong with another batch, with one that is not the newest so far, and behind the end", () => {
    expect(timeFaults([{ timestampMs: 1004, offset: 109 }])).toEqual([expect.stringContaining("whose batch has 1003")]);
    expect(timeFaults([{ timestampMs: 1002, offset: 124 }])).toEqual([expect.stringContaining("an earlier batch has 1009")]);
    expect(timeFaults([{ timestampMs: 1009, offset: 150 }])).toEqual([expect.stringContaining("behind the segment's end")]);
  });

  test("is the largest of all when the segment is closed", () => {
    expect(timeFaults([{ timestampMs: 1006, offset: 114 }], false)).toEqual([]);
    expect(timeFaults([{ timestampMs: 1006, offset: 114 }], true)).toEqual([expect.stringContaining("the segment's largest is 1009")]);
  });
});

function rulesWith(changes: Partial<GapRules>): GapRules {
  return { cleanedTo: 0, isCompacted: false, believedGaps: new Set(), ...changes };
}

describe("offsets", () => {
  function faultsOf(changed: readonly BatchInfo[], rules: GapRules = rulesWith({})): readonly (readonly [string, number | undefined])[] {
    const check = new OffsetsCheck(rules);
    check.segment(100);
    return changed.flatMap((batch) => check.batch(batch)).map(({ kind = "problem", offset }) => [kind, offset]);
  }

  test("go on from batch to batch", () => {
    expect(faultsOf(batches)).toEqual([]);
    expect(faultsOf([...batches.slice(0, 3), ...batches.slice(2)])).toEqual([["problem", 110]]);
    expect(faultsOf([...batches.slice(0, 3), ...batches.slice(4)])).toEqual([["problem", 120]]);
  });

  test("may be missing below what was compacted, inside of batches too", () => {
    const sparse = [batchAt(0), batchAt(2, { recordsCount: 2 }), batchAt(3, { recordsCount: 0 }), batchAt(5)];
    expect(faultsOf(sparse, rulesWith({ cleanedTo: 125, isCompacted: true }))).toEqual([]);
    expect(faultsOf(sparse, rulesWith({ cleanedTo: 115, isCompacted: true }))).toEqual([
      ["note", 115],
      ["note", 125],
    ]);
    expect(faultsOf(sparse, rulesWith({ cleanedTo: 115, isCompacted: false }))).toEqual([
      ["problem", 115],
      ["problem", 125],
    ]);
  });

  test("go on from segment to segment, wherever the cleaner was, but for gaps of Kafka's", () => {
    const gaps = (rules: Partial<GapRules>, nextBase = 120) => {
      const check = new OffsetsCheck(rulesWith({ cleanedTo: 500, isCompacted: true, ...rules }));
      check.segment(100);
      for (const batch of batches.slice(0, 3)) expect(check.batch(batch)).toEqual([]);
      return check.segment(nextBase).map(({ kind = "problem", offset }) => [kind, offset]);
    };
    expect(gaps({}, 115)).toEqual([]);
    expect(gaps({})).toEqual([["problem", 115]]);
    expect(gaps({}, 115 + 2 ** 31)).toEqual([["note", 115 + 2 ** 31]]);
    expect(gaps({ believedGaps: new Set([120]) })).toEqual([]);
    expect(gaps({ believedGaps: new Set([125]) })).toEqual([["problem", 115]]);
    expect(gaps({ believedGaps: null })).toEqual([]);
  });

  test("cannot be fewer than records", () => {
    expect(faultsOf([batchAt(0, { recordsCount: 6 })])).toEqual([["problem", 100]]);
    expect(faultsOf([batchAt(0, { recordsCount: -1 })])).toEqual([["problem", 100]]);
  });

  test("are not missed where something could not be read", () => {
    const check = new OffsetsCheck(rulesWith({}));
    check.segment(100);
    check.unreadable();
    expect(check.batch(batchAt(4))).toEqual([]);
    expect(check.batch(batchAt(3))).toHaveLength(1);
  });
});
