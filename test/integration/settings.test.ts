import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Admin, orThrow } from "../../client/index.ts";
import { type ProduceRequest, produceRequest, produceResponse } from "../../protocol/messages/produce.ts";
import { compressRecords, decompressRecords } from "../../protocol/records/compression.ts";
import { decodeBatch } from "../../protocol/records/decode-batch.ts";
import { encodeBatch } from "../../protocol/records/encode-batch.ts";
import { TestCluster } from "../support/cluster.ts";
import { OttlaCommand } from "../support/ottla-command.ts";
import { RawLink } from "../support/outside/raw-link.ts";
import { storedBatches } from "../support/outside/stored-batches.ts";
import { waitUntil } from "../support/wait-until.ts";

const topic = "target";
let cluster: TestCluster;
let admin: Admin;

beforeAll(async () => {
  cluster = await TestCluster.start({ settings: { "log.cleaner.backoff.ms": 3_600_000 } });
  admin = new Admin({ bootstrap: cluster.bootstrap });
  // partition i is led by the i-th broker
  const assignment = cluster.ids.map((id) => [id, ...cluster.ids.filter((other) => other !== id)]);
  orThrow(await admin.createTopics([{ name: topic, assignment }]));
});

afterAll(async () => {
  await OttlaCommand.killAll();
  await admin?.close();
  await cluster?.stop();
});

const batch = (valueBytes = 10, key: string | null = "k") =>
  encodeBatch([{ key: key === null ? null : Buffer.from(key), value: Buffer.alloc(valueBytes, "v"), timestampMs: Date.now() }]);

/** Directly to the leader of a partition, once: how a client handles an error is not tested here. */
async function produceTo(partition: number, records: Buffer, name = topic) {
  const link = await RawLink.open(cluster.address(cluster.ids[partition] as number));
  const partitionData = [{ index: partition, records: [records] }];
  const request: ProduceRequest = { transactionalId: null, acks: -1, timeoutMs: 5000, topicData: [{ name, partitionData }] };
  const { responses } = await link.ask(produceRequest, produceResponse, 9, request);
  link.drop();
  const [answer] = responses.flatMap(({ partitionResponses }) => partitionResponses);
  if (answer === undefined) throw new Error("no answer");
  return answer;
}

const errorsOn = (records: () => Buffer) => Promise.all(cluster.ids.map(async (_, i) => (await produceTo(i, records())).errorCode));

/** How long every leader takes to answer so. */
async function untilEveryLeader(what: string, records: () => Buffer, errorCode: string): Promise<number> {
  const startMs = performance.now();
  await waitUntil(what, async () => (await errorsOn(records)).every((code) => code === errorCode));
  return performance.now() - startMs;
}

async function run(args: string) {
  return new OttlaCommand([...args.split(" "), "--bootstrap", cluster.bootstrap.join()]).result;
}

/** Kafka's promise is "soon"; ours is a second. */
const appliedMaxMs = 1000;

describe("settings changed while brokers run", () => {
  test("a topic's and all brokers' are in force on every broker within a second, and back when they are taken away", async () => {
    await untilEveryLeader("every partition to be led", () => batch(), "NONE");
    const tookMs: number[] = [];
    const resources = [
      [{ topic }, "max.message.bytes"],
      [{ broker: null }, "message.max.bytes"],
    ] as const;
    for (const [resource, name] of resources) {
      const change = (changes: Parameters<Admin["incrementalAlterConfigs"]>[0][number]["changes"]) =>
        admin.incrementalAlterConfigs([{ resource, changes }]);
      orThrow(await change([{ name, operation: "set", value: "500" }]));
      tookMs.push(await untilEveryLeader(`${name} to be in force`, () => batch(600), "MESSAGE_TOO_LARGE"));
      expect(await errorsOn(() => batch(100))).toEqual(["NONE", "NONE", "NONE"]);
      orThrow(await change([{ name, operation: "delete" }]));
      tookMs.push(await untilEveryLeader(`${name} to be in force no more`, () => batch(600), "NONE"));
    }
    console.log(`in force on all brokers after ${tookMs.map((ms) => ms.toFixed(0)).join(", ")} ms`);
    expect(Math.max(...tookMs)).toBeLessThan(appliedMaxMs);
  });

  test("they outlive the broker they were asked of, and the controller", async () => {
    orThrow(await admin.alterConfigs([{ resource: { broker: null }, configs: { "message.max.bytes": "500" } }]));
    await untilEveryLeader("the bound to be in force", () => batch(600), "MESSAGE_TOO_LARGE");
    const { controllerId } = await admin.describeCluster();
    await cluster.kill(controllerId);
    await cluster.startBroker(controllerId);
    await waitUntil("leaders to be where they were, with the bound", async () => {
      orThrow(await admin.electLeaders("preferred").then((results) => results.filter(({ error }) => error === null)));
      return (await errorsOn(() => batch(600)).catch(() => ["unreachable"])).every((code) => code === "MESSAGE_TOO_LARGE");
    });
    orThrow(await admin.alterConfigs([{ resource: { broker: null }, configs: {} }]));
    await untilEveryLeader("no bound", () => batch(600), "NONE");
  });
});

