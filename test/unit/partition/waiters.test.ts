import { describe, expect, test } from "vitest";
import { Deadlines } from "../../../broker/partition/deadlines.ts";
import { ChangeWaiters, OffsetWaiters } from "../../../broker/partition/waiters.ts";
import { ManualClock, settled } from "../network/manual-clock.ts";

function setUp(waitersMax = 100) {
  const clock = new ManualClock();
  const deadlines = new Deadlines(clock);
  return { clock, offsets: new OffsetWaiters(deadlines, waitersMax), changes: new ChangeWaiters(deadlines, waitersMax) };
}

describe("waiting for an offset", () => {
  test("ends when the high watermark reaches it, in order", async () => {
    const { offsets } = setUp();
    const ended: string[] = [];
    for (const offset of [5, 8, 8, 12]) void offsets.wait(offset, 1000).then((end) => ended.push(`${offset} ${end}`));
    offsets.reached(8);
    await settled();
    expect(ended).toStrictEqual(["5 reached", "8 reached", "8 reached"]);
    expect(offsets.size).toBe(1);
  });

  test("ends at its deadline, whatever others wait for, and one timer serves all", async () => {
    const { clock, offsets } = setUp();
    const ended: string[] = [];
    for (const [offset, deadlineMs] of [[5, 300], [6, 100], [7, 200]] as const) // biome-ignore format: one line
      void offsets.wait(offset, deadlineMs).then((end) => ended.push(`${offset} ${end}`));
    expect(clock.pendingTimers).toBe(1);
    await clock.advance(99);
    expect(ended).toStrictEqual([]);
    await clock.advance(106);
    expect(ended).toStrictEqual(["6 timed-out", "7 timed-out"]);
    offsets.reached(100);
    await settled();
    expect(ended.at(-1)).toStrictEqual("5 reached");
    await clock.advance(1000);
    expect(ended.length, "settled once").toBe(3);
    expect(clock.pendingTimers).toBe(0);
  });

  test("ends for all when leadership is lost", { timeout: 2000 }, async () => {
    const { offsets } = setUp();
    const both = Promise.all([offsets.wait(5, 1000), offsets.wait(6, 1000)]);
    offsets.settleAll("lost-leadership");
    expect(await both).toStrictEqual(["lost-leadership", "lost-leadership"]);
    offsets.reached(4);
    const late = Promise.all([offsets.wait(4, 1000), offsets.wait(7, 1000)]);
    expect(await late, "and for those that come only then").toStrictEqual(["reached", "lost-leadership"]);
  });

  test("is bounded", () => {
    const { offsets } = setUp(2);
    void offsets.wait(1, 1000);
    expect(offsets.isFull).toBe(false);
    void offsets.wait(1, 1000);
    expect(offsets.isFull).toBe(true);
  });
});

describe("waiting for news", () => {
  async function hasEnded(promise: Promise<void>): Promise<boolean> {
    let ended = false;
    void promise.then(() => {
      ended = true;
    });
    await settled();
    return ended;
  }

  test("ends with the first of its keys, and not with others'", async () => {
    const { changes } = setUp();
    const waiting = changes.wait(["a", "b"], 1000);
    changes.notify("c");
    expect(await hasEnded(waiting)).toBe(false);
    changes.notify("b");
    expect(await hasEnded(waiting)).toBe(true);
    expect(changes.size).toBe(0);
  });

  test("ends at its deadline, and when its signal aborts", async () => {
    const { clock, changes } = setUp();
    const controller = new AbortController();
    const aborted = changes.wait(["a"], 1000, controller.signal);
    const expiring = changes.wait(["a"], 500);
    controller.abort();
    expect(await hasEnded(aborted)).toBe(true);
    await clock.advance(500);
    expect(await hasEnded(expiring)).toBe(true);
    expect(await hasEnded(changes.wait(["a"], 5000, controller.signal))).toBe(true);
  });

  test("beyond the bound lasts until its deadline", async () => {
    const { clock, changes } = setUp(1);
    void changes.wait(["a"], 1000);
    const surplus = changes.wait(["a"], 1000);
    changes.notify("a");
    expect(await hasEnded(surplus)).toBe(false);
    await clock.advance(1000);
    expect(await hasEnded(surplus)).toBe(true);
  });
});
