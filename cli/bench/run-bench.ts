import { setTimeout as sleep } from "node:timers/promises";
import { build, type Histogram } from "hdr-histogram-js";
import { Admin, type CompressionCodec, Consumer, orThrow, Producer } from "../../client/index.ts";
import { CommandFailed } from "../output/command-failed.ts";
import { tellWaits } from "../output/tell-waits.ts";
import { UnderWay } from "../produce/under-way.ts";
import { sampleValues } from "./sample-values.ts";

export interface BenchOptions {
  readonly bootstrap: readonly string[];
  readonly records: number;
  /** Of each value. */
  readonly sizeInBytes: number;
  readonly partitions: number;
  readonly replicationFactor: number;
  readonly acks: -1 | 0 | 1;
  readonly enableIdempotence: boolean;
  readonly codec: CompressionCodec;
  /** Records per second; null: as fast as they are accepted. */
  readonly rate: number | null;
  /** Records sent and not acknowledged, at most: without a rate, most of a record's latency is waiting for those before it. */
  readonly underWayMax: number;
}

export interface Throughput {
  readonly records: number;
  readonly seconds: number;
  readonly recordsPerSecond: number;
  /** 10^6 bytes, of values alone. */
  readonly megabytesPerSecond: number;
}

export interface Latency {
  readonly p50: number;
  readonly p99: number;
  readonly p999: number;
  readonly max: number;
}

export interface BenchReport {
  readonly topic: string;
  readonly sizeInBytes: number;
  /** From `send` to its acknowledgement. */
  readonly produce: Throughput & { readonly latencyMs: Latency; readonly retried: number };
  readonly consume: Throughput;
}

/** Called with the current step, and how many records of how many. */
export type BenchProgress = (phase: "produce" | "consume", records: number) => void;

const histogramOptions = { lowestDiscernibleValue: 1, highestTrackableValue: 3_600_000_000, numberOfSignificantValueDigits: 3 } as const;

/** Creates a topic, writes to it, reads it back, deletes it. */
export async function runBench(options: BenchOptions, onProgress: BenchProgress, stop: AbortSignal): Promise<BenchReport> {
  const { bootstrap, partitions, replicationFactor, sizeInBytes } = options;
  const topic = `ottla-bench-${Date.now()}`;
  await using admin = tellWaits(new Admin({ bootstrap, clientId: "ottla-bench" }));
  orThrow(await admin.createTopics([{ name: topic, partitions, replicationFactor }]));
  try {
    const produce = await measureProduce(topic, options, onProgress, stop);
    const consume = await measureConsume(topic, options, onProgress, stop);
    return { topic, sizeInBytes, produce, consume };
  } finally {
    await admin.deleteTopics([topic]);
  }
}

async function measureProduce(
  topic: string,
  options: BenchOptions,
  onProgress: BenchProgress,
  stop: AbortSignal,
): Promise<BenchReport["produce"]> {
  const { bootstrap, records, sizeInBytes, acks, enableIdempotence, codec, rate, underWayMax } = options;
  const settings = { bootstrap, clientId: "ottla-bench", acks, enableIdempotence, compression: codec, lingerMs: 5 };
  await using producer = tellWaits(new Producer(settings));
  await producer.partitionsOf(topic);
  const values = sampleValues(sizeInBytes);
  const latencies = build(histogramOptions);
  const underWay = new UnderWay({ linesMax: underWayMax, bytesMax: Number.POSITIVE_INFINITY });
  let retried = 0;
  let failure: Error | null = null;
  const startedAtMs = performance.now();
  for (let sent = 0; sent < records; sent++) {
    if (underWay.isFull) await underWay.room();
    if (rate !== null) await pace(startedAtMs, sent, rate);
    if (failure !== null) throw failure;
    throwIfStopped(stop);
    underWay.begin(1);
    const sentAtMs = performance.now();
    producer
      .send({ topic, value: values[sent % values.length] as Buffer })
      .then(
        ({ attempts }) => {
          latencies.recordValue(Math.max(1, Math.round((performance.now() - sentAtMs) * 1000)));
          if (attempts > 1) retried++;
        },
        (error: Error) => {
          failure ??= error;
        },
      )
      .finally(() => underWay.end(1));
    if (sent % 1000 === 0) onProgress("produce", sent);
  }
  await producer.flush();
  if (failure !== null) throw failure;
  return { ...throughput(records, sizeInBytes, startedAtMs), latencyMs: latencyOf(latencies), retried };
}

async function measureConsume(topic: string, options: BenchOptions, onProgress: BenchProgress, stop: AbortSignal): Promise<Throughput> {
  const { bootstrap, records, sizeInBytes, acks } = options;
  await using consumer = tellWaits(new Consumer({ bootstrap, clientId: "ottla-bench", stopAtEnd: true }));
  const startedAtMs = performance.now();
  await consumer.assign([{ topic, from: "beginning" }]);
  let read = 0;
  for await (const batch of consumer.batches()) {
    throwIfStopped(stop);
    read += batch.records.length;
    onProgress("consume", read);
  }
  // without acknowledgements records may be lost, or not be committed yet
  if (read < records && acks === -1) throw new CommandFailed(`${read} records were read of ${records} that were acknowledged`);
  return throughput(read, sizeInBytes, startedAtMs);
}

/** Waits until the record is due. */
async function pace(startedAtMs: number, sent: number, rate: number): Promise<void> {
  const earlyMs = startedAtMs + (sent * 1000) / rate - performance.now();
  if (earlyMs > 1) await sleep(earlyMs);
}

function throwIfStopped(stop: AbortSignal): void {
  if (stop.aborted) throw new CommandFailed("stopped before the end; there are no figures");
}

function throughput(records: number, sizeInBytes: number, startedAtMs: number): Throughput {
  const seconds = Math.max(performance.now() - startedAtMs, 0.001) / 1000;
  return { records, seconds, recordsPerSecond: records / seconds, megabytesPerSecond: (records * sizeInBytes) / seconds / 1e6 };
}

function latencyOf(histogram: Histogram): Latency {
  const at = (percentile: number) => histogram.getValueAtPercentile(percentile) / 1000;
  return { p50: at(50), p99: at(99), p999: at(99.9), max: histogram.maxValue / 1000 };
}
