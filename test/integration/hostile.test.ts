import fc from "fast-check";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { Admin, orThrow, Producer } from "../../client/index.ts";
import { decodeBrokerRegistration } from "../../coordinator-client/znodes/broker-registration.ts";
import { openZookeeper } from "../../coordinator-client/zookeeper-coordinator.ts";
import { silentLogger } from "../../protocol/base/logger.ts";
import { seededRandom } from "../../protocol/base/random.ts";
import { apiVersionsRequest, apiVersionsResponse } from "../../protocol/messages/api-versions.ts";
import { type MessagePair, messagesByKey } from "../../protocol/messages/apis.ts";
import { metadataRequest } from "../../protocol/messages/metadata.ts";
import { produceRequest } from "../../protocol/messages/produce.ts";
import { nodeClock } from "../../protocol/node/node-clock.ts";
import type { Message } from "../../protocol/schema/message.ts";
import { TestCluster } from "../support/cluster.ts";
import { BrokerWatch } from "../support/outside/broker-watch.ts";
import { fetchFrame } from "../support/outside/fetch-frame.ts";
import { frameOf, RawLink, readAnswer, requestFrame } from "../support/outside/raw-link.ts";
import { SteadyProducer } from "../support/outside/steady-producer.ts";
import { waitUntil } from "../support/wait-until.ts";
import { leastOf, sampleOf } from "../unit/protocol/samples.ts";

const loadTopic = "undisturbed";
const partitions = 3;
const frameMaxBytes = 10_000_000;
/** Requests are answered within milliseconds on an idle machine; this bound is for a busy one. */
const latencyMaxMs = 3000;

let cluster: TestCluster;
let admin: Admin;
let watches: BrokerWatch[];
let producer: SteadyProducer;

beforeAll(async () => {
  cluster = await TestCluster.start({ settings: { "socket.request.max.bytes": frameMaxBytes } });
  admin = new Admin({ bootstrap: cluster.bootstrap });
  orThrow(await admin.createTopics([{ name: loadTopic, partitions, replicationFactor: 3 }]));
});

afterAll(async () => {
  await admin?.close();
  await cluster?.stop();
});

beforeEach(async () => {
  producer = new SteadyProducer(cluster.bootstrap, loadTopic, partitions);
  await waitUntil("the producer to run", () => producer.acknowledgedCount > 30);
  watches = await Promise.all(cluster.ids.map((id) => BrokerWatch.start(cluster, id)));
});

/** Whatever was done to them: the brokers live, and the steady producer noticed nothing. */
afterEach(async ({ task }) => {
  const before = producer.acknowledgedCount;
  const goesOn = waitUntil("the producer to go on", () => producer.acknowledgedCount > before + 30);
  const report = await goesOn.then(
    () => producer.stop(),
    async (error) => {
      const { failed } = await producer.stop(); // or it keeps running alongside the next test
      throw new Error(`${error.message}; ${failed.length} sends failed`, { cause: failed[0] ?? error });
    },
  );
  console.log(
    `${task.name}: ${report.acknowledged} sends beside, p50 ${report.p50Ms.toFixed(1)} ms, longest ${report.maxMs.toFixed(0)} ms; ` +
      `resident ${(await Promise.all(watches.map((watch) => watch.residentMib()))).map((mib) => mib.toFixed(0)).join(", ")} MiB`,
  );
  expect(watches.map((watch) => watch.isAlive())).toEqual(watches.map(() => true));
  expect(report.failed).toEqual([]);
  expect(report.repeated).toBe(0);
  expect(report.maxMs).toBeLessThan(latencyMaxMs);
});

const watched = () => watches[0] as BrokerWatch;
const target = () => cluster.address(watched().id);

/** A length that promises more, or less, than follows. */
function announcing(length: number, body = Buffer.alloc(0)): Buffer {
  const prefix = Buffer.alloc(4);
  prefix.writeInt32BE(length);
  return Buffer.concat([prefix, body]);
}

const rawRequest = (apiKey: number, version: number, rest: Buffer = Buffer.from([0, 0])) => {
  const head = Buffer.alloc(8);
  head.writeInt16BE(apiKey, 0);
  head.writeInt16BE(version, 2);
  head.writeInt32BE(7, 4);
  return frameOf(Buffer.concat([head, rest]));
};

