import { describe, expect, test } from "vitest";
import { Admissions } from "../../../broker/partition/admissions.ts";
import type { AppendOutcome } from "../../../broker/partition/client-contract.ts";
import { Deadlines } from "../../../broker/partition/deadlines.ts";
import { Intake, type Taken } from "../../../broker/partition/intake.ts";
import { codecsAside, compressRecords } from "../../../protocol/records/compression.ts";
import { encodeBatch } from "../../../protocol/records/encode-batch.ts";
import { MemoryLog, testSettings } from "../../support/memory-log.ts";
import { ManualClock, settled } from "../network/manual-clock.ts";

/** Two mebibytes of zeros in a few bytes. */
const bomb = () => encodeBatch([{ key: null, value: Buffer.alloc(2 ** 21), timestampMs: 1 }], { codec: "zstd", compress: compressRecords });

/** The same bytes, as a part of a request of so many. */
function inRequest(bytes: Buffer, requestBytes: number): Buffer {
  const request = Buffer.from(new ArrayBuffer(requestBytes));
  bytes.copy(request);
  return request.subarray(0, bytes.length);
}

/** Partitions of a broker whose other threads do nothing until they are told. */
function setUp() {
  const clock = new ManualClock();
  const unpacking: (() => void)[] = [];
  const unpack: typeof codecsAside.unpack = async (...call) => {
    await new Promise<void>((resolve) => unpacking.push(resolve));
    return codecsAside.unpack(...call);
  };
  const admissions = new Admissions({ clock, codecs: { ...codecsAside, unpack }, plainBytesMax: 2 ** 26 });
  const appended: string[] = [];
  const partition = (name: string) => {
    const state: { refused: Exclude<AppendOutcome, { error: null }> | null; asked: number[] } = { refused: null, asked: [] };
    const intake = new Intake({
      admissions,
      deadlines: new Deadlines(clock),
      replica: { log: new MemoryLog(testSettings), settings: testSettings },
      waitingMax: 100_000,
      refusal: (_, deadlineMs) => {
        state.asked.push(deadlineMs);
        return state.refused;
      },
      append: () => {
        appended.push(name);
        return { error: null, baseOffset: appended.length - 1, endOffset: appended.length, logAppendTimeMs: -1 };
      },
    });
    return { state, intake, take: (records: Buffer) => intake.take(records, { acks: 1 }, 30_000) };
  };
  /** Until all of these are answered. */
  const work = async (taken: readonly (Taken | Promise<Taken>)[]) => {
    let isOver = false;
    const all = Promise.all(taken).finally(() => {
      isOver = true;
    });
    while (!isOver) {
      for (const goOn of unpacking.splice(0)) goOn();
      await clock.advance(1);
      await new Promise((resolve) => setImmediate(resolve));
    }
    return all;
  };
  return { clock, partition, appended, unpacking, work };
}

describe("batches that wait to be unpacked", () => {
  test("keep so much memory of the broker's and no more, that of their whole requests", async () => {
    const { partition, appended, work } = setUp();
    const [one, other] = [partition("one"), partition("other")];
    const request = inRequest(bomb(), 40 * 2 ** 20);
    const taken = [one.take(request), other.take(request), other.take(inRequest(bomb(), 20 * 2 ** 20))];
    const refused = one.take(inRequest(bomb(), 20 * 2 ** 20));
    expect(refused, "in this turn").toMatchObject({ error: "NOT_ENOUGH_REPLICAS", message: "too many batches wait for those before them" });
    await work(taken);
    expect(appended).toStrictEqual(["one", "other", "other"]);
    expect((await work([one.take(inRequest(bomb(), 100 * 2 ** 20))]))[0]?.error, "alone, whatever its size").toBeNull();
  });

  test("are so many and no more", async () => {
    const { partition, work } = setUp();
    const [one, other] = [partition("one"), partition("other")];
    const records = bomb();
    const small = encodeBatch([{ key: null, value: null, timestampMs: 1 }]);
    const taken = [one.take(records), ...Array.from({ length: 9_999 }, () => one.take(small))];
    expect((await other.take(records)).error).toBe("NOT_ENOUGH_REPLICAS");
    expect((await other.take(small)).error, "what need not wait").toBeNull();
    expect(new Set((await work(taken)).map(({ error }) => error))).toStrictEqual(new Set([null]));
    expect((await work([other.take(records)]))[0]?.error).toBeNull();
  });
});

describe("what is no longer wanted when its turn comes", () => {
  test("is not unpacked, and holds nobody else up", async () => {
    const { partition, appended, unpacking, work } = setUp();
    const [one, other, third] = [partition("one"), partition("other"), partition("third")];
    const taken = [one.take(bomb()), other.take(bomb()), other.take(bomb()), third.take(bomb())];
    await settled();
    expect(unpacking.length, "one at a time").toBe(1);
    let unpacked = 0;
    const count = unpacking.push.bind(unpacking);
    unpacking.push = (...resolves) => {
      unpacked++;
      return count(...resolves);
    };
    other.state.refused = { error: "NOT_LEADER_OR_FOLLOWER" };
    const outcomes = await work(taken);
    expect(outcomes.map(({ error }) => error)).toStrictEqual([null, "NOT_LEADER_OR_FOLLOWER", "NOT_LEADER_OR_FOLLOWER", null]);
    expect([appended, unpacked]).toStrictEqual([["one", "third"], 1]);
    expect(new Set(other.state.asked)).toStrictEqual(new Set([30_000]));
  });

  test("is not appended when that was so only after it was unpacked", async () => {
    const { partition, appended, work } = setUp();
    const one = partition("one");
    const taken = one.take(bomb());
    await settled();
    one.state.refused = { error: "REQUEST_TIMED_OUT" };
    expect((await work([taken]))[0]?.error).toBe("REQUEST_TIMED_OUT");
    expect(appended).toStrictEqual([]);
  });
});

test("while appends are held back, what came before is appended first, and what comes waits behind it", async () => {
  const { partition, appended, work, clock } = setUp();
  const one = partition("one");
  const small = encodeBatch([{ key: null, value: null, timestampMs: 1 }]);
  const before = one.take(bomb());
  let isHeld = false;
  void one.intake
    .hold(clock.monotonicMs() + 10_000, () => {})
    .then(() => {
      isHeld = true;
    });
  const after = [one.take(small), one.take(bomb()), one.take(small)];
  await settled();
  expect(isHeld).toBe(false);
  await work([before]);
  await settled();
  expect([isHeld, appended.length]).toEqual([true, 1]);
  one.intake.release();
  expect((await work(after)).map(({ error }) => error)).toEqual([null, null, null]);
  expect(appended.length).toBe(4);
});

test("when held back for too long, what happened is found out before anything is appended", async () => {
  const { partition, appended, clock } = setUp();
  const one = partition("one");
  await one.intake.hold(clock.monotonicMs() + 100, () => {
    one.state.refused = { error: "NOT_LEADER_OR_FOLLOWER" };
  });
  const after = one.take(encodeBatch([{ key: null, value: null, timestampMs: 1 }]));
  await clock.advance(110);
  expect(await after).toMatchObject({ error: "NOT_LEADER_OR_FOLLOWER" });
  expect(appended).toEqual([]);
});
