import fc from "fast-check";
import { expect, test } from "vitest";
import { requireInRange } from "../../../cli/consume/require-in-range.ts";
import { TailWindow } from "../../../cli/consume/tail-window.ts";
import { TimeMerge } from "../../../cli/consume/time-merge.ts";
import { namedTopics, parseTopicPattern } from "../../../cli/consume/topic-patterns.ts";
import type { RecordToFormat } from "../../../cli/output/record-format.ts";

function record(partition: number, offset: number, timestampMs: number): RecordToFormat {
  return { topic: "t", partition, offset, timestampMs, key: null, value: Buffer.from(`${partition}/${offset}`), headers: [] };
}

const times = fc.array(fc.nat(50), { maxLength: 20 });

test("merged partitions come out by time, each in its own order, however they arrive", () => {
  fc.assert(
    fc.property(fc.array(times, { maxLength: 4 }), fc.array(fc.nat(3), { maxLength: 40 }), (partitions, arrivals) => {
      const logs = partitions.map((each, partition) =>
        each.toSorted((a, b) => a - b).map((time, offset) => record(partition, offset, time)),
      );
      const merge = new TimeMerge();
      const left = logs.map((log) => [...log]);
      const awaited = () => new Set(left.flatMap((log, partition) => (log.length > 0 ? [`${partition}`] : [])));
      const merged: RecordToFormat[] = [];
      for (const partition of [...arrivals, ...left.flatMap((log, partition) => log.map(() => partition))]) {
        const next = left[partition]?.shift();
        if (next !== undefined) merge.add(`${partition}`, [next]);
        merged.push(...merge.take(awaited()));
      }
      merged.push(...merge.take(new Set()));
      expect(merged.map(({ timestampMs }) => timestampMs)).toEqual(
        logs
          .flat()
          .map(({ timestampMs }) => timestampMs)
          .sort((a, b) => a - b),
      );
      for (const [partition, log] of logs.entries()) expect(merged.filter((each) => each.partition === partition)).toEqual(log);
    }),
  );
});

test("a merged partition keeps its order where its times go back, and what it holds is counted", () => {
  const merge = new TimeMerge();
  merge.add("0", [record(0, 0, 5), record(0, 1, 1)]);
  merge.add("1", [record(1, 0, 3)]);
  expect(merge.bytesOf("0")).toBe(2 * 203);
  expect(merge.take(new Set(["2"]))).toEqual([]);
  expect(merge.take(new Set()).map(({ value }) => value?.toString())).toEqual(["1/0", "0/0", "0/1"]);
  expect([merge.bytesOf("0"), merge.isEmpty("0")]).toEqual([0, true]);
});

test("the tail is what is latest of all that came, in the order of time", () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(2), fc.nat(1000)), { maxLength: 3000 }), fc.integer({ min: 1, max: 50 }), (arrivals, max) => {
      const window = new TailWindow(max);
      const all = arrivals.map(([partition, time], offset) => record(partition, offset, time));
      for (const each of all) window.add([each]);
      const latest = all
        .map(({ timestampMs }) => timestampMs)
        .sort((a, b) => a - b)
        .slice(-max);
      const isOnePartition = new Set(all.map(({ partition }) => partition)).size <= 1;
      const kept = window.records().map(({ timestampMs }) => timestampMs);
      expect(kept).toEqual(isOnePartition ? all.slice(-max).map(({ timestampMs }) => timestampMs) : latest);
    }),
    { numRuns: 30 },
  );
});

test("an offset out of range is told with what there is", () => {
  const ranges = [
    { topic: "t", partition: 0, start: 10, end: 20 },
    { topic: "t", partition: 1, start: 30, end: 30 },
  ];
  expect(() => requireInRange(20, ranges.slice(0, 1))).not.toThrow();
  expect(() => requireInRange(20, ranges)).toThrow(
    "offset 20 is out of range: t-1 is empty and goes on at 30; name others with --partition",
  );
  expect(() => requireInRange(5, ranges)).toThrow("t-0 has 10 to 19 and goes on at 20, t-1 is empty and goes on at 30; --from beginning");
});

test("a topic is a name, a pattern or an expression", () => {
  expect(parseTopicPattern("orders.v-1_x")).toBe("orders.v-1_x");
  expect(parseTopicPattern("a.*?")).toEqual(/^a\..*.$/);
  expect(parseTopicPattern("/^A|b$/i")).toEqual(/^A|b$/i);
  expect(() => parseTopicPattern("/(/")).toThrow("no regular expression");
});

test("a pattern that matches nothing is a slip, unless none need be there", async () => {
  const admin = { listTopics: async () => [{ name: "a", topicId: null, isInternal: false, partitions: [] }] };
  const none = parseTopicPattern("b*");
  await expect(namedTopics(admin as never, [none])).rejects.toThrow(/no topic matches/);
  expect(await namedTopics(admin as never, [none], { mayMatchNone: true })).toEqual([]);
  expect(await namedTopics(admin as never, [none, "c", parseTopicPattern("a*")], { mayMatchNone: true })).toEqual(["c", "a"]);
});
