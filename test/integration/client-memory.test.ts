import { setTimeout } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { Admin, orThrow, Producer } from "../../client/index.ts";
import { describeConfigsRequest, describeConfigsResponse } from "../../protocol/messages/describe-configs.ts";
import { findCoordinatorRequest, findCoordinatorResponse } from "../../protocol/messages/find-coordinator.ts";
import { joinGroupRequest } from "../../protocol/messages/join-group.ts";
import { produceRequest } from "../../protocol/messages/produce.ts";
import { encodeBatch } from "../../protocol/records/encode-batch.ts";
import { TestCluster } from "../support/cluster.ts";
import { BrokerWatch } from "../support/outside/broker-watch.ts";
import { fetchFrame } from "../support/outside/fetch-frame.ts";
import { RawLink, readAnswer, requestFrame } from "../support/outside/raw-link.ts";
import { SteadyProducer } from "../support/outside/steady-producer.ts";
import { waitUntil } from "../support/wait-until.ts";

const mebibyte = 1024 * 1024;
const memoryMaxBytes = 24 * mebibyte;
const frameMaxBytes = 10_000_000;
/**
 * Requests of a neighbour are answered within milliseconds on an idle machine; this bound is for a busy one, and below what any of the
 * waits here lasts.
 */
const latencyMaxMs = 3000;
/**
 * What a broker may grow by under attack: the memory for clients, as much again that is waste until it is collected, and what it would have
 * taken anyway.
 */
const growthMaxMib = 2 * 24 + 60;

let cluster: TestCluster;
let admin: Admin;
let watch: BrokerWatch;
let neighbour: SteadyProducer;
const links: RawLink[] = [];

beforeAll(async () => {
  cluster = await TestCluster.start({
    brokers: 2,
    settings: {
      "queued.max.request.bytes": memoryMaxBytes,
      "socket.request.max.bytes": frameMaxBytes,
      "ottla.log.tail.cache.max.bytes": mebibyte,
      "min.insync.replicas": 1,
      "default.replication.factor": 1,
      // a stopped follower is waited for, without a client noticing
      "zookeeper.session.timeout.ms": 20_000,
      "replica.lag.time.max.ms": 20_000,
    },
  });
  admin = new Admin({ bootstrap: cluster.bootstrap });
  orThrow(
    await admin.createTopics([
      { name: "neighbour", assignment: [[1]] },
      { name: "large", assignment: [[1]] },
      { name: "copied", assignment: [[1, 2]] },
    ]),
  );
  await using filler = new Producer({ bootstrap: cluster.bootstrap });
  await Promise.all(Array.from({ length: 30 }, () => filler.send({ topic: "large", value: Buffer.alloc(500_000, "x") })));
});

afterAll(async () => {
  await admin?.close();
  await cluster?.stop();
});

beforeEach(async () => {
  neighbour = new SteadyProducer(cluster.bootstrap, "neighbour", 1);
  await waitUntil("the neighbour to run", () => neighbour.acknowledgedCount > 30);
  watch = await BrokerWatch.start(cluster, 1);
});

afterEach(async () => {
  for (const link of links.splice(0)) link.drop();
  const report = await neighbour.stop();
  expect(watch.isAlive()).toBe(true);
  expect(report.failed).toEqual([]);
  expect(report.maxMs, "the neighbour's slowest request").toBeLessThan(latencyMaxMs);
});

async function open(count: number): Promise<RawLink[]> {
  const opened = await Promise.all(Array.from({ length: count }, () => RawLink.open(cluster.address(1))));
  links.push(...opened);
  return opened;
}

/** Runs `attack`, and while the neighbour continues, measures how much memory the broker takes. MiB, above what it had. */
async function growthDuring(attack: () => Promise<void>): Promise<number> {
  const beforeMib = await watch.residentMib();
  let largestMib = 0;
  await attack();
  const before = neighbour.acknowledgedCount;
  await waitUntil("the neighbour to go on", async () => {
    largestMib = Math.max(largestMib, (await watch.residentMib()) - beforeMib);
    return neighbour.acknowledgedCount > before + 300;
  });
  return largestMib;
}

const closedLines = async () => (await watch.lines()).filter(({ msg }) => /memory for clients .* is spent: closed/.test(String(msg)));

