import { Consumer, MessagesStreamModes, ProduceAcks, Producer } from "@platformatic/kafka";
import { type BenchClient, tuning } from "./client.ts";

/** It batches what one call brings, and has no batches to hand out. */
export const platformaticBenchClient: BenchClient = {
  async producer({ bootstrap, topic }) {
    const producer = new Producer({ clientId: "bench", bootstrapBrokers: [...bootstrap], acks: ProduceAcks.ALL, autocreateTopics: false });
    return {
      send: (values) => producer.send({ messages: values.map((value) => ({ topic, value })) }),
      close: () => producer.close(),
    };
  },

  async consume({ bootstrap, topic }, take) {
    const consumer = new Consumer({
      clientId: "bench",
      groupId: `of-${topic}-${process.pid}`,
      bootstrapBrokers: [...bootstrap],
      maxBytes: tuning.fetchBytes,
      maxBytesPerPartition: tuning.partitionBytes,
      maxWaitTime: tuning.fetchWaitMs,
    });
    const stream = await consumer.consume({ topics: [topic], mode: MessagesStreamModes.EARLIEST });
    await new Promise<void>((resolve, reject) => {
      let isOver = false;
      stream.on("error", reject);
      stream.on("data", ({ value }) => {
        if (isOver) return;
        isOver = take(value);
        if (isOver) resolve();
      });
    });
    await consumer.close(true);
  },
};
