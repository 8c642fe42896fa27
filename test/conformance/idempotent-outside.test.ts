import "../support/outside/kafkajs-patience.ts";
import { Readable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { Producer as PlatformaticProducer, stringSerializers } from "@platformatic/kafka";
import { Kafka, logLevel } from "kafkajs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Admin, orThrow } from "../../client/index.ts";
import { TestCluster } from "../support/cluster.ts";
import { Kcat, noKcat } from "../support/outside/kcat.ts";
import { OttlaClient } from "../support/outside/ottla-client.ts";
import { waitUntil } from "../support/wait-until.ts";

// Outside clients as idempotent producers, each to a partition whose leader is killed while they write: what is there afterwards is what
// they sent, once and in order.
const linesCount = 600;
const pauseMs = 2;
const leader = 1;
let cluster: TestCluster;
let admin: Admin;

beforeAll(async () => {
  cluster = await TestCluster.start();
  admin = new Admin({ bootstrap: cluster.bootstrap });
});

afterAll(async () => {
  await admin?.close();
  await cluster?.stop();
});

const lines = Array.from({ length: linesCount }, (_, i) => `line ${i}`);

async function* slowly(): AsyncGenerator<string> {
  for (const line of lines) {
    yield line;
    await sleep(pauseMs);
  }
}

/** Several lines are under way at once. */
async function sendAll(send: (line: string) => Promise<unknown>, underWayMax: number): Promise<void> {
  const underWay = new Set<Promise<unknown>>();
  for await (const line of slowly()) {
    const sent = send(line);
    underWay.add(sent);
    void sent.finally(() => underWay.delete(sent)).catch(() => undefined);
    if (underWay.size >= underWayMax) await Promise.race(underWay);
  }
  await Promise.all(underWay);
}

const writers: Readonly<Record<string, (topic: string) => Promise<void>>> = {
  async kafkajs(topic) {
    const kafka = new Kafka({ clientId: "idempotent", brokers: [...cluster.bootstrap], logLevel: logLevel.NOTHING });
    const producer = kafka.producer({ idempotent: true, maxInFlightRequests: 1 });
    await producer.connect();
    // it numbers a batch when it sends it, so only one at a time keeps their order
    await sendAll((value) => producer.send({ topic, acks: -1, messages: [{ value }] }), 1);
    await producer.disconnect();
  },
  async platformatic(topic) {
    const bootstrapBrokers = [...cluster.bootstrap];
    const producer = new PlatformaticProducer({
      clientId: "idempotent",
      bootstrapBrokers,
      serializers: stringSerializers,
      idempotent: true,
      retries: 50,
      retryDelay: 100,
    });
    await sendAll((value) => producer.send({ messages: [{ topic, value }] }), 1);
    await producer.close();
  },
  ...(noKcat === null
    ? {
        async kcat(topic: string) {
          const input = Readable.from(
            (async function* () {
              for await (const line of slowly()) yield `${line}\n`;
            })(),
          );
          const { exitCode, stderr } = await new Kcat(cluster.bootstrap).run(["-P", "-t", topic, "-X", "enable.idempotence=true"], input);
          expect(exitCode, stderr).toBe(0);
        },
      }
    : {}),
};

describe("while the leader is killed", () => {
  test.each(Object.keys(writers))("what %s sends is there once and in order", { timeout: 60_000 }, async (name) => {
    const topic = `once-${name}`;
    orThrow(await admin.createTopics([{ name: topic, assignment: [[leader, 2, 3]] }]));
    const valuesIn = async () => (await new OttlaClient(cluster.bootstrap).consume(topic)).map(({ value }) => value?.toString());
    const written = writers[name]?.(topic);
    written?.catch(() => undefined);
    await waitUntil("a part to be written", async () => (await valuesIn()).length > linesCount / 5);
    await cluster.kill(leader);
    await written;
    await cluster.startBroker(leader);
    expect(await valuesIn()).toEqual(lines);
    const isWhole = async () => orThrow(await admin.describeTopics([topic]))[0]?.partitions[0]?.isr.length === 3;
    await waitUntil("the copies to be in sync", isWhole);
    await cluster.replicasIdentical(topic);
  });
});
