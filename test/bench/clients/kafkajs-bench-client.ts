import "../../support/outside/kafkajs-patience.ts";
import { CompressionTypes, Partitioners } from "kafkajs";
import { kafkajsFor } from "../../support/outside/kafkajs-client.ts";
import { type BenchClient, tuning } from "./client.ts";

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
