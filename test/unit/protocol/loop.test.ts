import { expect, test } from "vitest";
import { type Logger, silentLogger } from "../../../protocol/base/logger.ts";
import { loop } from "../../../protocol/base/loop.ts";
import { seededRandom } from "../../../protocol/base/random.ts";
import { SimClock } from "../../sim/sim-clock.ts";

class Unreachable extends Error {
  override readonly name = "Unreachable";
}

/** What is logged while `step` runs again and again, told how often it was called. */
async function logged(step: (call: number) => void, calls: number): Promise<readonly (readonly [fields: object, message: string])[]> {
  const clock = new SimClock();
  const abort = new AbortController();
  const lines: (readonly [object, string])[] = [];
  const take = (fields: object, message: string) => void lines.push([fields, message]);
  const log: Logger = { ...silentLogger, warn: take, info: take };
  let call = 0;
  const running = loop(
    "asking",
    async () => {
      if (++call > calls) return abort.abort();
      step(call);
    },
    { clock: clock.forOwner("1"), random: seededRandom(1), signal: abort.signal, log, pauseMinMs: 100, pauseMaxMs: 1000 },
  );
  while (await clock.step());
  await running;
  return lines;
}

test("a reason is logged once, then ever more rarely, without a stack, and that it goes on", async () => {
  const lines = await logged((call) => {
    if (call <= 1000) throw new Unreachable("nobody there");
  }, 1001);
  const failures = lines.filter(([, message]) => message === "asking: failed, trying again").map(([fields]) => fields);
  expect(failures.map((fields) => ({ ...fields, pauseMs: 0 }))).toEqual(
    [1, 2, 4, 8, 16, 32, 64, 128, 256, 512].map((count) => ({ reason: "nobody there", failures: count, pauseMs: 0 })),
  );
  expect(lines.at(-1)).toEqual([{ failures: 1000 }, "asking: goes on"]);
});

test("another reason is logged at once, and a mistake of ours with its stack", async () => {
  const lines = await logged((call) => {
    if (call === 6) throw new TypeError("x is not a function");
    throw new Unreachable("nobody there");
  }, 7);
  const failures = lines.filter(([, message]) => message.includes("failed"));
  expect(failures.map(([fields]) => Object.keys(fields)[0])).toEqual(["reason", "reason", "reason", "err"]);
});
