import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { nodeFileSystem } from "../../../broker/runtime/node-files.ts";
import { Admin, Consumer, orThrow } from "../../../client/index.ts";
import { compressionCodecs } from "../../../protocol/records/batch-header.ts";
import { TestCluster } from "../../support/cluster.ts";
import { prepareKafka } from "../../support/outside/apache-kafka.ts";
import { expectAgreement, filesOf, sumOf } from "../../support/outside/kafka-dump.ts";
import { OttlaClient } from "../../support/outside/ottla-client.ts";
import { sampleRecords } from "../../support/outside/outside-client.ts";
import { verify } from "../../unit/cli/log-verify/verify-fixture.ts";

// Our files before the eyes of Apache Kafka 3.9.1: tested where it can be had, skipped with the reason where not.
const kafka = await prepareKafka();
const { missing } = kafka;
const title = missing === null ? "Apache Kafka's DumpLogSegments" : `Apache Kafka's DumpLogSegments: ${missing}`;

const small = { "segment.bytes": "20000", "index.interval.bytes": "500", "retention.ms": "-1" };

describe.skipIf(missing !== null)(title, () => {
  let data: string;
  let toEnd = async () => {};
  afterAll(() => toEnd());
  beforeAll(async () => {
    const one = {
      "default.replication.factor": 1,
      "min.insync.replicas": 1,
      "offsets.topic.replication.factor": 1,
      "offsets.topic.num.partitions": 1,
    };
    const cluster = await TestCluster.start({ brokers: 1, settings: one });
    toEnd = () => cluster.stop();
    data = cluster.dataDirectory(1);
    await using admin = new Admin({ bootstrap: cluster.bootstrap });
    orThrow(await admin.createTopics([{ name: "codecs", partitions: 1, replicationFactor: 1, configs: small }]));
    const client = new OttlaClient(cluster.bootstrap);
    for (const codec of compressionCodecs)
      for (let lot = 0; lot < 8; lot++) await client.produce({ topic: "codecs", codec, records: sampleRecords(`${codec}-${lot}`, 50) });
    await commitOffsets(cluster);
    await cluster.shutDown(1);
  });
  test("segments with every codec, and their indexes", async () => {
    const folder = join(data, "codecs-0");
    const segments = await expectAgreement(kafka.program!, await filesOf(folder, /\.log$/));
    expect(segments.size).toBeGreaterThan(2);
    expect(sumOf(segments, "records")).toBe(5 * 400);
    const codecs = new Set([...segments.values()].flatMap(({ batches }) => batches.map(({ codec }) => codec)));
    expect([...codecs].sort()).toEqual([...compressionCodecs].sort());
    const indexes = await expectAgreement(kafka.program!, await filesOf(folder, /index$/));
    expect(sumOf(indexes, "entries")).toBeGreaterThan(5);
    const passed = await kafka.program!.dump([
      "--index-sanity-check",
      "--files",
      (await filesWithContent(await filesOf(folder, /index$/))).join(","),
    ]);
    expect(passed).not.toMatch(/Exception|corrupt/i);
    expect(passed).toMatch(/passed sanity check/);
  });

  test("snapshots of the producers", async () => {
    const snapshots = await expectAgreement(kafka.program!, await filesOf(join(data, "codecs-0"), /\.snapshot$/));
    expect(sumOf(snapshots, "entries")).toBeGreaterThan(2);
  });

  test("the topic of committed offsets", async () => {
    const paths = await filesOf(join(data, "__consumer_offsets-0"), /\.log$/);
    const dumped = await expectAgreement(kafka.program!, paths);
    expect(sumOf(dumped, "records")).toBeGreaterThan(2);
    const printed = await kafka.program!.dump(["--offsets-decoder", "--files", paths.join(",")]);
    expect(printed).toMatch(/offset_commit.*readers.*codecs|key: .*readers.*codecs/s);
  });

  test("and ottla log verify finds all of it sound", async () => {
    expect(await verify(nodeFileSystem(), [data])).toMatchObject({ failure: null, findings: [] });
  });
});

async function commitOffsets(cluster: TestCluster): Promise<void> {
  await using consumer = new Consumer({ bootstrap: cluster.bootstrap, group: "readers", offsetReset: "earliest" });
  await consumer.subscribe(["codecs"]);
  for await (const { offset } of consumer) if (offset === 100) break;
  await consumer.commit();
}

async function filesWithContent(paths: readonly string[]): Promise<string[]> {
  const sizes = await Promise.all(paths.map((path) => nodeFileSystem().size(path)));
  return paths.filter((_, i) => (sizes[i] ?? 0) > 0);
}
