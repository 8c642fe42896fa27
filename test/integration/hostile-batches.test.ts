import { zstdCompressSync } from "node:zlib";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { Admin, orThrow } from "../../client/index.ts";
import type { KafkaError } from "../../protocol/errors/kafka-errors.ts";
import { apiVersionsRequest, apiVersionsResponse } from "../../protocol/messages/api-versions.ts";
import { type ProduceRequest, produceRequest, produceResponse } from "../../protocol/messages/produce.ts";
import { attributeBits, batchHeaderBytes, batchPrefixBytes, fieldAt, sealBatch } from "../../protocol/records/batch-header.ts";
import { encodeBatch } from "../../protocol/records/encode-batch.ts";
import { TestCluster } from "../support/cluster.ts";
import { BrokerWatch } from "../support/outside/broker-watch.ts";
import { RawLink, readAnswer, requestFrame } from "../support/outside/raw-link.ts";
import { SteadyProducer } from "../support/outside/steady-producer.ts";
import { storedBatches } from "../support/outside/stored-batches.ts";
import { waitUntil } from "../support/wait-until.ts";

const topic = "target";
const loadTopic = "beside";
const batchMaxBytes = 100_000;
const version = 9;

let cluster: TestCluster;
let admin: Admin;
let leader: number;
let link: RawLink;

beforeAll(async () => {
  cluster = await TestCluster.start();
  admin = new Admin({ bootstrap: cluster.bootstrap });
  const configs = { "max.message.bytes": String(batchMaxBytes) };
  const assignment = [cluster.ids, cluster.ids];
  orThrow(
    await admin.createTopics([
      { name: topic, assignment, configs },
      { name: loadTopic, partitions: 1 },
    ]),
  );
  leader = cluster.ids[0] ?? 0;
});

afterAll(async () => {
  link?.drop();
  await admin?.close();
  await cluster?.stop();
});

beforeEach(async () => {
  link?.drop();
  link = await RawLink.open(cluster.address(leader));
});

const nowMs = Date.now();

function good(count = 3, valueBytes = 10, timestampMs = nowMs): Buffer {
  return encodeBatch(
    Array.from({ length: count }, (_, i) => ({ key: Buffer.from(`k${i}`), value: Buffer.alloc(valueBytes, "v"), timestampMs })),
  );
}

/** A batch with something wrong in its header, but a matching CRC. */
function resealed(change: (batch: Buffer) => void): Buffer {
  const batch = good();
  change(batch);
  sealBatch(batch, 0, batch.length);
  return batch;
}

function changed(change: (batch: Buffer) => void): Buffer {
  const batch = good();
  change(batch);
  return batch;
}

const withAttributes = (bits: number) => resealed((batch) => batch.writeInt16BE(bits, fieldAt.attributes));
const withCount = (count: number) => resealed((batch) => batch.writeInt32BE(count, fieldAt.recordsCount));

