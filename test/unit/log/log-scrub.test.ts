import { describe, expect, test } from "vitest";
import { LogScrub } from "../../../broker/log/directories/log-scrub.ts";
import type { Log } from "../../../broker/log/log-contract.ts";
import { silentLogger } from "../../../protocol/base/logger.ts";
import { seededRandom } from "../../../protocol/base/random.ts";
import { SimClock } from "../../sim/sim-clock.ts";
import { append, type Fixture, root, settingsWith, startStore, topicId } from "./log-fixture.ts";

const path = `${root}/t-0/00000000000000000000.log`;

/** Eight segments, read from the files. */
async function coldLog(): Promise<Fixture & { log: Log }> {
  const fixture = await startStore(undefined, { tailCacheBytesMax: 0 });
  const log = await fixture.store.open("t", 0, topicId, settingsWith({ segmentBytes: 1000 }));
  for (let i = 0; i < 100; i++) await append(log, [`value ${i}`]);
  return { ...fixture, log };
}

function scrubOf(logs: readonly Log[], bytesPerSecondMax: number, intervalMs = 10_000) {
  const clock = new SimClock();
  const config = { bytesPerSecondMax, intervalMs };
  const parts = { clock: clock.forOwner("scrub"), random: seededRandom(1), logger: silentLogger, config, logs: () => logs };
  return { clock, scrub: new LogScrub(parts) };
}

async function until(clock: SimClock, condition: () => boolean): Promise<void> {
  while (!condition()) if (!(await clock.step())) throw new Error("nothing is left to happen");
}

function rot({ disk }: Fixture, at: number): void {
  disk.corrupt(path, (content) => {
    content[at]! ^= 4;
    return content;
  });
}

describe("a log that nobody reads", () => {
  test("is found damaged, once, and reported like any damage", async () => {
    const fixture = await coldLog();
    const { scrub } = scrubOf([fixture.log], 1e9);
    const found: number[] = [];
    fixture.log.onDamaged(({ offset }) => found.push(offset));
    expect(await scrub.scrubOne()).toBeTruthy();
    expect(fixture.log.damage).toBeNull();
    rot(fixture, 500);
    const later = scrubOf([fixture.log], 1e9).scrub;
    expect(await later.scrubOne()).toBeTruthy();
    expect(fixture.log.damage!.path).toBe(path);
    expect(found.length).toBe(1);
  });

  test("is found without a look at all the others", async () => {
    const read = new Set<number>();
    const emptyLog = (_: unknown, i: number) => {
      const startOffset = () => {
        read.add(i);
        return 0;
      };
      return Object.defineProperty({ damage: null, writtenEndOffset: 0 }, "startOffset", { get: startOffset }) as unknown as Log;
    };
    const many = Array.from({ length: 1000 }, emptyLog);
    let looks = 0;
    const logs = () => {
      looks++;
      return many;
    };
    const parts = { clock: new SimClock().forOwner("scrub"), random: seededRandom(1), logger: silentLogger, logs };
    const scrub = new LogScrub({ ...parts, config: { bytesPerSecondMax: 1e9, intervalMs: 10_000 } });
    while (await scrub.scrubOne());
    expect([read.size, looks]).toStrictEqual([1000, 2]);
  });

  test("is read again when its interval has passed, and another one when it comes", async () => {
    const [first, second] = [await coldLog(), await coldLog()];
    const logs = [first.log];
    const { clock, scrub } = scrubOf(logs, 1e9, 600_000);
    scrub.start();
    await until(clock, () => clock.nowMs > 1000);
    rot(first, 500);
    rot(second, 500);
    logs.push(second.log);
    await until(clock, () => second.log.damage !== null);
    expect(clock.nowMs <= 180_000, `${clock.nowMs}`).toBeTruthy();
    expect(first.log.damage).toBeNull();
    await until(clock, () => first.log.damage !== null);
    expect(clock.nowMs >= 600_000 && clock.nowMs < 730_000, `${clock.nowMs}`).toBeTruthy();
    await scrub.stop();
  });

  test("is read no faster than it may be, and not at all after the end", async () => {
    const { log, disk } = await coldLog();
    const reads: number[] = [];
    const { clock, scrub } = scrubOf([log], 1000);
    disk.fault = ({ kind, path: read }) => {
      if (kind === "read" && read.endsWith(".log")) reads.push(clock.nowMs);
      return null;
    };
    scrub.start();
    await until(clock, () => reads.length >= 7);
    // six segments of nearly a thousand bytes come before the seventh
    expect(clock.nowMs > 5000 && clock.nowMs < 7000, `${clock.nowMs}`).toBeTruthy();
    await scrub.stop();
    const count = reads.length;
    for (let i = 0; i < 20; i++) await clock.step();
    expect(reads.length).toStrictEqual(count);
  });

  test("may be deleted from meanwhile, and closed", async () => {
    const { log, store } = await coldLog();
    const { clock, scrub } = scrubOf([log], 1000);
    scrub.start();
    await until(clock, () => clock.nowMs > 2500);
    await log.advanceStartOffset(60);
    await until(clock, () => clock.nowMs > 5000);
    await store.close();
    await until(clock, () => clock.nowMs > 30_000);
    expect(log.damage).toBeNull();
    await scrub.stop();
  });
});

test("a store reads its logs in the background, when it is told to, until it is closed", async () => {
  const clock = new SimClock();
  const before = await coldLog();
  await before.store.close();
  rot(before, 500);
  const { openLogStore } = await import("../../../broker/log/directories/open-directories.ts");
  const parts = { files: before.disk.attach(), clock: clock.forOwner("b"), random: seededRandom(3), log: silentLogger };
  const scrub = { bytesPerSecondMax: 1e9, intervalMs: 1000 };
  const store = await openLogStore(parts, { directory: root, tailCacheBytesMax: 0, scrub });
  const log = await store.open("t", 0, topicId, settingsWith());
  expect(log.damage).toBeNull();
  await until(clock, () => log.damage !== null);
  await store.close();
});