const noTopics = {
  topics: [],
  allowAutoTopicCreation: false,
  includeClusterAuthorizedOperations: false,
  includeTopicAuthorizedOperations: false,
  includeReasons: false,
};

const bad: readonly (readonly [name: string, bytes: Buffer, reason: RegExp])[] = [
  ["a web browser", Buffer.from("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"), /frame of 1195725856 bytes/],
  ["a TLS client", Buffer.from("16030100c8010000c40303", "hex"), /frame of 369295616 bytes/],
  ["the largest length there is", announcing(2 ** 31 - 1), /frame of 2147483647 bytes/],
  ["a length one beyond the limit", announcing(frameMaxBytes + 1), /frame of 10000001 bytes, at most 10000000/],
  ["a negative length", announcing(-1), /frame of -1 bytes/],
  ["the smallest length there is", announcing(-(2 ** 31)), /frame of -2147483648 bytes/],
  ["an empty frame", announcing(0), /wanted/],
  ["half a header", announcing(3, Buffer.from([0, 18, 0])), /wanted/],
  ["an unknown API key", rawRequest(999, 0), /unknown API key 999/],
  ["a negative API key", rawRequest(-1, 0), /unknown API key -1/],
  ["an API that only brokers of Kafka use", rawRequest(4, 0), /unknown API key 4/],
  ["a version from the future", rawRequest(3, 99), /Metadata v99 is not supported/],
  ["a version from the past", rawRequest(1, 0), /Fetch v0 is not supported/],
  ["a version that is only claimed", rawRequest(0, 2), /Produce v2 is not supported/],
  ["a negative version", rawRequest(3, -1), /Metadata v-1 is not supported/],
  ["a client id longer than the frame", rawRequest(3, 1, Buffer.from([0x7f, 0xff])), /wanted/],
  ["an array longer than the frame", rawRequest(3, 1, Buffer.from("ffff7fffffff", "hex")), /./],
  ["zeros", Buffer.alloc(64), /./],
];