describe("the cleaner's settings", () => {
  test("changed while it pauses for an hour, they are in force on every broker within a second", async () => {
    const name = "latest";
    const configs = { "cleanup.policy": "compact", "segment.bytes": "1000", "min.cleanable.dirty.ratio": "0.01" };
    orThrow(await admin.createTopics([{ name, assignment: [cluster.ids], configs }]));
    await waitUntil("the topic to be led", async () => (await produceTo(0, batch(), name)).errorCode === "NONE");
    for (let i = 0; i < 60; i++) expect((await produceTo(0, batch(), name)).errorCode).toBe("NONE");
    await cluster.replicasIdentical(name);
    const count = async (id: number) => (await storedBatches(cluster, id, name, 0)).length;
    expect(await count(cluster.ids[0] as number)).toBe(61);
    const change = (operation: "set" | "delete") =>
      admin.incrementalAlterConfigs([
        { resource: { broker: null }, changes: [{ name: "log.cleaner.backoff.ms", operation, value: "50" }] },
      ]);
    orThrow(await change("set"));
    const startMs = performance.now();
    await waitUntil("all replicas to be compacted", async () => (await Promise.all(cluster.ids.map(count))).every((left) => left < 30));
    console.log(`compacted on all brokers after ${(performance.now() - startMs).toFixed(0)} ms`);
    expect(performance.now() - startMs).toBeLessThan(3 * appliedMaxMs);
    orThrow(await change("delete"));
  });
});

describe("what is produced", () => {
  test("under another codec of the topic is the same records on every replica", async () => {
    for (const codec of ["gzip", "snappy", "lz4", "zstd", "uncompressed"] as const) {
      const name = `kept-${codec}`;
      orThrow(await admin.createTopics([{ name, assignment: [cluster.ids], configs: { "compression.type": codec } }]));
      const records = Array.from({ length: 50 }, (_, i) => ({ key: null, value: Buffer.from(`value ${i}`), timestampMs: Date.now() }));
      await waitUntil("the topic to be led", async () => (await produceTo(0, batch(), name)).errorCode === "NONE");
      for (const from of ["none", "gzip", "zstd"] as const)
        expect((await produceTo(0, encodeBatch(records, { codec: from, compress: compressRecords }), name)).errorCode).toBe("NONE");
      await cluster.replicasIdentical(name);
      const bytes = await cluster.logBytes(cluster.ids[0] as number, name, 0);
      const batches = await storedBatches(cluster, cluster.ids[0] as number, name, 0);
      expect(batches.map((one) => one.codec)).toEqual(Array(4).fill(codec === "uncompressed" ? "none" : codec));
      const last = [...decodeBatch(bytes as Buffer, batches[3]?.position, { decompress: decompressRecords })];
      expect(last.map(({ offset, value }) => [offset, String(value)])).toEqual(records.map(({ value }, i) => [101 + i, String(value)]));
    }
  });

  test("to a compacted topic without keys, or out of time, is refused with the records named", async () => {
    const configs = { "cleanup.policy": "compact", "message.timestamp.before.max.ms": "60000", "message.timestamp.after.max.ms": "60000" };
    orThrow(await admin.createTopics([{ name: "strict", assignment: [cluster.ids], configs }]));
    await waitUntil("the topic to be led", async () => (await produceTo(0, batch(), "strict")).errorCode === "NONE");
    expect(await produceTo(0, batch(5, null), "strict")).toMatchObject({ errorCode: "INVALID_RECORD", recordErrors: [{ batchIndex: 0 }] });
    const late = encodeBatch([0, 3_600_000].map((agoMs) => ({ key: Buffer.from("k"), value: null, timestampMs: Date.now() - agoMs })));
    expect(await produceTo(0, late, "strict")).toMatchObject({ errorCode: "INVALID_TIMESTAMP", recordErrors: [{ batchIndex: 1 }] });
  });
});

