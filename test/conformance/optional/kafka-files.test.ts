import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { nodeFileSystem } from "../../../broker/runtime/node-files.ts";
import { Admin, orThrow } from "../../../client/index.ts";
import { compressionCodecs } from "../../../protocol/records/batch-header.ts";
import { type KafkaBroker, prepareKafka } from "../../support/outside/apache-kafka.ts";
import { dumpWithOttla, expectAgreement, filesOf, sumOf } from "../../support/outside/kafka-dump.ts";
import { recordToLine, sampleRecords } from "../../support/outside/outside-client.ts";
import { prepareJava } from "../../support/outside/program-client.ts";
import { waitUntil } from "../../support/wait-until.ts";
import { verify } from "../../unit/cli/log-verify/verify-fixture.ts";

// The files of Apache Kafka 3.9.1 before our eyes: tested where it can be had, skipped with the reason where not.
const [kafka, java] = await Promise.all([prepareKafka(), prepareJava()]);
const missing = kafka.missing ?? java.missing;

const small = { "segment.bytes": "60000", "index.interval.bytes": "500", "retention.ms": "-1" };

describe.skipIf(missing !== null).each(["SIGTERM", "SIGKILL"] as const)(
  `ottla log reads what a broker of Kafka wrote, ended by %s${missing === null ? "" : `: ${missing}`}`,
  (signal) => {
    let broker: KafkaBroker;
    afterAll(() => broker?.remove());
    beforeAll(async () => {
      broker = await kafka.program!.startBroker({ "log.cleaner.backoff.ms": 200, "log.initial.task.delay.ms": 200 });
      await using admin = new Admin({ bootstrap: [broker.address] });
      const compacted = { ...small, "cleanup.policy": "compact", "min.cleanable.dirty.ratio": "0.01" };
      orThrow(
        await admin.createTopics([
          { name: "codecs", partitions: 1, replicationFactor: 1, configs: small },
          { name: "compacted", partitions: 1, replicationFactor: 1, configs: compacted },
        ]),
      );
      for (const topic of ["codecs", "compacted"]) {
        for (const codec of compressionCodecs) {
          const records = sampleRecords(codec, 400);
          const keyed = records.map((record, i) => (topic === "compacted" ? { ...record, key: Buffer.from(`key ${i % 7}`) } : record));
          await java.program?.run([broker.address], ["produce", topic, codec], `${keyed.map(recordToLine).join("\n")}\n`);
        }
      }
      await waitUntil("the cleaner was there", async () =>
        /compacted 0 [1-9]/.test(await readFile(join(broker.dataDirectory, "cleaner-offset-checkpoint"), "utf8").catch(() => "")),
      );
      await broker.stop(signal);
    });
    test("segments and indexes, record by record", async () => {
      for (const topic of ["codecs", "compacted"]) {
        const folder = join(broker.dataDirectory, `${topic}-0`);
        const segments = await expectAgreement(kafka.program!, await filesOf(folder, /\.log$/));
        await expectAgreement(kafka.program!, await filesOf(folder, /index$/));
        const snapshots = await expectAgreement(kafka.program!, await filesOf(folder, /\.snapshot$/));
        if (signal === "SIGTERM") expect(sumOf(snapshots, "entries")).toBeGreaterThan(4);
        if (topic === "codecs") expect(sumOf(segments, "records")).toBe(5 * 400);
        else expect(sumOf(segments, "records")).toBeLessThan(5 * 400);
      }
    });

    test("its checkpoints and properties", async () => {
      const paths = await filesOf(broker.dataDirectory, /-checkpoint$|^meta\.properties$/);
      paths.push(...(await filesOf(join(broker.dataDirectory, "codecs-0"), /-checkpoint$|^partition\.metadata$/)));
      const dumped = await dumpWithOttla(paths);
      expect(dumped.get(join(broker.dataDirectory, "cleaner-offset-checkpoint"))?.entries).toMatchObject([
        { topic: "compacted", partition: 0 },
      ]);
      expect(dumped.get(join(broker.dataDirectory, "codecs-0", "leader-epoch-checkpoint"))?.entries).toEqual([
        { epoch: 0, startOffset: 0 },
      ]);
    });

    test("and find them sound", async () => {
      const { problems, failure, lines } = await verify(nodeFileSystem(), [broker.dataDirectory]);
      expect({ problems, failure }).toEqual({ problems: [], failure: null });
      expect(lines.find(({ log }) => log === "codecs-0")).toMatchObject({ records: 5 * 400, startOffset: 0, endOffset: 5 * 400 });
    });
  },
);
