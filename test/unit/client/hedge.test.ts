import { expect, test } from "vitest";
import { hedged } from "../../../client/network/hedge.ts";
import { ManualClock } from "./manual-clock.ts";

const limits = { slowAfterMs: 100, atOnceMax: 2 };

/** Attempts that are settled by hand, and when each began. */
function scripted(clock: ManualClock) {
  const attempts = new Map<string, PromiseWithResolvers<string> & { readonly atMs: number; readonly signal: AbortSignal }>();
  const attempt = (name: string, signal: AbortSignal) => {
    const settle = Promise.withResolvers<string>();
    attempts.set(name, { ...settle, atMs: clock.monotonicMs(), signal });
    return settle.promise;
  };
  return { attempts, attempt };
}

test("a slow attempt gets company, the first answer wins, and the others hear that they are not needed", async () => {
  const clock = new ManualClock();
  const { attempts, attempt } = scripted(clock);
  const answer = hedged(clock, ["a", "b"], limits, attempt);
  await clock.advance(99);
  expect([...attempts.keys()]).toEqual(["a"]);
  await clock.advance(1);
  expect([...attempts.keys()]).toEqual(["a", "b"]);
  attempts.get("b")?.resolve("from b");
  expect(await answer).toBe("from b");
  expect(attempts.get("a")?.signal.aborted).toBe(true);
});

test("a slow attempt may still win", async () => {
  const clock = new ManualClock();
  const { attempts, attempt } = scripted(clock);
  const answer = hedged(clock, ["a", "b"], limits, attempt);
  await clock.advance(150);
  attempts.get("b")?.reject(new Error("b is away"));
  await clock.advance(10_000);
  attempts.get("a")?.resolve("from a");
  expect(await answer).toBe("from a");
});

test("a failure brings the next one at once; no more than allowed are under way", async () => {
  const clock = new ManualClock();
  const { attempts, attempt } = scripted(clock);
  const answer = hedged(clock, ["a", "b", "c", "d"], limits, attempt);
  attempts.get("a")?.reject(new Error("a is away"));
  await clock.settle();
  expect([...attempts].map(([name, { atMs }]) => [name, atMs])).toEqual([
    ["a", 1_000],
    ["b", 1_000],
  ]);
  await clock.advance(10_000);
  expect([...attempts.keys()]).toEqual(["a", "b", "c"]);
  attempts.get("b")?.reject(new Error("b is away"));
  await clock.settle();
  expect([...attempts.keys()]).toEqual(["a", "b", "c", "d"]);
  attempts.get("d")?.resolve("from d");
  expect(await answer).toBe("from d");
});

test("when all fail, all reasons are told; nobody to ask is a failure too", async () => {
  const clock = new ManualClock();
  const { attempts, attempt } = scripted(clock);
  const answer = hedged(clock, ["a", "b"], limits, attempt).catch((error: unknown) => error);
  attempts.get("a")?.reject(new Error("a is away"));
  await clock.settle();
  attempts.get("b")?.reject(new Error("b is away"));
  expect(await answer).toMatchObject({ name: "AggregateError", message: "a is away; b is away" });
  await expect(hedged(clock, [], limits, attempt)).rejects.toBeInstanceOf(AggregateError);
});

test("an abort gives up every attempt", async () => {
  const clock = new ManualClock();
  const { attempts, attempt } = scripted(clock);
  const abort = new AbortController();
  const answer = hedged(clock, ["a", "b"], limits, attempt, abort.signal).catch((error: unknown) => error);
  await clock.advance(120);
  abort.abort(new Error("enough"));
  expect(await answer).toMatchObject({ message: "enough" });
  expect([...attempts.values()].map(({ signal }) => signal.aborted)).toEqual([true, true]);
});
