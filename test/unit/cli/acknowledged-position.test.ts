import fc from "fast-check";
import { expect, test } from "vitest";
import { AcknowledgedPosition } from "../../../cli/produce/acknowledged-position.ts";

test("the position waits for the earliest line that is not acknowledged", () => {
  const stored = new AcknowledgedPosition(100);
  for (const end of [110, 120, 130]) stored.sent(end);
  stored.acknowledged(130);
  stored.acknowledged(120);
  expect(stored.position).toBe(100);
  stored.acknowledged(110);
  expect(stored.position).toBe(130);
  expect(stored.underWay).toBe(0);
});

test("lines out of order are our own mistake", () => {
  const stored = new AcknowledgedPosition(100);
  expect(() => stored.sent(100)).toThrow("in order");
});

test("in whatever order acknowledgements come, nothing before the position is missing", () => {
  fc.assert(
    fc.property(fc.shuffledSubarray([...Array(3000).keys()], { minLength: 2900 }), (order) => {
      const stored = new AcknowledgedPosition();
      for (let line = 0; line < 3000; line++) stored.sent(line + 1);
      const done = new Set<number>();
      for (const line of order) {
        stored.acknowledged(line + 1);
        done.add(line);
      }
      let expected = 0;
      while (done.has(expected)) expected++;
      expect(stored.position).toBe(expected);
    }),
    { numRuns: 20 },
  );
});