const refused: readonly (readonly [name: string, records: Buffer | null, error: KafkaError])[] = [
  ["no records", null, "INVALID_RECORD"],
  ["empty records", Buffer.alloc(0), "INVALID_RECORD"],
  ["one byte", Buffer.alloc(1), "CORRUPT_MESSAGE"],
  ["garbage", Buffer.alloc(200, 0xa5), "CORRUPT_MESSAGE"],
  ["half a batch", good().subarray(0, 70), "CORRUPT_MESSAGE"],
  ["a flipped bit in the records", changed((b) => b.writeUInt8((b.at(-1) ?? 0) ^ 1, b.length - 1)), "CORRUPT_MESSAGE"],
  ["a flipped bit in the CRC", changed((b) => b.writeUInt8((b[fieldAt.crc] ?? 0) ^ 1, fieldAt.crc)), "CORRUPT_MESSAGE"],
  ["message format 0", changed((b) => b.writeInt8(0, fieldAt.magic)), "UNSUPPORTED_FOR_MESSAGE_FORMAT"],
  ["message format 1", changed((b) => b.writeInt8(1, fieldAt.magic)), "UNSUPPORTED_FOR_MESSAGE_FORMAT"],
  ["message format 3", changed((b) => b.writeInt8(3, fieldAt.magic)), "CORRUPT_MESSAGE"],
  ["a length longer than the batch", changed((b) => b.writeInt32BE(b.length, fieldAt.batchLength)), "CORRUPT_MESSAGE"],
  ["a length shorter than a header", changed((b) => b.writeInt32BE(20, fieldAt.batchLength)), "CORRUPT_MESSAGE"],
  ["a negative length", changed((b) => b.writeInt32BE(-1, fieldAt.batchLength)), "CORRUPT_MESSAGE"],
  ["a batch above max.message.bytes", good(1, batchMaxBytes), "MESSAGE_TOO_LARGE"],
  ["more records than its last offset says", withCount(4), "INVALID_RECORD"],
  ["fewer records than its last offset says", withCount(2), "INVALID_RECORD"],
  ["no record in it", withCount(0), "INVALID_RECORD"],
  ["a negative count of records", withCount(-3), "INVALID_RECORD"],
  ["two batches", Buffer.concat([good(), good()]), "INVALID_RECORD"],
  ["bytes after the batch", Buffer.concat([good(), Buffer.alloc(30, 0xa5)]), "CORRUPT_MESSAGE"],
  ["offsets of its own", changed((b) => b.writeBigInt64BE(5n, fieldAt.baseOffset)), "INVALID_RECORD"],
  ["an unknown codec", withAttributes(7), "UNSUPPORTED_COMPRESSION_TYPE"],
  ["a control batch", withAttributes(attributeBits.control), "INVALID_RECORD"],
  ["a transaction without a producer", withAttributes(attributeBits.transactional), "TRANSACTIONAL_ID_AUTHORIZATION_FAILED"],
  ["the broker's own kind of timestamp", withAttributes(attributeBits.logAppendTime), "INVALID_TIMESTAMP"],
  ["a timestamp beyond 2^53", resealed((b) => b.writeBigInt64BE(2n ** 60n, fieldAt.maxTimestamp)), "INVALID_RECORD"],
];

function requestOf(parts: readonly (readonly [partition: number, records: Buffer | null])[], acks = -1, name = topic): ProduceRequest {
  const partitionData = parts.map(([index, records]) => ({ index, records: records === null ? null : [records] }));
  return { transactionalId: null, acks, timeoutMs: 5000, topicData: [{ name, partitionData }] };
}

async function produce(request: ProduceRequest) {
  const { responses } = await link.ask(produceRequest, produceResponse, version, request);
  return responses.flatMap(({ partitionResponses }) => partitionResponses);
}

/** Records with so many empty headers each, compressed with zstd. */
function withHeaders(recordsCount: number, headersCount: number): Buffer {
  const headers = Buffer.alloc(headersCount * 2);
  for (let i = 1; i < headers.length; i += 2) headers[i] = 1; // an empty key, a value that is null
  const records = Array.from({ length: recordsCount }, (_, i) => {
    const head = Buffer.concat([Buffer.of(0, 0), varint(i), Buffer.of(1, 1), varint(headersCount)]);
    return [varint(head.length + headers.length), head, headers];
  }).flat();
  const batch = Buffer.concat([good().subarray(0, batchHeaderBytes), zstdCompressSync(Buffer.concat(records))]);
  batch.writeInt32BE(batch.length - batchPrefixBytes, fieldAt.batchLength);
  batch.writeInt16BE(4, fieldAt.attributes);
  batch.writeInt32BE(recordsCount, fieldAt.recordsCount);
  batch.writeInt32BE(recordsCount - 1, fieldAt.lastOffsetDelta);
  sealBatch(batch, 0, batch.length);
  return batch;
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value * 2;
  for (; rest > 0x7f; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 0x80);
  return Buffer.from([...bytes, rest]);
}

const bytesOf = (partition: number) => cluster.logBytes(leader, topic, partition);

