import { describe, expect, test } from "vitest";
import { ClientCounters } from "../../../client/base/client-counters.ts";
import { clientSettings, parseBootstrap } from "../../../client/base/client-options.ts";
import { ConnectionLost, InvalidArgument, isRetriableFailure, RequestTimedOut, UnsupportedApi } from "../../../client/base/errors.ts";
import { BrokerConnection } from "../../../client/network/broker-connection.ts";
import { ConnectionPool } from "../../../client/network/connection-pool.ts";
import { commonVersion } from "../../../client/network/versions.ts";
import type { Link, LinkHandlers } from "../../../protocol/base/transport.ts";
import { apis } from "../../../protocol/messages/apis.ts";
import { FakeCluster } from "./fake-cluster.ts";

const limits = { clientId: "test", connectTimeoutMs: 1000, requestTimeoutMs: 2000, slowAfterMs: 500, responseBytesMax: 1 << 20 };
const address = { host: "fake", port: 9001 };
const noTopics = () => ({
  topics: [],
  allowAutoTopicCreation: false,
  includeClusterAuthorizedOperations: false,
  includeTopicAuthorizedOperations: false,
  includeReasons: false,
});

test("versions: the highest that both sides speak, or none", () => {
  const message = { name: "X", apiKey: 5, versions: [2, 7], flexibleSince: null } as const;
  const served = (min: number, max: number) => new Map([[5, { min, max }]]);
  expect(commonVersion(message, served(0, 9))).toBe(7);
  expect(commonVersion(message, served(0, 4))).toBe(4);
  expect(commonVersion(message, served(0, 9), 3)).toBe(3);
  expect(commonVersion(message, served(8, 9))).toBe(null);
  expect(commonVersion(message, served(0, 1))).toBe(null);
  expect(commonVersion(message, new Map())).toBe(null);
});

test("bootstrap lists: ports, defaults, IPv6, and what is no address", () => {
  expect(parseBootstrap("a:1, b ,[::1]:3")).toEqual([
    { host: "a", port: 1 },
    { host: "b", port: 9092 },
    { host: "::1", port: 3 },
  ]);
  for (const bad of ["", "a:0", "a:99999", "a:b", "::1:3"]) expect(() => parseBootstrap(bad), bad).toThrow(InvalidArgument);
});

const partsOf = ({ clock, transport }: FakeCluster) => ({ clock, transport, counters: new ClientCounters() });

