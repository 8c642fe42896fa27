import { describe, expect, test } from "vitest";
import {
  type ClientDiagnostic,
  type ClientEventMap,
  type ClientEventName,
  clientEventNames,
} from "../../../client/base/client-event-map.ts";
import type { EventSource } from "../../../client/base/client-events.ts";
import type { ClientRuntime } from "../../../client/base/client-runtime.ts";
import { Admin, Producer } from "../../../client/index.ts";
import { consumerFor, fill, take } from "./consumer-fixture.ts";
import { FakeCluster } from "./fake-cluster.ts";

/** What was heard of these, in order. */
function heard<E extends ClientEventName>(client: EventSource, event: E): ClientEventMap[E][] {
  const events: ClientEventMap[E][] = [];
  client.on(event, (value) => events.push(value));
  return events;
}

const producerFor = ({ bootstrap, runtime }: FakeCluster) => new Producer({ bootstrap, runtime });

describe("connections", () => {
  test("each is told of when it is open and when it ends, with the broker and why", async () => {
    const cluster = new FakeCluster();
    cluster.topic("t", [2]);
    const producer = producerFor(cluster);
    const [connected, disconnected] = [heard(producer, "connected"), heard(producer, "disconnected")];
    await cluster.clock.until(producer.send({ topic: "t", value: "a" }));
    expect(connected).toContainEqual(expect.objectContaining({ address: "fake:9002", purpose: "requests" }));
    cluster.intercept = ({ api }) => (api === "Produce" ? "close" : undefined);
    const sent = producer.send({ topic: "t", value: "b" });
    await cluster.clock.settle();
    cluster.intercept = () => undefined;
    expect(disconnected).toMatchObject([
      { broker: 2, address: "fake:9002", purpose: "requests", unanswered: 1, reason: expect.stringContaining("the broker closed it") },
    ]);
    await cluster.clock.until(sent);
    const { connections } = producer.metrics();
    expect(connections).toBeGreaterThan(0);
    await cluster.clock.until(producer.close());
    expect(disconnected.slice(1).map(({ reason }) => reason)).toEqual(Array(connections).fill("the client was closed"));
    expect(disconnected).toHaveLength(connected.length);
    expect(producer.metrics()).toMatchObject({ connections: 0, connectionsLost: 1, connectionsOpened: connected.length });
  });

  test("an address of the bootstrap list has no broker before the metadata says so, and has one when it ends", async () => {
    const cluster = new FakeCluster([1]);
    const admin = new Admin({ ...cluster.options });
    const [connected, disconnected] = [heard(admin, "connected"), heard(admin, "disconnected")];
    cluster.topic("t", [1]);
    await cluster.clock.until(admin.listOffsets([{ topic: "t", partition: 0, spec: "latest" }]));
    expect(connected[0]).toMatchObject({ broker: null, address: "fake:9001" });
    await admin.close();
    expect(disconnected[0]).toMatchObject({ broker: 1, address: "fake:9001", error: { name: "ClientClosed" } });
  });
});

describe("the cluster", () => {
  test("brokers and topics that come, go and change, once each; and nothing while nothing changes", async () => {
    const cluster = new FakeCluster([1, 2]);
    cluster.topic("t", [1]);
    const producer = producerFor(cluster);
    const metadata = heard(producer, "metadata");
    await cluster.clock.until(producer.partitionsOf("t"));
    const nothing = { brokersCame: [], brokersWent: [], topicsCame: [], topicsWent: [], topicsChanged: [] };
    const addresses = [1, 2].map((id) => ({ id, host: "fake", port: 9000 + id }));
    expect(metadata).toEqual([{ ...nothing, brokersCame: addresses, topicsCame: ["t"] }]);
    await cluster.clock.advance(700_000);
    expect(metadata, "refreshed, and the same").toHaveLength(1);
    cluster.topic("t", [1, 1]);
    await cluster.kill(2);
    cluster.start(3);
    cluster.topic("u", [1]);
    await cluster.clock.until(producer.partitionsOf("t"));
    await cluster.clock.until(producer.partitionsOf("u"));
    expect(metadata.slice(1)).toEqual([
      { ...nothing, brokersCame: [{ id: 3, host: "fake", port: 9003 }], brokersWent: [2], topicsChanged: ["t"] },
      { ...nothing, topicsCame: ["u"] },
    ]);
    cluster.topic("u", [1, 1, 1]);
    cluster.topics.delete("t");
    producer.send({ topic: "new", value: "x" }).catch(() => undefined);
    await cluster.clock.advance(1_000);
    expect(metadata.slice(3)).toEqual([{ ...nothing, topicsWent: ["t"], topicsChanged: ["u"] }]);
    await cluster.clock.until(producer.close());
  });

  test("a leader that moves, whether the metadata says so or a broker that was asked", async () => {
    const cluster = new FakeCluster();
    cluster.topic("t", [1, 1]);
    const producer = producerFor(cluster);
    const moved = heard(producer, "leaderMoved");
    await cluster.clock.until(producer.send({ topic: "t", partition: 0, value: "a" }));
    expect(moved, "the first leader is no move").toEqual([]);
    cluster.hints = true;
    cluster.moveLeader("t", 0, 2);
    await cluster.clock.until(producer.send({ topic: "t", partition: 0, value: "b" }));
    const epoch = cluster.topics.get("t")?.partitions[0]?.leaderEpoch as number;
    expect(moved).toEqual([{ topic: "t", partition: 0, from: 1, to: 2, epoch }]);
    cluster.hints = false;
    cluster.moveLeader("t", 0, -1);
    const sent = producer.send({ topic: "t", partition: 0, value: "c" });
    await cluster.clock.advance(1_000);
    cluster.moveLeader("t", 0, 1);
    await cluster.clock.until(sent);
    expect(moved.slice(1)).toEqual([
      { topic: "t", partition: 0, from: 2, to: null, epoch: epoch + 1 },
      { topic: "t", partition: 0, from: null, to: 1, epoch: epoch + 2 },
    ]);
    await cluster.clock.until(producer.close());
  });
});

