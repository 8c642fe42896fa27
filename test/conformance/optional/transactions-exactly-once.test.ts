import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Admin, orThrow } from "../../../client/index.ts";
import { TestCluster } from "../../support/cluster.ts";
import { committedToTheEnd, ExactlyOnceWorker, feed, leaderOf, wrongOutputs } from "../../support/outside/exactly-once.ts";
import { prepareTransactionPrograms, programTransactionClient } from "../../support/outside/transaction-programs.ts";
import { waitUntil } from "../../support/wait-until.ts";

// Workers around clients that are not ours share a topic and turn it into another one, exactly once: those that can be had here.
const programs = (await prepareTransactionPrograms()).flatMap(({ name, prepared: { program } }) =>
  program === null ? [] : [{ name, program }],
);
const enough = programs.length >= 2;

const partitionCount = 4;
const inputsPerPartition = 500;
let cluster: TestCluster;

beforeAll(async () => {
  if (!enough) return;
  const settings = { "transaction.state.log.num.partitions": 6, "offsets.topic.num.partitions": 6, "group.initial.rebalance.delay.ms": 0 };
  cluster = await TestCluster.start({ settings });
});

afterAll(async () => {
  await cluster?.stop();
});

const title = `${programs.map(({ name }) => name).join(", ")}: what they consume is processed once, though a worker and a leader are killed`;

test.skipIf(!enough)(title, async () => {
  const { bootstrap } = cluster;
  const order = { bootstrap, group: "workers", from: "inputs", to: "outputs" };
  await using admin = new Admin({ bootstrap });
  const created = [order.from, order.to].map((name) => ({ name, partitions: partitionCount, replicationFactor: 3 }));
  orThrow(await admin.createTopics(created));
  const workers = programs.map(({ name, program }) => new ExactlyOnceWorker(name, program, order));
  const complaints = () => workers.map(({ name, processed, said }) => `${name} processed ${processed} and said ${said}`).join("\n");
  try {
    const feeding = feed(bootstrap, order.from, partitionCount, inputsPerPartition);
    await waitUntil("every worker to have processed something", async () => workers.every(({ processed }) => processed > 0));
    const [first] = workers;
    await first!.kill();
    const leader = await leaderOf(bootstrap, order.to, 0);
    await sleep(1000);
    await cluster.kill(leader);
    first!.restart();
    await sleep(3000);
    await cluster.startBroker(leader);
    const inputs = await feeding;
    const positions = await committedToTheEnd(order, inputs);
    for (const worker of workers) await worker.stop();

    for (const { name, program } of programs) {
      const outputs = await programTransactionClient(name, program, bootstrap).read(order.to, "read_committed");
      expect(wrongOutputs(inputs, positions, outputs), name).toEqual([]);
    }
    await cluster.replicasIdentical(order.to);
  } catch (error) {
    throw new Error(`${(error as Error).message}\n${complaints()}`, { cause: error });
  } finally {
    await Promise.all(workers.map((worker) => worker.kill()));
  }
});
