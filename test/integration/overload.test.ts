import { connect, type Socket } from "node:net";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { Admin, orThrow, Producer } from "../../client/index.ts";
import { metadataRequest } from "../../protocol/messages/metadata.ts";
import { produceRequest } from "../../protocol/messages/produce.ts";
import { encodeBatch } from "../../protocol/records/encode-batch.ts";
import { TestCluster } from "../support/cluster.ts";
import { BrokerWatch } from "../support/outside/broker-watch.ts";
import { requestFrame } from "../support/outside/raw-link.ts";
import { SteadyProducer } from "../support/outside/steady-producer.ts";
import { fetchFrom } from "../support/partition-requests.ts";
import { RawConnection } from "../support/raw-request.ts";
import { SlowMachine } from "../support/slow-machine.ts";
import { makeTestFolder, removeTestFolder } from "../support/test-folder.ts";
import { waitUntil } from "../support/wait-until.ts";

const mebibyte = 1024 * 1024;
const clientMemoryMib = 64;
const tailCacheMib = 8;
/**
 * What clients may take, as much again that is waste until it is collected, the tails of the logs, and what a broker takes in any case. Of
 * one and the same code, 387 to 448 MiB were seen.
 */
const residentMaxMib = 2 * clientMemoryMib + tailCacheMib + 350;
/** A neighbour's requests are answered within milliseconds on an idle machine; this bound is for a busy one. */
const latencyMaxMs = 5_000;
/** What would show that brokers, sessions or leaderships were disturbed. */
const disturbances = /another broker|suspected brokers|session lost|link lost|elected controller|in-sync set changed|cannot|a bug/;
const target = 1;
const folder = await makeTestFolder("overload");
let machine: SlowMachine;
let cluster: TestCluster;
let admin: Admin;
let neighbour: SteadyProducer;
let watches: BrokerWatch[];
let peakMib = 0;
let sampling: NodeJS.Timeout;
const sockets: Socket[] = [];

beforeAll(async () => {
  machine = await SlowMachine.make(folder);
  cluster = await TestCluster.start({
    prefixOf: { [target]: machine.prefix },
    settings: {
      "queued.max.request.bytes": clientMemoryMib * mebibyte,
      "socket.request.max.bytes": 10_000_000,
      "ottla.log.tail.cache.max.bytes": tailCacheMib * mebibyte,
      "zookeeper.session.timeout.ms": 6_000,
      // on a busy machine a process may wait for a second to run at all
      "broker.suspect.timeout.ms": 2_000,
      "replica.lag.time.max.ms": 20_000,
    },
  });
  admin = new Admin({ bootstrap: cluster.bootstrap });
  const alone = { assignment: [[target]], configs: { "min.insync.replicas": "1" } };
  orThrow(
    await admin.createTopics([
      { name: "neighbour", assignment: [[1, 2, 3]] },
      { name: "greedy", ...alone },
      { name: "cold", ...alone },
    ]),
  );
});

afterAll(async () => {
  await admin?.close();
  await cluster?.stop();
  await removeTestFolder(folder);
});

beforeEach(async () => {
  neighbour = new SteadyProducer(cluster.bootstrap, "neighbour", 1);
  await waitUntil("the neighbour to run", () => neighbour.acknowledgedCount > 50);
  watches = await Promise.all(cluster.ids.map((id) => BrokerWatch.start(cluster, id)));
  peakMib = 0;
  sampling = setInterval(() => {
    void watches[target - 1]!.residentMib().then((mib) => {
      peakMib = Math.max(peakMib, mib);
    });
  }, 100);
});

/** Whatever it was, the neighbour noticed little of it, and the brokers nothing of each other. */
afterEach(async ({ task }) => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await machine.delay({});
  const before = neighbour.acknowledgedCount;
  await waitUntil("the neighbour to go on", () => neighbour.acknowledgedCount > before + 50).catch(() => undefined);
  clearInterval(sampling);
  const report = await neighbour.stop();
  const lines = (await Promise.all(watches.map((watch) => watch.lines()))).flat();
  console.log(
    `${task.name}: resident ${peakMib.toFixed(0)} MiB at most; neighbour p50 ${report.p50Ms.toFixed(0)} ms, at most ${report.maxMs.toFixed(0)} ms; ` +
      `${lines.length} log lines`,
  );
  expect(watches.map((watch) => watch.isAlive())).toEqual([true, true, true]);
  expect(lines.filter(({ msg }) => disturbances.test(msg))).toEqual([]);
  expect(lines.length).toBeLessThan(30);
  expect(report.failed).toEqual([]);
  expect(report.maxMs).toBeLessThan(latencyMaxMs);
  expect(peakMib).toBeLessThan(residentMaxMib);
});

function opened(): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: "127.0.0.1", port: cluster.port(target) });
    sockets.push(socket);
    socket.once("error", reject).once("connect", () => resolve(socket.on("error", () => {})));
  });
}