describe("requests", () => {
  test("a producer tells of each, answered or failed", async () => {
    const cluster = new FakeCluster();
    cluster.topic("t", [1, 1]);
    const producer = producerFor(cluster);
    const produced = heard(producer, "produce");
    await cluster.clock.until(producer.sendMany([0, 0, 1].map((partition) => ({ topic: "t", partition, value: "x".repeat(100) }))));
    expect(produced).toMatchObject([{ broker: 1, partitions: 2, records: 3, error: null }]);
    expect(produced[0]?.bytes).toBe(producer.metrics().bytesSent);
    cluster.intercept = ({ api }) => (api === "Produce" ? "close" : undefined);
    const sent = producer.send({ topic: "t", value: "y" });
    await cluster.clock.settle();
    cluster.intercept = () => undefined;
    expect(produced[1]).toMatchObject({ broker: 1, partitions: 1, records: 1, error: { name: "ConnectionLost" } });
    await cluster.clock.until(sent);
    await cluster.clock.until(producer.close());
  });

  test("a consumer tells of each fetch: what it brought, and how long it took", async () => {
    const cluster = new FakeCluster();
    const [partition] = cluster.topic("t", [1]);
    fill(partition, 0, 10);
    const consumer = consumerFor(cluster, { fetchWaitMaxMs: 300 });
    const fetched = heard(consumer, "fetch");
    await cluster.clock.until(consumer.assign([{ topic: "t", from: "beginning" }]));
    await take(cluster, consumer, 10);
    const bytes = partition?.batches.reduce((sum, batch) => sum + batch.length, 0);
    expect(fetched[0]).toMatchObject({ broker: 1, partitions: 1, bytes, records: 10, error: null });
    await cluster.clock.advance(1_000);
    expect(fetched[1]).toMatchObject({ bytes: 0, records: 0, tookMs: 300, error: null });
    cluster.intercept = ({ api }) => (api === "Fetch" ? "close" : undefined);
    await cluster.clock.advance(400);
    cluster.intercept = () => undefined;
    expect(fetched.at(-1)).toMatchObject({ broker: 1, partitions: 1, bytes: 0, records: 0, error: { name: "ConnectionLost" } });
    await consumer.close();
  });

  test("a broker that throttles, with the request and for how long", async () => {
    const cluster = new FakeCluster();
    cluster.topic("t", [1]);
    cluster.intercept = ({ api, request }) => (api === "Produce" ? { ...cluster.produce(request, 1), throttleTimeMs: 250 } : undefined);
    const producer = producerFor(cluster);
    const throttled = heard(producer, "throttled");
    await cluster.clock.until(producer.send({ topic: "t", value: "a" }));
    expect(throttled).toEqual([{ broker: 1, address: "fake:9001", api: "Produce", throttleMs: 250 }]);
    expect(producer.metrics()).toMatchObject({ throttles: 1, throttleTimeMs: 250 });
    await cluster.clock.until(producer.close());
  });
});

/** Channels as node:diagnostics_channel has them, and who has subscribed to which. */
class FakeDiagnostics {
  readonly subscribed = new Set<string>();
  readonly published: { readonly name: string; readonly message: ClientDiagnostic }[] = [];
  readonly diagnostics = (name: string) => {
    const { subscribed, published } = this;
    return {
      get hasSubscribers() {
        return subscribed.has(name);
      },
      publish: (message: unknown) => void published.push({ name, message: message as ClientDiagnostic }),
    };
  };
}

describe("diagnostics channels", () => {
  test("a subscriber to a channel hears the events of all clients, and which client each is from; others cost nothing", async () => {
    const cluster = new FakeCluster();
    cluster.topic("t", [1]);
    const channels = new FakeDiagnostics();
    const runtime: ClientRuntime = { ...cluster.runtime, diagnostics: channels.diagnostics };
    const { bootstrap } = cluster;
    const [producer, admin] = [new Producer({ bootstrap, runtime, clientId: "shop" }), new Admin({ bootstrap, runtime })];
    await cluster.clock.until(producer.send({ topic: "t", value: "a" }));
    expect(channels.published).toEqual([]);
    channels.subscribed.add("ottla:client:produce");
    channels.subscribed.add("ottla:client:connected");
    await cluster.clock.until(producer.send({ topic: "t", value: "b" }));
    await cluster.clock.until(admin.listTopics());
    expect(channels.published.map(({ name, message: { client } }) => [name, client.id])).toEqual([
      ["ottla:client:produce", producer.id],
      ["ottla:client:connected", admin.id],
    ]);
    const [{ client, event }] = channels.published.map(({ message }) => message) as [ClientDiagnostic<"produce">];
    expect(client).toEqual({ id: producer.id, kind: "producer", clientId: "shop" });
    expect(event).toMatchObject({ broker: 1, records: 1 });
    expect(producer.id).toMatch(/^producer-\d+$/);
    channels.subscribed.clear();
    await cluster.clock.until(producer.close());
    await admin.close();
    expect(channels.published).toHaveLength(2);
  });

  test("there is one for every event", () => {
    const cluster = new FakeCluster();
    const names: string[] = [];
    const diagnostics = (name: string) => {
      names.push(name);
      return { hasSubscribers: false, publish: () => undefined };
    };
    new Admin({ bootstrap: cluster.bootstrap, runtime: { ...cluster.runtime, diagnostics } });
    expect(names).toEqual(clientEventNames.map((event) => `ottla:client:${event}`));
  });
});