describe("a bad batch", () => {
  test.each(refused)("%s: is refused with its error, nothing is appended, and the connection goes on", async (_name, records, error) => {
    const before = await bytesOf(0);
    const producer = new SteadyProducer(cluster.bootstrap, loadTopic, 1);
    for (const acks of [-1, 1]) {
      const [answer] = await produce(requestOf([[0, records]], acks));
      expect(answer).toMatchObject({ index: 0, errorCode: error, baseOffset: -1 });
      if (records !== null) expect(answer?.errorMessage).not.toBe("");
    }
    expect(await bytesOf(0)).toEqual(before);
    const [after] = await produce(requestOf([[0, good()]]));
    expect(after?.errorCode).toBe("NONE");
    await waitUntil("the producer beside to go on", () => producer.acknowledgedCount > 5);
    expect(await producer.stop()).toMatchObject({ failed: [], repeated: 0 });
  });

  test("beside a good one in the same request: only the good one is appended", async () => {
    const before = (await storedBatches(cluster, leader, topic, 0)).length;
    const beforeOther = await bytesOf(1);
    const answers = await produce(
      requestOf([
        [0, good()],
        [1, changed((b) => b.writeInt8(9, fieldAt.magic))],
        [99, good()],
      ]),
    );
    expect(answers.map(({ errorCode }) => errorCode)).toEqual(["NONE", "CORRUPT_MESSAGE", "UNKNOWN_TOPIC_OR_PARTITION"]);
    expect(await storedBatches(cluster, leader, topic, 0)).toHaveLength(before + 1);
    expect(await bytesOf(1)).toEqual(beforeOther);
  });

  test("unknown topics and acks are answered with their errors", async () => {
    const before = await bytesOf(0);
    expect((await produce(requestOf([[0, good()]], -1, "no-such-topic")))[0]?.errorCode).toBe("UNKNOWN_TOPIC_OR_PARTITION");
    expect((await produce(requestOf([[0, good()]], 2)))[0]?.errorCode).toBe("INVALID_REQUIRED_ACKS");
    expect((await produce(requestOf([[0, good()]], -7)))[0]?.errorCode).toBe("INVALID_REQUIRED_ACKS");
    expect(await bytesOf(0)).toEqual(before);
  });

  test("with acks=0 closes the connection, with one line that names the peer", async () => {
    const before = await bytesOf(0);
    const watch = await BrokerWatch.start(cluster, leader);
    link.send(requestFrame(produceRequest, version, requestOf([[0, good().subarray(0, 70)]], 0)));
    await link.closed();
    const lines = await watch.linesOf(link.address);
    // the producer's mistake, not the broker's
    expect(lines).toMatchObject([{ level: "warn", reason: expect.stringContaining("CORRUPT_MESSAGE") }]);
    expect(await bytesOf(0)).toEqual(before);
  });

  test("of a few kilobytes with 31 million headers does not hold up others, taken or not", async () => {
    // built before anything waits: that takes this process a while. One record with all of them; as many as records may have, in 475 of
    // them; more than may be decompressed
    const bombs = [withHeaders(1, 31_000_000), withHeaders(475, 65_536), withHeaders(520, 65_536)];
    for (const bomb of bombs) expect(bomb.length).toBeLessThan(10_000);
    const before = (await storedBatches(cluster, leader, topic, 0)).length;
    const bystander = await RawLink.open(cluster.address(leader));
    const body = { clientSoftwareName: "bystander", clientSoftwareVersion: "1" };
    let isOver = false;
    let longestWaitMs = 0;
    const watching = (async () => {
      while (!isOver) {
        const askedMs = performance.now();
        await bystander.ask(apiVersionsRequest, apiVersionsResponse, 3, body);
        longestWaitMs = Math.max(longestWaitMs, performance.now() - askedMs);
      }
    })();
    for (const records of [...bombs, good()]) link.send(requestFrame(produceRequest, version, requestOf([[0, records]])));
    const answers = (await link.answers(4, 60_000)).map((frame) => readAnswer(produceResponse, version, frame));
    isOver = true;
    await watching;
    bystander.drop();
    const errors = answers.flatMap(({ responses }) => responses.flatMap(({ partitionResponses }) => partitionResponses[0]?.errorCode));
    expect(errors).toEqual(["INVALID_RECORD", "NONE", "INVALID_RECORD", "NONE"]);
    expect(await storedBatches(cluster, leader, topic, 0)).toHaveLength(before + 2);
    // some tens of milliseconds on an idle machine; validated in one turn it took seconds, and cost the leadership
    expect(longestWaitMs).toBeLessThan(1000);
  });

  test("leaves copies that are the same everywhere", async () => {
    await cluster.replicasIdentical(topic);
  });
});
