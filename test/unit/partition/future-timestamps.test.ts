import { expect, test } from "vitest";
import { FutureTimestamps } from "../../../broker/partition/future-timestamps.ts";
import type { TopicSettings } from "../../../broker/runtime/topic-settings.ts";
import { encodeBatch } from "../../../protocol/records/encode-batch.ts";
import { testSettings } from "../../support/memory-log.ts";
import { parsedBatch } from "../../support/parsed-batch.ts";
import { type Logged, recordingLogger } from "../network/client-harness.ts";
import { ManualClock } from "../network/manual-clock.ts";

const hourMs = 3_600_000;

function watching() {
  const clock = new ManualClock();
  const lines: Logged[] = [];
  const timestamps = new FutureTimestamps({ clock, logger: recordingLogger(lines) });
  /** A batch whose last record is so far ahead of the clock. */
  const append = (topic: string, aheadMs: number, settings: Partial<TopicSettings> = {}) => {
    const record = { key: null, value: Buffer.from("x"), headers: [] };
    const nowMs = clock.nowMs();
    const batch = encodeBatch([
      { ...record, timestampMs: nowMs },
      { ...record, timestampMs: nowMs + aheadMs },
    ]);
    timestamps.look(topic, 3, parsedBatch(batch).header, { ...testSettings, retentionMs: 7 * 24 * hourMs, ...settings });
  };
  return { clock, lines, append };
}

test("records from the future are told of once per topic and hour", async () => {
  const { clock, lines, append } = watching();
  append("a", hourMs);
  expect(lines.length, "clocks differ").toBe(0);
  append("a", hourMs + 1);
  append("a", 10 * hourMs);
  append("b", 10 * hourMs);
  expect(lines.map(({ level, fields }) => [level, fields.topic, fields.partition])).toStrictEqual([
    ["warn", "a", 3],
    ["warn", "b", 3],
  ]);
  expect(lines[0]?.message ?? "").toMatch(/topic a writes records from the future: retention\.ms keeps them/);
  await clock.advance(hourMs - 1);
  append("a", 10 * hourMs);
  expect(lines.length).toBe(2);
  await clock.advance(1);
  append("a", 10 * hourMs);
  expect(lines.length).toBe(3);
});

test("where retention does not go by records' time, nothing is told", () => {
  const { lines, append } = watching();
  append("a", 10 * hourMs, { messageTimestampType: "LogAppendTime" });
  append("a", 10 * hourMs, { retentionMs: -1 });
  append("a", 10 * hourMs, { cleanupPolicy: "compact" });
  expect(lines.length).toBe(0);
  append("a", 10 * hourMs, { cleanupPolicy: "compact,delete" });
  expect(lines.length).toBe(1);
});

test("of more topics than are remembered the first may be told of again", () => {
  const { lines, append } = watching();
  for (let i = 0; i <= 1000; i++) append(`t${i}`, 10 * hourMs);
  append("t1000", 10 * hourMs);
  expect(lines.length).toBe(1001);
  append("t0", 10 * hourMs);
  expect(lines.length).toBe(1002);
});
