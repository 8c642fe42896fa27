import type { ClientRuntime } from "../../client/base/client-runtime.ts";
import { consumerCluster } from "../../client/consumer/consumer-options.ts";
import { fetchRequestOf, fetchVersionMax, type PartitionAnswer } from "../../client/fetch/fetch-answer.ts";
import { Consumer, KafkaProtocolError, LogTruncated, OffsetOutOfRange } from "../../client/index.ts";
import type { Cluster } from "../../client/metadata/cluster.ts";
import { zeroTopicId } from "../../protocol/base/ids.ts";
import { type Random, randomInt } from "../../protocol/base/random.ts";
import { apis } from "../../protocol/messages/apis.ts";
import { decompressRecords } from "../../protocol/records/compression.ts";
import { decodeBatch } from "../../protocol/records/decode-batch.ts";
import { scanBatches } from "../../protocol/records/validate-batches.ts";
import type { Checker } from "./checker.ts";
import type { SimClock } from "./sim-clock.ts";
import type { Trace } from "./trace.ts";
import type { PlacedRecord } from "./workload.ts";

export interface NearReadersParts {
  readonly clock: SimClock;
  readonly trace: Trace;
  readonly random: Random;
  readonly topic: string;
  readonly partitions: number;
  readonly brokers: readonly number[];
  readonly bootstrap: string;
  readonly offsetReset: "none" | "earliest";
  readonly runtime: (owner: string) => ClientRuntime;
  readonly checker: () => Checker;
  readonly leaderOf: (partition: number) => number;
  readonly onViolation: (claim: string) => void;
}

const probeEveryMs = 150;

/**
 * Who reads close by: a consumer that says the rack of one of the brokers, and is sent there whenever that follows; and probes, which ask
 * any broker for any offset, as if they had been sent there by a leader that knows nothing. Whatever is handed out counts as committed from
 * then on: it must be on every in-sync replica, and nothing else may ever be at its offset. The consumer misses nothing, gets nothing
 * twice, and nothing out of order.
 */
export class NearReaders {
  readonly #parts: NearReadersParts;
  readonly #consumer: Consumer<Buffer, Buffer>;
  readonly #probes: Cluster;
  readonly #rack: string;
  /** By partition: what the consumer gets next, and up to where it has skipped. */
  readonly #due: number[];
  readonly #skippedTo: number[];
  #isOver = false;
  /** Records that probes were given by brokers that did not lead. */
  followed = 0;

