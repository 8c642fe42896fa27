import { expect, test } from "vitest";
import { exactlyOnce } from "../exactly-once/exactly-once.ts";

// A short one of `npm run exactly-once`.
test("what workers consume is processed once, though they and brokers are killed", async () => {
  const lines: string[] = [];
  const wrong = await exactlyOnce({ kills: 4, seed: 1, say: (line) => lines.push(line) });
  expect(wrong, lines.join("\n")).toEqual([]);
}, 400_000);
