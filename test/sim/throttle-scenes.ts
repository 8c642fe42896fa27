import { Admin, orThrow } from "../../client/index.ts";
import type { SimBroker } from "./sim-broker.ts";
import { partitions, World } from "./world.ts";

/** Of a broker that is away for longer than this, nobody expects that it is back in a moment. */
const lagMaxMs = 2_000;
/** As long as a broker that is gone holds up a produce, and somewhat more. */
const ackMaxMs = 1_000;
const sendEveryMs = 50;

interface Cast {
  readonly world: World;
  /** Neither the controller nor a leader, as far as there is such a one. */
  readonly third: SimBroker;
  readonly sleep: (ms: number) => Promise<void>;
  /** Of all brokers, as a leader and as a follower; null: no limit. */
  readonly limit: (bytesPerSecond: number | null) => Promise<void>;
  readonly isInSync: (broker: SimBroker) => boolean;
  readonly fault: (what: string) => void;
}

type ThrottleScene = (cast: Cast) => Promise<void>;

/** All replicas are in the topic's lists in all of them, and a producer with acks=all goes on and on: it must not notice anything. */
export const throttleScenes: Readonly<Record<string, ThrottleScene>> = {
  "a rate of 0 does not concern replicas that are in sync": async ({ world, sleep, limit, isInSync, fault }) => {
    await limit(0);
    for (let passedMs = 0; passedMs < 5 * lagMaxMs; passedMs += 100) {
      await sleep(100);
      for (const broker of world.brokers) if (!isInSync(broker)) return fault(`${broker.host} fell out of sync after ${passedMs} ms`);
    }
  },
  "a rate of 0 does not concern a replica that was away for a moment": async ({ third, sleep, limit, isInSync, fault }) => {
    await limit(0);
    third.crash("kill");
    await sleep(lagMaxMs / 4);
    third.start();
    await sleep(5 * lagMaxMs);
    if (!isInSync(third)) fault(`${third.host} is not in sync again`);
  },
  "a replica that was away for long catches up at the rate that is set": async ({ world, third, sleep, limit, isInSync, fault }) => {
    const sentBefore = world.workload.sends.length;
    third.crash("kill");
    await sleep(5 * lagMaxMs);
    const missing = (world.workload.sends.length - sentBefore) * recordBytes;
    const bytesPerSecond = 10_000;
    await limit(bytesPerSecond);
    third.start();
    const beganMs = world.clock.nowMs;
    while (!isInSync(third) && world.clock.nowMs - beganMs < 120_000) await sleep(50);
    const leastMs = (missing / bytesPerSecond) * 1000;
    const tookMs = world.clock.nowMs - beganMs;
    if (tookMs < 0.8 * leastMs) fault(`${third.host} had ${missing} bytes after ${tookMs} ms, which is more than the rate allows`);
    // what is written meanwhile, half as much as the rate allows, is to be copied as well
    if (tookMs > 2.5 * leastMs + 5_000) fault(`${third.host} had ${missing} bytes after ${tookMs} ms only`);
  },
  "a replica that waits for the rate is in sync as soon as there is no limit": async ({ third, sleep, limit, isInSync, fault }) => {
    third.crash("kill");
    await sleep(5 * lagMaxMs);
    await limit(0);
    third.start();
    await sleep(5 * lagMaxMs);
    if (isInSync(third)) fault(`${third.host} was sent more than nothing`);
    await limit(null);
    await sleep(lagMaxMs);
    if (!isInSync(third)) fault(`${third.host} is not in sync`);
  },
};

const value = (number: number) => `p${number}:${"x".repeat(100)}`;
/** A batch with one record. */
const recordBytes = 61 + 7 + value(1000).length;
const lists = { "leader.replication.throttled.replicas": "*", "follower.replication.throttled.replicas": "*" };

/** What went wrong. */
export async function playThrottled(scene: ThrottleScene, seed: number): Promise<readonly string[]> {
  const world = new World(seed, null, { "replica.lag.time.max.ms": `${lagMaxMs}` });
  const { brokers, observer, workload, clock, checker } = world;
  const faults: string[] = [];
  const until = async (what: string, condition: () => boolean, limitMs = 60_000) => {
    if (!(await world.until(condition, limitMs))) throw new Error(`not within ${limitMs} ms: ${what}; ${world.violations}`);
  };
  for (const broker of brokers) broker.start();
  await until("the brokers start", () => brokers.every(({ isReady }) => isReady));
  // asked again after a lost answer, it may be there already
  const created = workload.createTopic({ "min.insync.replicas": "1", ...lists }).catch(() => undefined);
  void created.then(() => workload.startConsuming());
  await until("there is a topic", () => world.isConverged);
  const busy = new Set([observer.controllerId, observer.state(0)?.leader, observer.state(1)?.leader]);
  const third = brokers.find(({ id }) => !busy.has(id)) ?? brokers.find(({ id }) => id !== observer.controllerId)!;
  const producing = produceOn(world, (what) => faults.push(what));
  const sleep = async (ms: number) => {
    const endMs = clock.nowMs + ms;
    await world.until(() => clock.nowMs >= endMs, ms + 1_000);
  };
  const ofAll = Array.from({ length: partitions }, (_, partition) => partition);
  const isInSync = ({ id }: SimBroker) => ofAll.every((partition) => observer.state(partition)?.isr.includes(id));
  const limit = async (rate: number | null) => {
    let isSet = false;
    void setRates(world, rate).then(() => {
      isSet = true;
    });
    await until("the rate is set", () => isSet);
  };
  await scene({ world, third, sleep, limit, isInSync, fault: (what) => faults.push(what) });
  producing.stop();
  await limit(null);
  await until("all agree", () => workload.isSettled && world.isConverged && checker.areAlike());
  return [...world.violations, ...faults];
}

function produceOn({ clock, workload }: World, fault: (what: string) => void): { stop(): void } {
  let isOver = false;
  let number = 0;
  const next = async (partition: number): Promise<void> => {
    if (isOver) return;
    const sentMs = clock.nowMs;
    const { state } = await workload.send(value(++number), partition);
    const tookMs = clock.nowMs - sentMs;
    if (state !== "acknowledged" || tookMs > ackMaxMs)
      fault(`a producer waited ${tookMs.toFixed()} ms, at ${sentMs.toFixed()} ms: ${state}`);
    clock.schedule("producer", sendEveryMs, () => void next(partition));
  };
  for (let partition = 0; partition < partitions; partition++) void next(partition);
  return {
    stop: () => {
      isOver = true;
    },
  };
}

async function setRates({ workload }: World, rate: number | null): Promise<void> {
  const bootstrap = "b1:9092,b2:9092,b3:9092";
  await using admin = new Admin({ bootstrap, runtime: workload.runtimeFor("operator") });
  const changes = ["leader.replication.throttled.rate", "follower.replication.throttled.rate"].map((name) =>
    rate === null ? ({ name, operation: "delete" } as const) : ({ name, operation: "set", value: `${rate}` } as const),
  );
  orThrow(await admin.incrementalAlterConfigs([{ resource: { broker: null }, changes }]));
}