describe("a connection", () => {
  test("agrees on versions, even with a broker that knows only old ones", async () => {
    const cluster = new FakeCluster([1]);
    cluster.versionMax = { ApiVersions: 2, Metadata: 4 };
    const connection = await cluster.clock.until(BrokerConnection.open(address, partsOf(cluster), limits));
    expect(connection.versionOf(apis.metadata)).toBe(4);
    expect((await cluster.clock.until(connection.request(apis.metadata, noTopics))).clusterId).toBe("fake");
  });

  test("says so when an API is not served", async () => {
    const cluster = new FakeCluster([1]);
    cluster.versionMax = { Produce: 2 };
    const connection = await cluster.clock.until(BrokerConnection.open(address, partsOf(cluster), limits));
    await expect(
      connection.request(apis.produce, () => ({ transactionalId: null, acks: 1, timeoutMs: 1, topicData: [] })),
    ).rejects.toBeInstanceOf(UnsupportedApi);
  });

  test("pipelines: many requests are under way at once and each gets its own answer", async () => {
    const cluster = new FakeCluster([1]);
    cluster.topic("t", [1]);
    const connection = await cluster.clock.until(BrokerConnection.open(address, partsOf(cluster), limits));
    const answers = await cluster.clock.until(
      Promise.all(
        Array.from({ length: 250 }, (_, i) =>
          connection.request(apis.metadata, () => ({ ...noTopics(), topics: [{ topicId: "AAAAAAAAAAAAAAAAAAAAAA", name: `n${i}` }] })),
        ),
      ),
    );
    expect(answers.map(({ topics }) => topics[0]?.name)).toEqual(answers.map((_, i) => `n${i}`));
  });

  test("refuses what has no form in the protocol, by itself: the others on it go on, those that waited too", async () => {
    const cluster = new FakeCluster([1]);
    const connection = await cluster.clock.until(BrokerConnection.open(address, partsOf(cluster), limits));
    const asking = (name: string) =>
      connection.request(apis.metadata, () => ({ ...noTopics(), topics: [{ topicId: "AAAAAAAAAAAAAAAAAAAAAA", name }] }));
    const asked = Array.from({ length: 3000 }, (_, i) => asking(i % 2 === 0 ? "n".repeat(40_000) : `n${i}`));
    const outcomes = await cluster.clock.until(Promise.allSettled(asked));
    expect(outcomes.map(({ status }) => status)).toEqual(outcomes.map((_, i) => (i % 2 === 0 ? "rejected" : "fulfilled")));
    await cluster.clock.advance(5000);
    expect(connection.isOpen).toBe(true);
    expect(connection.pending).toBe(0);
  });

  test("is closed by a request that times out; the others on it fail, and a late answer reaches nobody", async () => {
    const cluster = new FakeCluster([1]);
    const connection = await cluster.clock.until(BrokerConnection.open(address, partsOf(cluster), limits));
    cluster.intercept = () => "ignore";
    const first = connection.request(apis.metadata, noTopics, { timeoutMs: 500 });
    const second = connection.request(apis.metadata, noTopics);
    const outcomes = await cluster.clock.until(Promise.allSettled([first, second]));
    expect(outcomes.map((outcome) => outcome.status === "rejected" && outcome.reason instanceof RequestTimedOut)).toEqual([true, true]);
    expect(connection.isOpen).toBe(false);
    expect(cluster.clock.monotonicMs()).toBe(1500);
    await cluster.clock.settle();
    expect(cluster.links.get(1)?.size).toBe(0);
  });

  test("fails what is under way when the broker goes", async () => {
    const cluster = new FakeCluster([1]);
    const connection = await cluster.clock.until(BrokerConnection.open(address, partsOf(cluster), limits));
    cluster.intercept = () => "close";
    await expect(cluster.clock.until(connection.request(apis.metadata, noTopics))).rejects.toBeInstanceOf(ConnectionLost);
    await expect(connection.request(apis.metadata, noTopics)).rejects.toBeInstanceOf(ConnectionLost);
  });

  test("gives up on an address that does not answer, and on a broker that accepts but never speaks", async () => {
    const cluster = new FakeCluster([1]);
    cluster.transport.silent.add("fake:9002");
    await expect(cluster.clock.until(BrokerConnection.open({ host: "fake", port: 9002 }, partsOf(cluster), limits))).rejects.toBeInstanceOf(
      ConnectionLost,
    );
    cluster.intercept = () => "ignore";
    await expect(cluster.clock.until(BrokerConnection.open(address, partsOf(cluster), limits))).rejects.toBeInstanceOf(RequestTimedOut);
  });

  test.each<[string, Buffer]>([
    ["a giant frame", Buffer.from([0x7f, 0xff, 0xff, 0xff])],
    ["a negative frame", Buffer.from([0xff, 0xff, 0xff, 0xff])],
    ["an answer to nothing we asked", Buffer.from([0, 0, 0, 4, 0, 0, 0, 77])],
    ["an empty frame", Buffer.from([0, 0, 0, 0])],
    ["a body that is cut short", Buffer.from([0, 0, 0, 6, 0, 0, 0, 0, 0, 1])],
  ])("is closed by %s", async (_what, bytes) => {
    const cluster = new FakeCluster([]);
    let server: Link | null = null;
    await cluster.transport.listen(address, (link): LinkHandlers => {
      server = link;
      return { onData: () => link.write([bytes]), onClose: () => {} };
    });
    await expect(cluster.clock.until(BrokerConnection.open(address, partsOf(cluster), limits))).rejects.toBeInstanceOf(ConnectionLost);
    expect(server).not.toBe(null);
  });
});

describe("a pool", () => {
  test("closes a connection to what is no broker any more; a request that was about to use it can be tried again", async () => {
    const cluster = new FakeCluster([1, 2]);
    const pool = new ConnectionPool(cluster.runtime, clientSettings({ bootstrap: "fake:9001" }));
    const first = { host: "fake", port: 9001 };
    pool.setBrokers(
      new Map([
        [1, first],
        [2, { host: "fake", port: 9002 }],
      ]),
    );
    const connection = await cluster.clock.until(pool.toBroker(2));
    pool.setBrokers(new Map([[1, first]]));
    const failure = await connection.request(apis.metadata, noTopics).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(ConnectionLost);
    expect(isRetriableFailure(failure)).toBe(true);
    pool.setBrokers(
      new Map([
        [1, first],
        [2, { host: "fake", port: 9002 }],
      ]),
    );
    const again = await cluster.clock.until(pool.toBroker(2));
    expect((await cluster.clock.until(again.request(apis.metadata, noTopics))).clusterId).toBe("fake");
  });
});
