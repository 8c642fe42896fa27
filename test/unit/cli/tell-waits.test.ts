import { expect, test } from "vitest";
import { tellWaits } from "../../../cli/output/tell-waits.ts";
import { formatTime } from "../../../cli/output/units.ts";
import type { RetryEvent } from "../../../client/base/client-event-map.ts";
import { ClientEvents } from "../../../client/base/client-events.ts";
import { silentLogger } from "../../../protocol/base/logger.ts";
import { ManualClock } from "../client/manual-clock.ts";

function setUp() {
  const clock = new ManualClock();
  const lines: string[] = [];
  const client = tellWaits(new ClientEvents(silentLogger), { clock, tell: (line) => lines.push(line) });
  const fails = (what: string, reason: string, untilMs: number | null = null) => {
    const event: RetryEvent = { what, topic: null, partition: null, reason, error: new Error(reason), failures: 1, waitedMs: 0, untilMs };
    client.emit("retry", event);
  };
  const settles = (what: string, outcome: "worked" | "gave-up", waitedMs = 0) =>
    client.emit("settled", { what, topic: null, partition: null, outcome, failures: 1, waitedMs });
  /** Every second for so long. */
  const keepsFailing = async (seconds: number, ...[what, reason, untilMs]: Parameters<typeof fails>) => {
    for (let second = 0; second < seconds; second++) {
      fails(what, reason, untilMs);
      await clock.advance(1_000);
    }
  };
  return { clock, lines, fails, settles, keepsFailing };
}

test("a wait is told after three seconds with its end, every ten seconds, and when it is over", async () => {
  const { clock, lines, settles, keepsFailing } = setUp();
  const untilMs = clock.nowMs() + 60_000;
  await keepsFailing(2, "orders-0", "orders-0 has no leader", untilMs);
  expect(lines).toEqual([]);
  await keepsFailing(2, "orders-0", "orders-0 has no leader", untilMs);
  expect(lines).toEqual([`orders-0 has no leader; trying until ${formatTime(untilMs)}`]);
  await keepsFailing(8, "orders-0", "orders-0 has no leader", untilMs);
  expect(lines.length).toBe(1);
  await keepsFailing(2, "orders-0", "orders-0 has no leader", untilMs);
  expect(lines.slice(1)).toEqual([`orders-0 has no leader, for 13 s now; trying until ${formatTime(untilMs)}`]);
  settles("orders-0", "worked", 14_000);
  expect(lines.at(-1)).toBe("orders-0 goes on after 14.0 s");
  await clock.advance(60_000);
  expect(lines.length).toBe(3);
});

test("another reason is told at once, but reasons that take turns are not", async () => {
  const { lines, keepsFailing, fails, clock } = setUp();
  await keepsFailing(4, "orders-0", "first");
  await keepsFailing(4, "orders-0", "second");
  expect(lines).toEqual(["first; trying on", "second; trying on"]);
  for (let turn = 0; turn < 90; turn++) {
    fails("orders-0", `reason ${turn % 2}`);
    await clock.advance(100);
  }
  expect(lines.length).toBeLessThanOrEqual(5);
});

test("what waits together is told in one line; a short wait, and one that was given up, in none", async () => {
  const { clock, lines, fails, settles, keepsFailing } = setUp();
  fails("a", "a waits");
  fails("b", "b waits");
  fails("c", "c waits");
  await keepsFailing(4, "a", "a waits");
  expect(lines).toEqual(["a waits (and 2 more wait); trying on"]);
  settles("b", "worked");
  settles("a", "worked");
  expect(lines.length).toBe(1);
  settles("c", "worked", 4_000);
  expect(lines.at(-1)).toBe("a and 2 others go on after 4.00 s");
  fails("d", "d waits");
  settles("d", "worked");
  await keepsFailing(4, "e", "e waits");
  settles("e", "gave-up");
  await clock.advance(60_000);
  expect(lines.slice(2)).toEqual(["e waits; trying on"]);
});

test("what is not tried any more is not waited for", async () => {
  const { clock, lines, fails } = setUp();
  fails("a", "a waits");
  await clock.advance(300_000);
  expect(lines.length).toBeLessThanOrEqual(5);
  const count = lines.length;
  await clock.advance(300_000);
  expect(lines.length).toBe(count);
});
