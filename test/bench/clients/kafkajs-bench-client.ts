import "../../support/outside/kafkajs-patience.ts";
import { CompressionTypes, Partitioners } from "kafkajs";
import { kafkajsFor } from "../../support/outside/kafkajs-client.ts";
import { type BenchClient, tuning } from "./client.ts";

/**
 * When it does not get to its heartbeats within the usual 30 s, it is taken out of the group, joins again, and hands out once more what it
 * had not committed: as many records as were awaited, but not those that were written.
 */
const sessionTimeoutMs = 300_000;

/** It batches what one call brings. */
export const kafkajsBenchClient: BenchClient = {
  async producer({ bootstrap, topic }) {
    const producer = kafkajsFor(bootstrap).producer({ createPartitioner: Partitioners.DefaultPartitioner, allowAutoTopicCreation: false });
    await producer.connect();
    return {
      send: (values) =>
        producer.send({ topic, acks: -1, compression: CompressionTypes.None, messages: values.map((value) => ({ value })) }),
      close: () => producer.disconnect(),
    };
  },

  async consume({ bootstrap, topic, by }, take) {
    const consumer = kafkajsFor(bootstrap).consumer({
      groupId: `of-${topic}-${process.pid}`,
      sessionTimeout: sessionTimeoutMs,
      maxBytes: tuning.fetchBytes,
      maxBytesPerPartition: tuning.partitionBytes,
      maxWaitTimeInMs: tuning.fetchWaitMs,
    });
    await consumer.connect();
    await consumer.subscribe({ topic, fromBeginning: true });
    await new Promise<void>((resolve, reject) => {
      let isOver = false;
      const one = (value: Buffer | null) => {
        if (isOver) return;
        isOver = take(value as Buffer);
        if (isOver) resolve();
      };
      const run =
        by === "record"
          ? consumer.run({ eachMessage: ({ message }) => Promise.resolve(one(message.value)) })
          : consumer.run({
              eachBatch: ({ batch }) => {
                for (const { value } of batch.messages) one(value);
                return Promise.resolve();
              },
            });
      run.catch(reject);
    });
    await consumer.disconnect();
  },
};