describe("a broker in use", () => {
  test.each(bad)("closes the connection on %s, with one line that names the peer", async (_name, bytes, reason) => {
    const link = (await RawLink.open(target())).send(bytes);
    await link.closed();
    expect(link.received.length).toBe(0);
    const lines = await waitUntil("a line", async () => {
      const found = await watched().linesOf(link.address);
      return found.length > 0 ? found : null;
    });
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatchObject({ level: "warn", msg: "client connection closed: bad request" });
    expect(lines[0]?.reason).toMatch(reason);
    expect(await watched().complaints()).toHaveLength(1);
  });

  test("answers what came before the garbage on the same connection", async () => {
    const link = await RawLink.open(target());
    link.send(Buffer.concat([requestFrame(metadataRequest, 9, noTopics), Buffer.from("GET / HTTP/1.1\r\n\r\n")]));
    await link.closed();
    expect(await watched().linesOf(link.address)).toHaveLength(1);
  });

  test("random garbage ends in a closed connection and one line, or in waiting for the rest", async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ minLength: 8, maxLength: 2000 }), async (garbage) => {
        const bytes = Buffer.from(garbage);
        const announced = bytes.readInt32BE(0);
        const link = (await RawLink.open(target())).send(bytes);
        const waits = announced >= 0 && announced <= frameMaxBytes && announced > bytes.length - 4;
        if (waits) {
          const probe = await RawLink.open(target());
          await probe.ask(apiVersionsRequest, apiVersionsResponse, 0, { clientSoftwareName: "", clientSoftwareVersion: "" });
          probe.drop();
          expect(link.isClosed).toBe(false);
          link.drop();
        } else await link.closed();
        expect(await watched().linesOf(link.address)).toHaveLength(waits ? 0 : 1);
      }),
      { numRuns: 60 },
    );
  });

  test("tells a client from the future in ApiVersions v0 what it speaks, and serves it then", async () => {
    const link = await RawLink.open(target());
    link.send(rawRequest(18, 99, Buffer.from("whatever a later version puts here")));
    const [frame = Buffer.alloc(0)] = await link.answers(1);
    expect(frame.readInt32BE(0)).toBe(7);
    const answer = readAnswer(apiVersionsResponse, 0, frame);
    expect(answer.errorCode).toBe("UNSUPPORTED_VERSION");
    expect(answer.apiKeys).toContainEqual({ apiKey: 18, minVersion: 0, maxVersion: 4 });
    const again = await link.ask(apiVersionsRequest, apiVersionsResponse, 3, { clientSoftwareName: "raw", clientSoftwareVersion: "1" });
    expect(again.errorCode).toBe("NONE");
    expect(again.apiKeys).toEqual(answer.apiKeys);
    link.drop();
    expect(await watched().complaints()).toEqual([]);
  });

  test("keeps nothing for frames that are announced and never come", async () => {
    const beforeMib = await watched().residentMib();
    const links = await Promise.all(Array.from({ length: 500 }, () => RawLink.open(target())));
    for (const link of links) link.send(announcing(frameMaxBytes, Buffer.alloc(100, 1)));
    const probe = await RawLink.open(target());
    for (let i = 0; i < 20; i++)
      await probe.ask(apiVersionsRequest, apiVersionsResponse, 0, { clientSoftwareName: "", clientSoftwareVersion: "" });
    const afterMib = await watched().residentMib();
    expect(links.filter((link) => link.isClosed)).toEqual([]);
    for (const link of [...links, probe]) link.drop();
    expect(afterMib - beforeMib).toBeLessThan(100);
    expect(await watched().complaints()).toEqual([]);
  });

  test("lets thousands of connections come and go", async () => {
    const beforeMib = await watched().residentMib();
    for (let wave = 0; wave < 15; wave++) {
      const links = await Promise.all(Array.from({ length: 200 }, () => RawLink.open(target())));
      for (const [index, link] of links.entries()) {
        if (index % 3 === 1) link.send(Buffer.from([0, 0]));
        if (index % 3 === 2) link.send(requestFrame(metadataRequest, 9, noTopics));
        link.drop();
      }
    }
    expect((await watched().residentMib()) - beforeMib).toBeLessThan(150);
    expect(await watched().complaints()).toEqual([]);
  });

  test("holds little for those that ask and never read", async () => {
    const topic = "unread";
    orThrow(await admin.createTopics([{ name: topic, assignment: [[watched().id]], configs: { "min.insync.replicas": "1" } }]));
    await using filler = new Producer({ bootstrap: cluster.bootstrap });
    await Promise.all(Array.from({ length: 30 }, () => filler.send({ topic, value: Buffer.alloc(500_000, "x") })));
    const [described] = orThrow(await admin.describeTopics([topic]));
    const fetch = fetchFrame(described?.topicId ?? "");
    // proof that the request fetches what it should
    const reader = (await RawLink.open(target())).send(fetch);
    await waitUntil("15 MB", () => reader.received.length > 14_000_000);
    reader.drop();
    const beforeMib = await watched().residentMib();
    const links = await Promise.all(Array.from({ length: 10 }, () => RawLink.open(target())));
    for (const link of links) link.stopReading().send(Buffer.concat(Array.from({ length: 100 }, () => fetch)));
    const before = producer.acknowledgedCount;
    await waitUntil("the producer to go on", () => producer.acknowledgedCount > before + 300);
    const heldMib = (await watched().residentMib()) - beforeMib;
    console.log(`10 connections with 100 answers of 15 MB unread each: ${heldMib.toFixed(0)} MiB`);
    for (const link of links) link.drop();
    // one answer each of those requested, less what the system's buffers took: not a hundred
    expect(heldMib).toBeLessThan(250);
    expect(await watched().complaints()).toEqual([]);
  });

  test("garbage on the port for brokers closes that connection, with one line that names the peer", async () => {
    const zookeeper = openZookeeper({
      connectionString: `${cluster.zookeeper.connectionString}/test`,
      sessionTimeoutMs: 10_000,
      clock: nodeClock,
      random: seededRandom(1),
      log: silentLogger,
    });
    await zookeeper.connected();
    const path = `/brokers/ids/${watched().id}`;
    const { peer } = decodeBrokerRegistration(path, (await zookeeper.read(path))?.data ?? Buffer.alloc(0));
    await zookeeper.close();
    const address = `${peer?.host}:${peer?.port}`;
    const hello = Buffer.from("82a26964", "hex");
    const garbage: readonly Buffer[] = [
      Buffer.from("GET / HTTP/1.1\r\n\r\n"),
      requestFrame(apiVersionsRequest, 3, { clientSoftwareName: "raw", clientSoftwareVersion: "1" }),
      announcing(-1),
      announcing(2 ** 31 - 1),
      announcing(4, Buffer.alloc(4)),
      announcing(4, Buffer.alloc(4, 0xff)),
      announcing(8, Buffer.concat([Buffer.from([0, 0, 0, 4]), hello])),
      Buffer.alloc(5000, 0xc1),
    ];
    for (const bytes of garbage) {
      const link = (await RawLink.open(address)).send(bytes);
      await link.closed();
      const lines = await watched().linesOf(link.address);
      expect(lines.map(({ level }) => level)).toEqual(["warn"]);
      expect(lines[0]?.msg).toMatch(/^peer link closed: bad message/);
    }
    expect(await watched().complaints()).toHaveLength(garbage.length);
  });

  test("survives changed bodies of every API in every version, and never fails a request for it", async () => {
    const served = await servedApis();
    expect(served.length).toBeGreaterThan(12);
    for (const [{ request }, versions] of served) for (const version of versions) await mutate(request, version);
    const failed = (await Promise.all(watches.map((watch) => watch.lines()))).flat().filter(({ level }) => level === "error");
    expect(failed).toEqual([]);
  });

  async function servedApis(): Promise<readonly (readonly [MessagePair, readonly number[]])[]> {
    const link = await RawLink.open(target());
    const { apiKeys } = await link.ask(apiVersionsRequest, apiVersionsResponse, 0, { clientSoftwareName: "", clientSoftwareVersion: "" });
    link.drop();
    return apiKeys.flatMap(({ apiKey, minVersion, maxVersion }) => {
      const pair = messagesByKey.get(apiKey);
      const first = apiKey === produceRequest.apiKey ? 3 : minVersion;
      return pair === undefined ? [] : [[pair, Array.from({ length: maxVersion - first + 1 }, (_, i) => first + i)] as const];
    });
  }
});

