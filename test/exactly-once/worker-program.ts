// One worker: `node worker-program.ts ORDER`, the order in JSON. What it consumes it writes on, exactly once, until it is killed.
import { setTimeout as sleep } from "node:timers/promises";
import { Consumer, Producer } from "../../client/index.ts";
import { seededRandom } from "../../protocol/base/random.ts";
import { outputOf, type WorkerOrder } from "./worker-order.ts";

const { bootstrap, group, from, to, transactionalId, abortedPart, seed } = JSON.parse(process.argv[2] ?? "") as WorkerOrder;

const random = seededRandom(seed);

class AbortedAsDrawn extends Error {}

/** A life of the clients: until something of a transaction fails. */
async function work(): Promise<void> {
  await using consumer = new Consumer({ bootstrap, group, autoCommit: false, isolation: "read_committed", offsetReset: "earliest" });
  await using producer = new Producer({ bootstrap, transactionalId, transactionTimeoutMs: 10_000 });
  await producer.initTransactions();
  await consumer.subscribe([from]);
  for await (const { topic, partition, records } of consumer.batches()) {
    const [begin, end] = [records[0]!.offset, records.at(-1)!.offset + 1];
    const isAborted = random.next() < abortedPart;
    const done = producer.transaction(async (tx) => {
      for (const { value } of records) void tx.send({ topic: to, partition, value: outputOf(String(value)) }).catch(() => undefined);
      await tx.sendOffsets(consumer, [{ topic, partition, offset: end }]);
      if (isAborted) throw new AbortedAsDrawn();
    });
    await done.catch((error: unknown) => {
      if (!(error instanceof AbortedAsDrawn)) throw error;
      consumer.seek({ topic, partition }, { offset: begin });
    });
    process.stdout.write(`${records.length}\n`);
  }
}

for (;;) {
  await work().catch((error: Error) => process.stdout.write(`! ${error.name}: ${error.message}\n`));
  await sleep(100);
}
