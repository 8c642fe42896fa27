import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { openLogStore } from "../../../broker/log/directories/open-directories.ts";
import type { Log } from "../../../broker/log/log-contract.ts";
import { nodeFileSystem } from "../../../broker/runtime/node-files.ts";
import { silentLogger } from "../../../protocol/base/logger.ts";
import { seededRandom } from "../../../protocol/base/random.ts";
import { encodeBatch } from "../../../protocol/records/encode-batch.ts";
import { testSettings } from "../../support/memory-log.ts";
import { prepareKafka } from "../../support/outside/apache-kafka.ts";
import { expectAgreement, filesOf, sumOf } from "../../support/outside/kafka-dump.ts";
import { parsedBatch } from "../../support/parsed-batch.ts";
import { makeTestFolder, removeTestFolder } from "../../support/test-folder.ts";
import { verify } from "../../unit/cli/log-verify/verify-fixture.ts";
import { StillClock, topicId } from "../../unit/log/log-fixture.ts";

const kafka = await prepareKafka();
const { missing } = kafka;
const title = missing === null ? "Kafka's DumpLogSegments of transactions" : `Kafka's DumpLogSegments of transactions: ${missing}`;

/** Three producers at a time, whose transactions overlap; every other one is aborted. One stays open. */
async function writeTransactions(log: Log): Promise<void> {
  const sequences = [0, 0, 0];
  for (let i = 0; i < 60; i++) {
    const producerId = 100 + (i % 3);
    const baseSequence = sequences[i % 3]!;
    sequences[i % 3] = baseSequence + 2;
    const records = ["a", "b"].map((key) => ({
      key: Buffer.from(key),
      value: Buffer.from(`value ${i}`),
      timestampMs: 1_700_000_000_000 + i,
    }));
    const batch = encodeBatch(records, { producerId, producerEpoch: 0, baseSequence, isTransactional: true });
    expect(log.appendAsLeader(parsedBatch(batch), 3, 0).kind).toBe("appended");
    const marker = { producerId, producerEpoch: 0, coordinatorEpoch: 7, kind: i % 2 === 0 ? "abort" : "commit" } as const;
    if (i % 5 < 3 && i < 58) expect(log.appendMarker({ ...marker, transactionVersion: 1 }, 3, 1_700_000_000_000 + i).kind).toBe("appended");
  }
  await log.written(log.endOffset);
}

describe.skipIf(missing !== null)(title, () => {
  const folders: string[] = [];
  afterAll(() => Promise.all(folders.map(removeTestFolder)));

  test("segments with markers, the index of aborted transactions, and snapshots with open ones", async () => {
    const directory = await makeTestFolder("transaction-files");
    folders.push(directory);
    const [files, clock, random] = [nodeFileSystem(), new StillClock(), seededRandom(1)];
    const store = await openLogStore({ files, clock, random, log: silentLogger }, { directory });
    await writeTransactions(await store.open("t", 0, topicId, { ...testSettings, segmentBytes: 2000 }));
    await store.close();
    const folder = join(directory, "t-0");
    const segments = await expectAgreement(kafka.program!, await filesOf(folder, /\.log$/));
    expect(segments.size).toBeGreaterThan(3);
    const batches = [...segments.values()].flatMap((dump) => dump.batches);
    expect(batches.filter(({ isControl }) => isControl).length).toBeGreaterThan(30);
    const indexes = await expectAgreement(kafka.program!, await filesOf(folder, /\.txnindex$/));
    expect(indexes.size).toBeGreaterThan(2);
    expect(sumOf(indexes, "entries")).toBeGreaterThan(10);
    const snapshots = await expectAgreement(kafka.program!, await filesOf(folder, /\.snapshot$/));
    expect(
      [...snapshots.values()].flatMap(({ entries }) => entries).some(({ transactionFirstOffset = -1 }) => transactionFirstOffset >= 0),
    ).toBe(true);
    expect(await verify(files, [directory])).toMatchObject({ failure: null, findings: [] });
    const markers = await kafka.program!.dump(["--deep-iteration", "--files", (await filesOf(folder, /\.log$/)).join(",")]);
    expect(markers).toMatch(/endTxnMarker: ABORT coordinatorEpoch: 7/);
    expect(markers).toMatch(/endTxnMarker: COMMIT coordinatorEpoch: 7/);
  });
});
