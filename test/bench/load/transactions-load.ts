import { sampleValues } from "../../../cli/bench/sample-values.ts";
import { Consumer, Producer } from "../../../client/index.ts";
import { Latencies } from "./latencies.ts";
import type { ReadOrder, ReadReport, TransactionsOrder, TransactionsReport } from "./own-orders.ts";

/** One producer that begins a transaction when the last one is committed. */
export async function transactionsLoad(
  order: TransactionsOrder,
  said: (event: "measuring" | "measured") => void,
): Promise<TransactionsReport> {
  const { bootstrap, topic, partitions, recordsEach, abortedEach, recordBytes, discardedSeconds, measuredSeconds } = order;
  const values = sampleValues(recordBytes);
  await using producer = new Producer({ bootstrap, transactionalId: topic });
  await producer.initTransactions();
  const latencies = new Latencies();
  let [committed, failed] = [0, 0];
  const startedMs = performance.now();
  const [fromMs, toMs] = [startedMs + discardedSeconds * 1000, startedMs + (discardedSeconds + measuredSeconds) * 1000];
  let isMeasuring = false;
  for (let number = 0, nowMs = startedMs; nowMs < toMs; nowMs = performance.now(), number++) {
    if (!isMeasuring && nowMs >= fromMs) {
      isMeasuring = true;
      said("measuring");
    }
    const transaction = await producer.beginTransaction();
    for (let i = 0; i < recordsEach; i++) {
      const value = values[i % values.length] as Buffer;
      transaction.send({ topic, partition: i % partitions, value }).catch(() => undefined);
    }
    const isAborted = abortedEach > 0 && number % abortedEach === 0;
    const ended = (isAborted ? transaction.abort() : transaction.commit()).then(
      () => true,
      () => false,
    );
    if (!(await ended)) failed++;
    else if (isMeasuring) {
      committed++;
      latencies.add(performance.now() - nowMs);
    }
  }
  said("measured");
  return { committed, failed, perSecond: committed / measuredSeconds, latency: latencies.report() };
}

/** The whole topic, as fast as it is handed out. */
export async function readLoad({ bootstrap, topic, isolation }: ReadOrder): Promise<ReadReport> {
  await using consumer = new Consumer({ bootstrap, isolation });
  await consumer.assign([{ topic, from: "beginning", until: "end" }]);
  const startedMs = performance.now();
  let records = 0;
  for await (const batch of consumer.batches()) records += batch.records.length;
  return { records, recordsPerSecond: (records / (performance.now() - startedMs)) * 1000 };
}