/** `count` times, so many of them at once. */
async function each(count: number, atOnce: number, work: (index: number) => Promise<unknown>): Promise<void> {
  let next = 0;
  await Promise.all(
    Array.from({ length: atOnce }, async () => {
      while (next < count) await work(next++);
    }),
  );
}

function produceFrame(topic: string, bytes: number): Buffer {
  const records = [encodeBatch([{ key: null, value: Buffer.alloc(bytes, "x"), headers: [], timestampMs: Date.now() }])];
  const topicData = [{ name: topic, partitionData: [{ index: 0, records }] }];
  return requestFrame(produceRequest, 9, { transactionalId: null, acks: 1, timeoutMs: 60_000, topicData });
}

test("2,000 idle connections, and 10,000 that are opened and dropped", async () => {
  await each(2_000, 100, opened);
  const idleMib = peakMib;
  const idle = sockets.splice(0);
  const ask = requestFrame(metadataRequest, 9, {
    ...{ topics: [], allowAutoTopicCreation: false, includeClusterAuthorizedOperations: false },
    ...{ includeTopicAuthorizedOperations: false, includeReasons: false },
  });
  await each(10_000, 100, async (index) => {
    const socket = await opened();
    if (index % 3 === 1) socket.write(ask.subarray(0, 7));
    if (index % 3 === 2) socket.write(ask);
    socket.destroy();
    sockets.length = 0;
  });
  expect(idle.filter((socket) => socket.destroyed)).toEqual([]);
  for (const socket of idle) socket.destroy();
  console.log(`with 2,000 idle connections ${idleMib.toFixed(0)} MiB`);
});

test("a client that sends requests for ever and reads no answer is not read any more", async () => {
  const socket = (await opened()).pause();
  const ask = requestFrame(metadataRequest, 9, {
    ...{ topics: null, allowAutoTopicCreation: false, includeClusterAuthorizedOperations: false },
    ...{ includeTopicAuthorizedOperations: false, includeReasons: false },
  });
  const many = Buffer.concat(Array.from({ length: 10_000 }, () => ask));
  for (let i = 0; i < 100; i++) socket.write(many);
  let takenBytes = -1;
  await waitUntil(
    "the broker to stop reading",
    () => {
      const before = takenBytes;
      takenBytes = socket.bytesWritten - socket.writableLength;
      return socket.destroyed || before === takenBytes;
    },
    { pauseMs: 1_000 },
  );
  const sentBytes = 100 * many.length;
  console.log(`${takenBytes} of ${sentBytes} bytes were taken`);
  expect(takenBytes).toBeLessThan(sentBytes / 2);
});

test("producers that are faster than the disk wait for it", async () => {
  await machine.delay({ diskMs: 40 });
  const frame = produceFrame("greedy", 500_000);
  const perProducer = 60;
  const producers = await Promise.all(Array.from({ length: 8 }, opened));
  let answered = 0;
  for (const socket of producers) {
    socket.on("data", (bytes) => {
      answered += bytes.length;
    });
    for (let i = 0; i < perProducer; i++) socket.write(frame);
  }
  await waitUntil("some to be written", () => answered > 2_000);
  const waitingBytes = producers.reduce((sum, socket) => sum + socket.writableLength, 0);
  console.log(
    `${(waitingBytes / mebibyte).toFixed(0)} of ${((8 * perProducer * frame.length) / mebibyte).toFixed(0)} MiB wait at the producers`,
  );
  expect(producers.filter((socket) => socket.destroyed)).toEqual([]);
});

test("64 consumers of old data while producers go on", async () => {
  await using filler = new Producer({ bootstrap: cluster.bootstrap });
  const records = 40;
  const valueBytes = 400_000;
  await each(records, 8, () => filler.send({ topic: "cold", value: Buffer.alloc(valueBytes, "c") }));
  let readBytes = 0;
  const ownDelay = monitorEventLoopDelay({ resolution: 10 });
  ownDelay.enable();
  const startedMs = performance.now();
  await Promise.all(
    Array.from({ length: 64 }, async () => {
      const connection = await RawConnection.open(cluster.port(target));
      for (let offset = 0; offset < records; ) {
        const { errorCode, records: chunks } = await fetchFrom(connection, "cold", 0, offset);
        expect(errorCode).toBe("NONE");
        const bytes = Buffer.concat(chunks ?? []).length;
        readBytes += bytes;
        offset += Math.floor(bytes / valueBytes);
        if (bytes === 0) await sleep(5);
      }
      connection.close();
    }),
  );
  const seconds = (performance.now() - startedMs) / 1_000;
  console.log(
    `${(readBytes / mebibyte).toFixed(0)} MiB in ${seconds.toFixed(1)} s; this process, which is busy too, was late by up to ` +
      `${(ownDelay.max / 1e6).toFixed(0)} ms`,
  );
});
