import { expect, test } from "vitest";
import { sparingLogger } from "../../../broker/runtime/sparing-logger.ts";
import { type Logger, silentLogger } from "../../../protocol/base/logger.ts";
import { SimClock } from "../../sim/sim-clock.ts";

test("of what happens many times at once the first is logged, and how often it happened; warnings are all let through", async () => {
  const sim = new SimClock();
  const lines: string[] = [];
  const take = (level: string) => (fields: object, message: string) => void lines.push(`${level} ${message} ${JSON.stringify(fields)}`);
  const log: Logger = { ...silentLogger, info: take("info"), warn: take("warn") };
  const sparing = sparingLogger(log, sim.forOwner("broker"));
  for (let partition = 0; partition < 1_000; partition++) sparing.info({ partition }, "leading");
  sparing.info({}, "something else");
  for (let partition = 0; partition < 30; partition++) sparing.warn({ partition }, "fenced");
  expect(lines.filter((line) => line.startsWith("info leading"))).toHaveLength(20);
  expect(lines.filter((line) => line.startsWith("warn"))).toHaveLength(30);
  while (await sim.step());
  expect(lines.at(-1)).toBe('info leading: and more of the same {"more":980,"withinMs":1000}');
  sparing.info({ partition: 5 }, "leading");
  while (await sim.step());
  expect(lines.at(-1)).toBe('info leading {"partition":5}');
});