const edit = fc.record({ at: fc.nat(), remove: fc.nat(4), insert: fc.uint8Array({ maxLength: 6 }) });

/** Nothing in it may wait, for what waits cannot be told from what hangs. */
const hasty = { maxWaitMs: 0, timeoutMs: 100 };

async function mutate(request: Message<unknown>, version: number): Promise<void> {
  const bodies = [sampleOf(request.fields, version), leastOf(request.fields, version)].map((value) => {
    const quick = Object.fromEntries(Object.entries(hasty).filter(([name]) => name in request.fields));
    return requestFrame(request, version, { ...value, ...quick } as unknown).subarray(4);
  });
  const ping = rawRequest(18, 0);
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...bodies), fc.array(edit, { maxLength: 3 }), async (body, edits) => {
      // the header's first fields stay, so that the body is read by the API it is for
      const bytes = edits.reduce((now, { at, remove, insert }) => {
        const start = 8 + (at % (now.length - 7));
        return Buffer.concat([now.subarray(0, start), insert, now.subarray(start + remove)]);
      }, body);
      const link = (await RawLink.open(target())).send(Buffer.concat([frameOf(bytes), ping]));
      await waitUntil("an answer or the end", () => link.isClosed || answersPing(link.received) || waitsOnPurpose(request), {
        timeoutMs: 10_000,
        pauseMs: 1,
      });
      link.drop();
    }),
    { numRuns: 8 },
  );
}

/** A mutated wait may be long: those requests are left alone with it. */
function waitsOnPurpose({ name, fields }: Message<unknown>): boolean {
  return "maxWaitMs" in fields || "timeoutMs" in fields || name === "FindCoordinatorRequest";
}

/** The last whole frame carries the ping's correlation id. */
function answersPing(received: Buffer): boolean {
  for (let at = 0; at + 8 <= received.length; at += 4 + received.readInt32BE(at)) if (received.readInt32BE(at + 4) === 7) return true;
  return false;
}
