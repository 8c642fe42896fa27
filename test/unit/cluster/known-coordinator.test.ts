import { expect, test } from "vitest";
import { CoordinatorNotReached, KnownCoordinator } from "../../../broker/known-coordinator.ts";
import type { Coordinator } from "../../../coordinator-client/coordinator.ts";
import { silentLogger } from "../../../protocol/base/logger.ts";
import { seededRandom } from "../../../protocol/base/random.ts";
import { SimClock } from "../../sim/sim-clock.ts";

function startWith(connectionTimeoutMs: number | null) {
  const clock = new SimClock();
  const words: string[] = [];
  const { promise: answers, resolve: answer } = Promise.withResolvers<void>();
  const connected = (signal?: AbortSignal) => {
    const { promise: late, reject } = Promise.withResolvers<never>();
    signal?.addEventListener("abort", () => reject(signal.reason));
    return Promise.race([answers, late]);
  };
  const settings = { coordinator: { connect: "zk:2181", sessionTimeoutMs: 18_000, connectionTimeoutMs } };
  const options = {
    settings,
    clock: clock.forOwner("1"),
    random: seededRandom(1),
    log: silentLogger,
    onWaiting: (said: string) => words.push(said),
  };
  const start = new KnownCoordinator({ connected } as unknown as Coordinator, options as never);
  return { clock, words, answer, reached: start.reach() };
}

test("a start that finds no coordinator waits for it, and says so now and then", async () => {
  const { clock, words, answer, reached } = startWith(null);
  while (clock.nowMs < 130_000 && (await clock.step()));
  expect(words.map((said) => /zk:2181 for (\d+) s.* goes on trying$/.exec(said)?.[1])).toEqual(["4", "64", "124"]);
  answer();
  await reached;
});

test("it gives up after the time it was given", async () => {
  const { clock, words, reached } = startWith(6_000);
  const failed = expect(reached).rejects.toThrow(CoordinatorNotReached);
  while (await clock.step());
  await failed;
  expect([clock.nowMs, words]).toEqual([6_000, []]);
});