describe("the command", () => {
  test("shows and changes settings of topics and brokers, with where they come from", async () => {
    expect((await run(`topic alter ${topic} --config retention.ms=77 --config segment.ms=5000`)).code).toBe(0);
    expect((await run("cluster alter --config log.retention.ms=88")).stdout).toBe(
      "altered all brokers\nsetting           was        is\nlog.retention.ms  (not set)  88\n",
    );
    const [described] = JSON.parse((await run(`topic describe ${topic} --configs --json`)).stdout);
    expect(described.configs.find(({ name }: { name: string }) => name === "retention.ms")).toEqual({
      name: "retention.ms",
      value: "77",
      source: "topic",
      synonyms: [
        { name: "retention.ms", value: "77", source: "topic" },
        { name: "log.retention.ms", value: "88", source: "dynamic-default" },
        { name: "log.retention.hours", value: "168", source: "default" },
      ],
    });
    expect((await run(`topic describe ${topic} --configs`)).stdout).toMatch(
      /retention\.ms +77 +topic +log\.retention\.ms=88 \(dynamic-default\)/,
    );
    const ofCluster = (await run("cluster describe --configs")).stdout;
    expect(ofCluster).toMatch(/^all +log\.retention\.ms +88 +dynamic-default/m);
    const id = cluster.ids[0];
    expect(ofCluster).toMatch(new RegExp(`^${id} +broker\\.id +${id} +static-broker`, "m"));
    expect((await run(`cluster alter --broker ${id} --config log.retention.ms=99`)).stdout).toBe(
      `altered broker ${id}\nsetting           was  is\nlog.retention.ms  88   99\n`,
    );
    const [ofBroker] = JSON.parse((await run(`cluster describe --broker ${id} --json`)).stdout).configs;
    expect(ofBroker.configs.find(({ name }: { name: string }) => name === "log.retention.ms")).toMatchObject({
      value: "99",
      source: "dynamic-broker",
    });
    const back = JSON.parse((await run(`cluster alter --broker ${id} --delete-config log.retention.ms --json`)).stdout);
    expect(back.changed).toEqual([{ name: "log.retention.ms", was: "99", is: "88" }]);
    const grown = JSON.parse((await run(`topic alter ${topic} --delete-config segment.ms --json`)).stdout);
    expect(grown.changed).toEqual([{ name: "segment.ms", was: "5000", is: "604800000" }]);
    expect((await run("cluster alter --delete-config log.retention.ms")).code).toBe(0);
  });

  test("names the nearest setting for one that there is not, and applies nothing of a request that is wrong in part", async () => {
    const wrong = await run(`topic alter ${topic} --config segment.bytes=5000 --config retentoin.ms=5`);
    expect(wrong).toMatchObject({ code: 1, stdout: "" });
    expect(wrong.stderr).toMatch(/^ottla: [^\n]*did you mean retention\.ms\?[^\n]*\n$/);
    const { stderr } = await run(`topic alter ${topic} --config segment.bytes=13`);
    expect(stderr).toContain('Invalid value "13" for segment.bytes: it must be a whole number from 14 to 2147483647.');
    const [described] = orThrow(await admin.describeConfigs([{ topic }], { names: ["segment.bytes"] }));
    expect(described?.configs[0]?.source).not.toBe("topic");
    expect(await run("cluster alter --config broker.id=9")).toMatchObject({ code: 1 });
    expect(await run("cluster alter --config max.connections")).toMatchObject({ code: 2 });
    expect(await run("cluster alter --broker 99 --config max.connections=5")).toMatchObject({
      code: 1,
      stderr: expect.stringContaining("there is no broker 99"),
    });
    expect(await run("cluster alter")).toMatchObject({ code: 2 });
  });
});
