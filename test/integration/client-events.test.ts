import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { afterAll, beforeAll, expect, test } from "vitest";
import {
  Admin,
  type ClientDiagnostic,
  type ClientEventMap,
  type ClientEventName,
  type ClientLogger,
  Consumer,
  type EventSource,
  orThrow,
  Producer,
  stringSerde,
} from "../../client/index.ts";
import { TestCluster } from "../support/cluster.ts";
import { waitUntil } from "../support/wait-until.ts";

const topic = "told";
let cluster: TestCluster;
let admin: Admin;

beforeAll(async () => {
  cluster = await TestCluster.start({ settings: { "auto.leader.rebalance.enable": false } });
  admin = new Admin({ bootstrap: cluster.bootstrap });
  orThrow(await admin.createTopics([{ name: topic, assignment: [[1, 2, 3]] }]));
});

afterAll(async () => {
  await admin?.close();
  await cluster?.stop();
});

function heard<E extends ClientEventName>(client: EventSource, event: E): ClientEventMap[E][] {
  const events: ClientEventMap[E][] = [];
  client.on(event, (value) => events.push(value));
  return events;
}

test("when a leader is killed, its clients tell of the lost connection, of the next leader, and that they go on", async () => {
  const lines: string[] = [];
  const told = (fields: object, message: string) => void lines.push(`${message} ${JSON.stringify(fields)}`);
  const logger: ClientLogger = { debug: () => undefined, info: told, warn: told, error: told };
  const published: ClientDiagnostic<"leaderMoved">[] = [];
  const onPublished = (message: unknown) => void published.push(message as ClientDiagnostic<"leaderMoved">);
  subscribe("ottla:client:leaderMoved", onPublished);
  // it looks for a leader, and finds one before the cluster does without the broker: of that it hears with later metadata
  await using producer = new Producer({ bootstrap: cluster.bootstrap, valueSerde: stringSerde, logger, metadataMaxAgeMs: 1_000 });
  await using consumer = new Consumer({ bootstrap: cluster.bootstrap, group: "told", offsetReset: "earliest", autoCommitIntervalMs: 200 });
  const ofProducer = {
    disconnected: heard(producer, "disconnected"),
    moved: heard(producer, "leaderMoved"),
    metadata: heard(producer, "metadata"),
    produced: heard(producer, "produce"),
  };
  const ofConsumer = {
    moved: heard(consumer, "leaderMoved"),
    fetched: heard(consumer, "fetch"),
    committed: heard(consumer, "commit"),
    rebalanced: heard(consumer, "rebalance"),
  };
  await consumer.subscribe([topic]);
  const records = consumer[Symbol.asyncIterator]();
  await producer.send({ topic, value: "before" });
  await records.next();
  expect(ofConsumer.rebalanced).toMatchObject([{ group: "told", assigned: [{ topic, partition: 0 }], revoked: [], lost: [] }]);
  const [before] = orThrow(await admin.describeTopics([topic]));
  const epoch = before?.partitions[0]?.leaderEpoch as number;
  expect(before?.partitions[0]?.leader).toBe(1);

  const next = records.next();
  await cluster.kill(1);
  await producer.send({ topic, value: "after" });
  expect((await next).value).toMatchObject({ offset: 1 });

  const address = cluster.address(1);
  expect(ofProducer.disconnected).toContainEqual(expect.objectContaining({ broker: 1, address, purpose: "requests" }));
  for (const moved of [ofProducer.moved, ofConsumer.moved]) {
    expect(moved[0]).toMatchObject({ topic, partition: 0, from: 1 });
    const last = moved.at(-1);
    expect([2, 3]).toContain(last?.to);
    expect(last?.epoch).toBeGreaterThan(epoch);
  }
  expect(ofProducer.produced.at(-1)).toMatchObject({ broker: ofProducer.moved.at(-1)?.to, records: 1, error: null });
  expect(ofConsumer.fetched.findLast(({ records }) => records > 0)).toMatchObject({ broker: ofConsumer.moved.at(-1)?.to, error: null });
  await waitUntil("the metadata to do without the broker", async () => {
    await producer.send({ topic, value: "more" });
    return ofProducer.metadata.some(({ brokersWent }) => brokersWent.includes(1));
  });
  await waitUntil("a commit after the move", () =>
    ofConsumer.committed.some(({ outcome, offsets }) => outcome === "committed" && offsets.some(({ offset }) => offset >= 1)),
  );

  expect(new Set(published.map(({ client }) => client.id))).toEqual(new Set([producer.id, consumer.id]));
  expect(published.filter(({ client }) => client.kind === "producer").map(({ event }) => event)).toEqual(ofProducer.moved);
  expect(lines).toContainEqual(expect.stringMatching(new RegExp(`^leader moved .*"client":"${producer.id}","topic":"${topic}"`)));
  expect(lines).toContainEqual(expect.stringMatching(new RegExp(`^connection lost .*"address":"${address}"`)));
  const { connectionsLost, recordsAcknowledged, recordsFailed } = producer.metrics();
  expect(connectionsLost).toBeGreaterThan(0);
  expect({ failed: recordsFailed, acknowledged: recordsAcknowledged }).toMatchObject({ failed: 0 });
  expect(consumer.metrics()).toMatchObject({ rebalances: 1, commitsFailed: 0, partitionsAssigned: 1 });
  unsubscribe("ottla:client:leaderMoved", onPublished);
});
