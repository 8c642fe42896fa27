import { expect, test } from "vitest";
import { LiveBrokers } from "../../../cli/up/live-brokers.ts";
import { ManualClock } from "../client/manual-clock.ts";

function setUp(size: number, copies: number) {
  const clock = new ManualClock();
  const lines: string[] = [];
  const living = new LiveBrokers({ clock, tell: (line) => lines.push(line), size, copies });
  const start = async () => {
    const exited = Promise.withResolvers<string>();
    living.watched({ ready: () => Promise.resolve(null as never), exited: exited.promise });
    await clock.settle();
    return async () => {
      exited.resolve("killed");
      await clock.settle();
    };
  };
  return { clock, lines, living, start };
}

test("what too few brokers mean for topics made on their first use is told after three seconds, but not of one that is soon back", async () => {
  const { clock, lines, living, start } = setUp(3, 3);
  await start();
  const killSecond = await start();
  const killThird = await start();
  await killThird();
  await clock.advance(2_000);
  const killAgain = await start();
  await clock.advance(10_000);
  expect(lines).toEqual([]);
  await killAgain();
  await clock.advance(3_000);
  expect(lines).toEqual([expect.stringMatching(/^2 of 3 brokers live: .* get 3 copies, and wait until 3 live; .*--replication-factor 2`/)]);
  living.end();
  await killSecond();
  await clock.advance(10_000);
  expect(lines.length).toBe(1);
});

test("nothing is told while enough are left, and before all were there", async () => {
  const more = setUp(4, 3);
  const kills = [await more.start(), await more.start(), await more.start(), await more.start()];
  await kills[0]?.();
  await more.clock.advance(10_000);
  expect(more.lines).toEqual([]);
  const starting = setUp(3, 3);
  await (await starting.start())();
  await starting.clock.advance(10_000);
  expect(starting.lines).toEqual([]);
});
