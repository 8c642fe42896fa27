import { expect, test } from "vitest";
import { DiskPace } from "../../../broker/log/files/disk-pace.ts";
import { sleep } from "../../../protocol/base/clock.ts";
import { silentLogger } from "../../../protocol/base/logger.ts";
import { ManualClock } from "../network/manual-clock.ts";

function world() {
  const clock = new ManualClock();
  /** Time in which the process did not run: it passes, and nothing is called. */
  const standstill = { ms: 0 };
  const ownClock = {
    nowMs: () => clock.nowMs(),
    monotonicMs: () => clock.monotonicMs() + standstill.ms,
    schedule: (delayMs: number, callback: () => void) => clock.schedule(delayMs, callback),
  };
  const lines: { readonly message: string; readonly fields: Record<string, unknown> }[] = [];
  const tell = (fields: object, message: string) => lines.push({ message, fields: { ...fields } });
  const pace = new DiskPace({ clock: ownClock, logger: { ...silentLogger, info: tell, warn: tell }, directory: "/data" });
  /** One write after the other, each taking so long. */
  const writes = async (tookMs: number, count: number) => {
    for (let i = 0; i < count; i++) {
      const done = pace.write(() => sleep(clock, tookMs));
      await clock.advance(tookMs);
      await done;
    }
  };
  return { clock, standstill, pace, lines, writes };
}

test("for how long nothing has come back: since the last of what is under way did, or since it began", async () => {
  const { clock, pace } = world();
  expect(pace.stuckForMs).toBe(0);
  await clock.advance(10_000);
  const [first, second] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const writes = [pace.write(() => first.promise), pace.write(() => second.promise)];
  expect(pace.stuckForMs).toBe(0);
  await clock.advance(700);
  expect(pace.stuckForMs).toBe(700);
  first.resolve();
  await writes[0];
  expect(pace.stuckForMs).toBe(0);
  await clock.advance(400);
  expect(pace.stuckForMs).toBe(400);
  second.resolve();
  await writes[1];
  await clock.advance(400);
  expect(pace.stuckForMs).toBe(0);
});

test("a disk that is slow for seconds is told once, and once when it keeps up again", async () => {
  const { lines, writes } = world();
  await writes(5, 1_000);
  expect(lines).toEqual([]);
  await writes(300, 20);
  expect(lines.map(({ message }) => message)).toEqual([expect.stringMatching(/^this disk is slow/)]);
  expect(lines[0]?.fields).toMatchObject({ directory: "/data", writes: { meanMs: 300, maxMs: 300 } });
  await writes(300, 100);
  expect(lines).toHaveLength(1);
  await writes(5, 2_000);
  expect(lines.slice(1).map(({ message }) => message)).toEqual(["this disk keeps up again"]);
  expect(lines[1]?.fields.slowForMs).toBeGreaterThan(30_000);
});

test("one that does not answer at all is slow, too", async () => {
  const { clock, pace, lines } = world();
  const stuck = pace.write(() => sleep(clock, 60_000));
  await clock.advance(10_000);
  expect(lines.map(({ fields }) => fields.underWay)).toEqual([1]);
  await clock.advance(50_000);
  await stuck;
});

test("a single stall, a few slow writes among many, and long fsyncs in the background are no slow disk", async () => {
  const { clock, pace, lines, writes } = world();
  await writes(3_000, 1);
  await writes(5, 1_000);
  for (let i = 0; i < 20; i++) {
    await writes(150, 1);
    await writes(5, 100);
  }
  const sync = pace.sync(() => sleep(clock, 5_000));
  await writes(5, 1_000);
  await sync;
  expect(lines).toEqual([]);
});

test("a process that did not run for a while learns nothing of its disk from that", async () => {
  const { clock, standstill, pace, lines } = world();
  for (let i = 0; i < 5; i++) {
    const write = pace.write(() => sleep(clock, 10));
    standstill.ms += 5_000;
    await clock.advance(3_000);
    await write;
  }
  expect(lines).toEqual([]);
});

test("costs nothing while nothing is written, and an error is the caller's", async () => {
  const { clock, pace, writes } = world();
  await writes(1, 1);
  await clock.advance(10_000);
  expect(clock.pendingTimers).toBe(0);
  await expect(pace.write(() => Promise.reject(new Error("EIO")))).rejects.toThrow("EIO");
  await clock.advance(10_000);
  expect(clock.pendingTimers).toBe(0);
});
