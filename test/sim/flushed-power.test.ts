import { describe, expect, test } from "vitest";
import { partitions, World } from "./world.ts";

/**
 * The power of all brokers fails at once, three times, while records are in flight. The result lists what broke: a lost record that was
 * acknowledged or consumed, among others.
 */
async function played(seed: number, configs: Readonly<Record<string, string>>): Promise<readonly string[]> {
  const world = new World(seed, null);
  const { brokers, workload, checker, clock, random } = world;
  const isDone = async (what: string, condition: () => boolean) => {
    const done = await world.until(condition, 60_000);
    if (!done && world.violations.length === 0) world.violated(`not within a minute: ${what}`);
    return done;
  };
  for (const broker of brokers) broker.start();
  if (!(await isDone("start", () => brokers.every(({ isReady }) => isReady)))) return world.violations;
  let isReading = false;
  const created = workload.createTopic({ "min.insync.replicas": "2", "segment.bytes": "2000", ...configs });
  void created
    .then(() => workload.startConsuming())
    .then(() => {
      isReading = true;
    });
  if (!(await isDone("topic", () => isReading && world.isConverged))) return world.violations;
  workload.startSending(40, 0.2);
  for (let round = 0; round < 3; round++) {
    const failsAtMs = clock.nowMs + 300 + random.next() * 2500;
    if (!(await isDone("time passes", () => clock.nowMs >= failsAtMs))) return world.violations;
    // not like `losePower`: no broker may lack anything
    for (const broker of brokers) {
      broker.crash("power");
      clock.schedule("test", random.next() * 3000, () => broker.supervise());
    }
    if (!(await isDone("whole again", () => world.isConverged))) return world.violations;
  }
  workload.stopSending();
  if (!(await isDone("every send is settled", () => workload.isSettled))) return world.violations;
  // also behind those of the hasty producer
  for (let partition = 0; partition < partitions; partition++) void workload.send(`last${partition}:`, partition);
  const isRead = () =>
    workload.sends.every(({ state, partition, offset }) => state !== "acknowledged" || checker.consumedEnd(partition) > offset);
  if (await isDone("settled, alike and read", () => workload.isSettled && isRead() && checker.areAlike())) checker.finish(workload.sends);
  expect(
    workload.sends.filter(({ state }) => state === "acknowledged").length > 30,
    `seed ${seed}: records were acknowledged`,
  ).toBeTruthy();
  return world.violations;
}

const seeds = Array.from({ length: 12 }, (_, index) => index + 1);

describe("the power of all brokers at once", () => {
  test.each(seeds)("takes nothing that was acknowledged, with flush.messages=1 (seed %i)", async (seed) => {
    expect(await played(seed, { "flush.messages": "1" })).toStrictEqual([]);
  });

  test("may take something without it, which shows that the test would notice", async () => {
    const lost: string[] = [];
    for (const seed of seeds.slice(0, 4)) lost.push(...(await played(seed, {})));
    expect(
      lost.some((violation) => violation.startsWith("I1")),
      `none lost an acknowledged record: ${lost}`,
    ).toBeTruthy();
  });
});