describe("a broker's memory for clients", () => {
  test("half requests take no more than there is, and those that keep them are closed when others need it", async () => {
    const half = Buffer.alloc(frameMaxBytes - 500_000, 1);
    half.writeInt32BE(frameMaxBytes);
    const grownMib = await growthDuring(async () => {
      for (const link of await open(30)) link.send(half);
      await waitUntil("the first of them to be closed", async () => (await closedLines()).length > 0, { timeoutMs: 20_000 });
    });
    expect(grownMib).toBeLessThan(growthMaxMib);
    await using producer = new Producer({ bootstrap: cluster.bootstrap });
    const startedMs = performance.now();
    await producer.send({ topic: "large", value: Buffer.alloc(900_000, "y") });
    expect(performance.now() - startedMs, "a large request gets its turn").toBeLessThan(10_000);
  });

  test("answers that nobody reads take no more than there is", async () => {
    const [described] = orThrow(await admin.describeTopics(["large"]));
    const fetch = fetchFrame(described?.topicId ?? "");
    const grownMib = await growthDuring(async () => {
      for (const link of await open(30)) link.stopReading().send(fetch);
    });
    expect(grownMib).toBeLessThan(growthMaxMib);
    const [reader] = await open(1);
    reader?.send(fetch);
    await waitUntil("somebody who reads to get records all the same", () => (reader?.received.length ?? 0) > 500_000, {
      timeoutMs: 15_000,
    });
  });

  test("clients that come, ask for what is not in memory, and go without reading it leave nothing behind", async () => {
    const [described] = orThrow(await admin.describeTopics(["large"]));
    const fetch = fetchFrame(described?.topicId ?? "");
    let largestMib = 0;
    const beforeMib = await watch.residentMib();
    for (let round = 0; round < 12; round++) {
      const links = await open(20);
      for (const link of links) link.stopReading().send(Buffer.concat([fetch, fetch, fetch]));
      for (let i = 0; i < 5; i++) {
        await setTimeout(100);
        largestMib = Math.max(largestMib, (await watch.residentMib()) - beforeMib);
      }
      for (const link of links) link.drop();
    }
    expect(largestMib).toBeLessThan(growthMaxMib);
    const before = neighbour.acknowledgedCount;
    await waitUntil("the neighbour to go on", () => neighbour.acknowledgedCount > before + 100);
  });

  test("what is asked thousands of times is answered once", async () => {
    const resource = { resourceType: 4, resourceName: "1", configurationKeys: null };
    const resources = Array.from({ length: 20_000 }, () => resource);
    const [link] = await open(1);
    const grownMib = await growthDuring(async () => {
      const body = { resources, includeSynonyms: true, includeDocumentation: true };
      link?.send(requestFrame(describeConfigsRequest, 4, body));
      const [answer = Buffer.alloc(0)] = (await link?.answers(1)) ?? [];
      expect(readAnswer(describeConfigsResponse, 4, answer).results).toHaveLength(1);
      expect(answer.length).toBeLessThan(500_000);
    });
    expect(grownMib).toBeLessThan(growthMaxMib);
  });

  test("members that join and are let wait for ever cost nobody else anything", async () => {
    const groupId = "waiting";
    const [asker] = await open(1);
    const find = { key: "", keyType: 0, coordinatorKeys: [groupId] };
    const coordinator = await waitUntil("a coordinator", async () => {
      const found = (await asker?.ask(findCoordinatorRequest, findCoordinatorResponse, 4, find))?.coordinators[0];
      return found?.errorCode === "NONE" ? found.nodeId : null;
    });
    const join = (metadata: Buffer) =>
      requestFrame(joinGroupRequest, 3, {
        ...{ groupId, sessionTimeoutMs: 1_800_000, rebalanceTimeoutMs: 2 ** 31 - 1, memberId: "", groupInstanceId: null, reason: null },
        ...{ protocolType: "consumer", protocols: [{ name: "range", metadata }] },
      });
    const joiners = await Promise.all(Array.from({ length: 21 }, () => RawLink.open(cluster.address(coordinator))));
    links.push(...joiners);
    joiners[0]?.send(join(Buffer.alloc(2)));
    await joiners[0]?.answers(1); // from here on no member is answered before this one rejoins
    const large = join(Buffer.alloc(900_000, 7));
    for (const link of joiners.slice(1)) link.send(Buffer.concat([large, large, large]));
    const before = neighbour.acknowledgedCount;
    await waitUntil("the neighbour to go on", () => neighbour.acknowledgedCount > before + 300);
    await using producer = new Producer({ bootstrap: cluster.bootstrap });
    const startedMs = performance.now();
    await producer.send({ topic: "large", value: Buffer.alloc(900_000, "z") });
    expect(performance.now() - startedMs, "a large request of another").toBeLessThan(10_000);
  });

  test("producers that wait for a follower that stands still hold nobody else up", async () => {
    const batch = encodeBatch([{ key: null, value: Buffer.alloc(900_000, "w"), headers: [], timestampMs: Date.now() }]);
    const partitionData = [{ index: 0, records: [batch] }];
    const produce = requestFrame(produceRequest, 9, {
      ...{ transactionalId: null, acks: -1, timeoutMs: 60_000 },
      topicData: [{ name: "copied", partitionData }],
    });
    process.kill(cluster.pid(2), "SIGSTOP");
    try {
      const waiting = await open(10);
      for (const link of waiting) link.send(Buffer.concat(Array.from({ length: 8 }, () => produce)));
      const before = neighbour.acknowledgedCount;
      await waitUntil("the neighbour to go on", () => neighbour.acknowledgedCount > before + 300);
      await using producer = new Producer({ bootstrap: [cluster.address(1)] });
      const startedMs = performance.now();
      await producer.send({ topic: "large", value: Buffer.alloc(900_000, "v") });
      expect(performance.now() - startedMs, "a large request of another").toBeLessThan(10_000);
      expect(waiting.map(({ received }) => received.length)).toEqual(waiting.map(() => 0));
    } finally {
      process.kill(cluster.pid(2), "SIGCONT");
    }
  });
});
