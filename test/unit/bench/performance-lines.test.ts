import { expect, test } from "vitest";
import { consumedTotal, joined, producerWindow } from "../../bench/load/performance-lines.ts";

const window = "87831 records sent, 17566.2 records/sec (17.15 MB/sec), 2585.4 ms avg latency, 3170.0 ms max latency.";
const total =
  "200000 records sent, 17001.02 records/sec (16.60 MB/sec), 2481.22 ms avg latency, 3170.00 ms max latency, 2500 ms 50th, 3100 ms 95th, 3160 ms 99th, 3170 ms 99.9th.";

test("a window of ProducerPerformance is read, and its last line is not one", () => {
  expect(producerWindow(window)).toEqual({ records: 87_831, recordsPerSecond: 17_566.2, averageLatencyMs: 2585.4, maxLatencyMs: 3170 });
  expect(producerWindow(total)).toBeNull();
  expect(producerWindow("[WARN] something else")).toBeNull();
});

test("a window is read where a comma stands before decimals", () => {
  const german = window.replaceAll(/(\d)\.(\d)/g, "$1,$2");
  expect(producerWindow(german)).toEqual(producerWindow(window));
});

test("windows together count by what they held", () => {
  const slow = { records: 100, recordsPerSecond: 20, averageLatencyMs: 10, maxLatencyMs: 50 };
  const quick = { records: 300, recordsPerSecond: 60, averageLatencyMs: 2, maxLatencyMs: 5 };
  expect(joined([slow, quick])).toEqual({ records: 400, recordsPerSecond: 40, averageLatencyMs: 4, maxLatencyMs: 50 });
});

test("a window in which nothing was sent took its time all the same", () => {
  const still = { records: 0, recordsPerSecond: 0, averageLatencyMs: 0, maxLatencyMs: 0 };
  const usual = { records: 100, recordsPerSecond: 20, averageLatencyMs: 10, maxLatencyMs: 50 };
  expect(joined([still, usual]).recordsPerSecond).toBe(10);
});

test("the line of ConsumerPerformance is read by its time of fetching, not of joining a group", () => {
  const line = "2026-11-29 07:20:00:123, 2026-11-29 07:20:05:123, 48.8281, 9.7656, 50000, 10000.0000, 3000, 2000, 24.4141, 25000.0000";
  expect(consumedTotal(line)).toEqual({ records: 50_000, seconds: 2, recordsPerSecond: 25_000, mebibytesPerSecond: 24.4141 });
  expect(consumedTotal("start.time, end.time, data.consumed.in.MB, MB.sec, data.consumed.in.nMsg, nMsg.sec, a, b, c, d")).toBeNull();
});
