import { Consumer, Producer } from "../../../client/index.ts";
import { type BenchClient, tuning } from "./client.ts";

export const ottlaBenchClient: BenchClient = {
  async producer({ bootstrap, topic }) {
    // without a linger, as it comes: records gather while those before them are under way
    const producer = new Producer({ bootstrap, acks: "all", batchBytesMax: tuning.batchBytes });
    await producer.partitionsOf(topic);
    return {
      send: (values) =>
        values.length === 1
          ? producer.send({ topic, value: values[0] as Buffer })
          : producer.sendMany(values.map((value) => ({ topic, value }))),
      close: () => producer.close(),
    };
  },

  async consume({ bootstrap, topic, by }, take) {
    await using consumer = new Consumer({
      bootstrap,
      group: `of-${topic}-${process.pid}`,
      offsetReset: "earliest",
      fetchWaitMaxMs: tuning.fetchWaitMs,
      fetchBytesMax: tuning.fetchBytes,
      partitionBytesMax: tuning.partitionBytes,
    });
    await consumer.subscribe([topic]);
    if (by === "record") {
      for await (const { value } of consumer) if (take(value as Buffer)) return;
    } else {
      for await (const { records } of consumer.batches()) for (const { value } of records) if (take(value as Buffer)) return;
    }
  },
};