  constructor(parts: NearReadersParts) {
    this.#parts = parts;
    const { random, brokers, bootstrap, offsetReset, runtime } = parts;
    this.#rack = `r${brokers[randomInt(random, brokers.length)]}`;
    const base = { requestTimeoutMs: 3000, connectTimeoutMs: 1000, retryBackoffMs: 50, retryBackoffMaxMs: 500, bootstrap };
    const metadataMaxAgeMs = [700, 5_000, 300_000][randomInt(random, 3)] as number;
    const reading = { ...base, metadataMaxAgeMs, rack: this.#rack, offsetReset, fetchWaitMaxMs: 300 };
    this.#consumer = new Consumer({ ...reading, runtime: runtime("near") });
    this.#probes = consumerCluster({ ...base, runtime: runtime("probe") });
    this.#due = Array.from({ length: parts.partitions }, () => 0);
    this.#skippedTo = Array.from({ length: parts.partitions }, () => 0);
  }

  async start(): Promise<void> {
    await this.#consumer.assign([{ topic: this.#parts.topic, from: "beginning" }]);
    void this.#consume();
    this.#probeLater();
  }

  stop(): void {
    this.#isOver = true;
  }

  readEnd(partition: number): number {
    return this.#due[partition] ?? 0;
  }

  /** What was skipped was deleted. */
  finish(): void {
    const { checker, onViolation } = this.#parts;
    for (const [partition, skippedTo] of this.#skippedTo.entries())
      if (skippedTo > checker().goneUpTo(partition))
        onViolation(`I6 the consumer in ${this.#rack} went on at ${skippedTo} of partition ${partition}, where nothing was gone`);
  }

  async #consume(): Promise<void> {
    const { trace, onViolation } = this.#parts;
    for (;;) {
      try {
        for await (const { partition, offset, key, value, headers } of this.#consumer)
          this.#consumed({ partition, offset, key: key?.toString() ?? null, value: value?.toString() ?? String(headers[0]?.value ?? "") });
        return;
      } catch (error) {
        const { name, message } = error as Error;
        trace.line(`consumer in ${this.#rack}: ${name}: ${message}`);
        const isExpected = error instanceof KafkaProtocolError && !(error instanceof LogTruncated) && !(error instanceof OffsetOutOfRange);
        if (!isExpected) return onViolation(`I6 the consumer in ${this.#rack} fails: ${name}: ${message}`);
      }
    }
  }

  #consumed(record: PlacedRecord): void {
    const { checker, onViolation } = this.#parts;
    const { partition, offset } = record;
    const due = this.readEnd(partition);
    if (offset < due) onViolation(`I6 the consumer in ${this.#rack} got offset ${offset} of partition ${partition} where ${due} was due`);
    if (offset > due && !checker().isCompacted) this.#skippedTo[partition] = offset;
    this.#due[partition] = offset + 1;
    checker().readAnywhere(record, `by the consumer in ${this.#rack}`);
  }

  #probeLater(): void {
    const { clock, random } = this.#parts;
    clock.schedule("probe", random.next() * probeEveryMs, () => {
      if (this.#isOver) return;
      void this.#probe().finally(() => this.#probeLater());
    });
  }

  async #probe(): Promise<void> {
    const { random, brokers, partitions, trace } = this.#parts;
    const broker = brokers[randomInt(random, brokers.length)] as number;
    const partition = randomInt(random, partitions);
    const offset = Math.max(0, this.readEnd(partition) - randomInt(random, 8) + randomInt(random, 8));
    try {
      const answer = await this.#ask(broker, partition, offset);
      if (answer !== undefined) this.#take(answer, { broker, partition, offset });
    } catch (error) {
      trace.line(`probe of b${broker}: ${(error as Error).message}`, true);
    }
  }

  async #ask(broker: number, partition: number, fetchOffset: number): Promise<PartitionAnswer | undefined> {
    const { topic, random } = this.#parts;
    const { metadata, pool } = this.#probes;
    if (metadata.topic(topic) === undefined) await metadata.refresh();
    const target = { topic, topicId: metadata.topic(topic)?.topicId ?? zeroTopicId, partition, fetchOffset };
    const asked = { ...target, currentLeaderEpoch: -1, lastFetchedEpoch: -1, partitionMaxBytes: 2000 };
    const connection = await pool.toBroker(broker, "fetches");
    // of a rack that no broker is in: it is sent nowhere else
    const wishes = { maxWaitMs: randomInt(random, 2) * 200, minBytes: 1, maxBytes: 2000, rackId: "probe" };
    const session = { sessionId: 0, sessionEpoch: -1, toSend: [asked], toForget: [] };
    const versionMax = fetchVersionMax([asked]);
    const options = versionMax === undefined ? {} : { versionMax };
    const answer = await connection.request(apis.fetch, () => fetchRequestOf(session, wishes), { waitMs: wishes.maxWaitMs, ...options });
    return answer.responses[0]?.partitions[0];
  }

  #take(
    { errorCode, records }: PartitionAnswer,
    { broker, partition, offset: from }: { broker: number; partition: number; offset: number },
  ): void {
    const { checker, leaderOf, trace } = this.#parts;
    const bytes = Buffer.concat(records ?? []);
    const isFollower = leaderOf(partition) !== broker;
    let count = 0;
    // one that is damaged on the disk is found by whoever reads it
    for (const { position, isControl } of scanBatches(bytes).batches) {
      if (isControl) continue;
      for (const { offset, key, value, headers } of decodeBatch(bytes, position, { decompress: decompressRecords })) {
        if (offset < from) continue;
        count++;
        const text = value?.toString() ?? String(headers[0]?.value ?? "");
        checker().readAnywhere({ partition, offset, key: key?.toString() ?? null, value: text }, `from b${broker}`);
      }
    }
    if (isFollower) this.followed += count;
    trace.line(`probe of b${broker}${isFollower ? " (follows)" : ""} ${partition}@${from}: ${errorCode}, ${count} records`, true);
  }
}
