import { createRequire } from "node:module";
import { type BenchClient, tuning } from "./client.ts";

interface Report {
  readonly opaque: { left: number; resolve: () => void; reject: (error: Error) => void };
}

/** What is used of @confluentinc/kafka-javascript's callback interface, which is that of node-rdkafka. */
interface NativeModule {
  readonly Producer: new (settings: object) => NativeProducer;
  readonly KafkaConsumer: new (settings: object, topicSettings: object) => NativeConsumer;
}

interface NativeHandle {
  connect(options: object, done: (error: Error | null) => void): void;
  disconnect(done: () => void): void;
}

interface NativeProducer extends NativeHandle {
  on(event: "delivery-report", listener: (error: Error | null, report: Report) => void): void;
  setPollInBackground(on: boolean): void;
  produce(topic: string, partition: null, value: Buffer, key: null, timestamp: null, opaque: Report["opaque"]): void;
}

interface NativeConsumer extends NativeHandle {
  subscribe(topics: readonly string[]): void;
  setDefaultConsumeTimeout(ms: number): void;
  setDefaultIsTimeoutOnlyForFirstMessage(only: boolean): void;
  consume(count: number, done: (error: Error | null, messages: readonly { readonly value: Buffer }[]) => void): void;
}

/**
 * With less it sends one record in a request; with its default of 5 ms it is as fast with records of 1 KiB, and slower with small ones. A
 * caller that waits for each record has nothing to linger for.
 */
const lingerMs = 1;

/** More at once is not faster. */
const messagesAtOnce = 1000;

function load(path: string | null): NativeModule {
  if (path === null) throw new Error("the native client is not installed");
  return createRequire(import.meta.url)(path) as NativeModule;
}

function connected(handle: NativeHandle): Promise<void> {
  return new Promise((resolve, reject) => handle.connect({}, (error) => (error ? reject(error) : resolve())));
}

/** librdkafka behind @confluentinc/kafka-javascript: it batches in threads of its own. */
export const nativeBenchClient: BenchClient = {
  async producer({ nativeModule, bootstrap, topic, callsUnderWay }) {
    const { Producer } = load(nativeModule);
    const producer = new Producer({
      "bootstrap.servers": bootstrap.join(","),
      acks: "all",
      "linger.ms": callsUnderWay === 1 ? 0 : lingerMs,
      "batch.size": tuning.batchBytes,
      dr_cb: true,
    });
    producer.on("delivery-report", (error, { opaque }) => {
      if (error) opaque.reject(error);
      else if (--opaque.left === 0) opaque.resolve();
    });
    await connected(producer);
    producer.setPollInBackground(true);
    return {
      send: (values) =>
        new Promise<void>((resolve, reject) => {
          const opaque = { left: values.length, resolve, reject };
          for (const value of values) producer.produce(topic, null, value, null, null, opaque);
        }),
      close: () => new Promise<void>((resolve) => producer.disconnect(resolve)),
    };
  },

  async consume({ nativeModule, bootstrap, topic }, take) {
    const { KafkaConsumer } = load(nativeModule);
    const settings = {
      "bootstrap.servers": bootstrap.join(","),
      "group.id": `of-${topic}-${process.pid}`,
      "fetch.wait.max.ms": tuning.fetchWaitMs,
      "fetch.max.bytes": tuning.fetchBytes,
      "max.partition.fetch.bytes": tuning.partitionBytes,
    };
    const consumer = new KafkaConsumer(settings, { "auto.offset.reset": "earliest" });
    await connected(consumer);
    consumer.subscribe([topic]);
    consumer.setDefaultConsumeTimeout(100);
    consumer.setDefaultIsTimeoutOnlyForFirstMessage(true);
    await new Promise<void>((resolve, reject) => {
      const more = () =>
        consumer.consume(messagesAtOnce, (error, messages) => {
          if (error) return reject(error);
          for (const { value } of messages) if (take(value)) return resolve();
          more();
        });
      more();
    });
    await new Promise<void>((resolve) => consumer.disconnect(resolve));
  },
};
