import { expect, test } from "vitest";
import type { Link } from "../../protocol/base/transport.ts";
import { unsuspecting } from "./plan.ts";
import type { SimBroker } from "./sim-broker.ts";
import { readStoredLog } from "./stored-log.ts";
import { partitions, topic, World } from "./world.ts";

/*
 * A broker whose power failed lacks records that were acknowledged. Between that life and the one in which it is elected there is another
 * one: a start that fails and shuts down as `main.ts` does. That must not make it look like a broker that has everything.
 */

type Must = (what: string, condition: () => boolean, limitMs?: number) => Promise<void>;
type Scene = { readonly world: World; readonly must: Must; readonly lossy: SimBroker };

const endOf = (broker: SimBroker, partition: number): number => {
  const folder = broker.folderOf(`${topic}-${partition}`);
  return folder === null ? -1 : (readStoredLog(broker.disk, folder)?.endOffset ?? -1);
};

/** Its controller epoch; 0 while there is none. */
const registration = ({ ensemble }: World, { id }: SimBroker): number => ensemble.tree.read(`/brokers/ids/${id}`)?.createdZxid ?? 0;

async function cluster(
  seed: number,
  records: number,
  settings: Readonly<Record<string, string>> = {},
): Promise<{ readonly world: World; readonly must: Must }> {
  const world = new World(seed, null, { ...unsuspecting, ...settings });
  const { brokers, workload } = world;
  const must: Must = async (what, condition, limitMs = 30_000) => {
    if (!(await world.until(condition, limitMs))) throw new Error(`${what}: ${[...world.violations, ...world.trace.latest].join("\n")}`);
  };
  for (const broker of brokers) broker.start();
  await must("start", () => brokers.every(({ isReady }) => isReady));
  void workload.createTopic({ "min.insync.replicas": "1" }).then(() => workload.startConsuming());
  await must("topic", () => world.isConverged);
  for (let number = 0; number < records; number++) void workload.send(`s${number}:`, number % partitions);
  await must("records", () => workload.sends.length === records && workload.isSettled);
  return { world, must };
}

/** Lives that end before any controller has judged what the broker lacks. */
const lives: Readonly<Record<string, (scene: Scene) => Promise<void>>> = {
  "a start that finds its port in use": async ({ world, must, lossy }) => {
    await failedStart(world, must, lossy);
  },
  "two such starts": async ({ world, must, lossy }) => {
    await failedStart(world, must, lossy);
    await failedStart(world, must, lossy);
  },
  "SIGTERM while it waits to be registered": async ({ world, must, lossy }) => {
    lossy.start();
    const isOpening = (line: string) => line.includes(`${lossy.owner} info: the last stop was not clean`);
    await must("it knows the cluster, and opens its logs", () => world.trace.latest.some(isOpening), 1_000);
    lossy.cutCoordinator();
    await world.until(() => false, 300);
    lossy.stop(2_000);
    lossy.healCoordinator();
    await must("it has stopped", () => !lossy.isUp, 1_900);
  },
};

async function failedStart({ network }: World, must: Must, broker: SimBroker): Promise<void> {
  const refuse = (link: Link) => {
    link.destroy();
    return { onData: () => {}, onClose: () => {} };
  };
  const blocker = await network.transportFor("blocker").listen({ host: broker.host, port: 9092 }, refuse);
  broker.start();
  await must("the start has failed", () => !broker.isUp, 2_500);
  await blocker.close();
}

test.each(Object.keys(lives))("a follower that lost records is not elected after %s", async (name) => {
  let lossySeeds = 0;
  for (let seed = 11; seed < 40 && lossySeeds < 3; seed++) {
    const { world, must } = await cluster(seed, 40);
    const { brokers, workload, observer, checker } = world;
    // a leader that is the controller too: with it, all knowledge of the doubt is gone
    const partition = [0, 1].find((each) => observer.state(each)?.leader === observer.controllerId);
    const leader = brokers.find(({ id }) => id === observer.controllerId);
    const [lossy, other] = brokers.filter((broker) => broker !== leader);
    if (partition === undefined || leader === undefined || lossy === undefined || other === undefined) continue;
    other.crash("kill");
    await must("two in sync", () => observer.state(partition)?.isr.length === 2);
    for (let number = 40; number < 80; number++) void workload.send(`s${number}:`, partition);
    await must("more records", () => workload.sends.length === 80 && workload.isSettled);
    const before = endOf(lossy, partition);
    world.network.cut(leader.host, lossy.host);
    world.losePower(lossy, "power-silent");
    if (endOf(lossy, partition) === before) continue;
    lossySeeds++;
    const registered = registration(world, lossy);
    await lives[name]?.({ world, must, lossy });
    lossy.start();
    await must("it has registered", () => registration(world, lossy) > registered, 5_000);
    await world.until(() => false, 100);
    leader.coordinator?.expireSession();
    leader.crash("kill");
    await world.until(() => false, 5_000);
    const { leader: elected } = observer.state(partition) ?? { leader: -1 };
    expect(elected, `seed ${seed}: it lacks what the leader had acknowledged`).toBe(-1);
    world.network.healAll();
    for (const broker of [leader, other]) broker.start();
    await must("convergence", () => world.isConverged && checker.areAlike());
    await must("reading", () => workload.sends.every((sent) => checker.consumedEnd(sent.partition) > sent.offset));
    checker.finish(workload.sends);
    expect(world.violations, `seed ${seed}`).toStrictEqual([]);
  }
  expect(lossySeeds).toBeGreaterThan(0);
});

/**
 * All are down, and the controller has died without a message, when a broker that lost records is started and stopped: no controller can
 * have judged it.
 */
test.each([11, 12, 13])("a clean stop before there is a controller does not make an election clean (seed %i)", async (seed) => {
  // with no broker to hand over to, a controlled shutdown would wait until the others' sessions have expired
  const { world, must } = await cluster(seed, 80, { "controlled.shutdown.enable": "false" });
  const { brokers, observer, ensemble } = world;
  const lossy = brokers.find(({ id }) => id !== observer.controllerId);
  if (lossy === undefined) throw new Error("a broker was expected");
  const before = registration(world, lossy);
  for (const broker of brokers) {
    world.distrust(broker);
    broker.crash("power-silent");
  }
  lossy.start();
  await must("it has registered", () => registration(world, lossy) > before, 2_000);
  await world.until(() => false, 50);
  lossy.stop(2_000);
  await must("it has stopped", () => !lossy.isUp, 1_900);
  await must("the others' sessions have ended", () => brokers.every((broker) => registration(world, broker) === 0), 10_000);
  lossy.start();
  await must("it is elected", () => [0, 1].every((each) => observer.state(each)?.leader === lossy.id), 20_000);
  for (const each of [0, 1]) {
    const state = ensemble.tree.read(`/brokers/topics/${topic}/partitions/${each}/state`);
    expect(JSON.parse(state?.data.toString() ?? "{}"), `partition ${each}`).toMatchObject({ leader_recovery_state: 1, isr: [lossy.id] });
  }
});
