import { afterAll, beforeAll, expect, test } from "vitest";
import { Admin, Consumer, type Isolation, orThrow, Producer, ProducerFailed, stringSerde, TransactionFailed } from "../../client/index.ts";
import { hasCommand, runToSuccess } from "./outside/run-command.ts";

/** A cluster with one broker. */
export interface TransactionStage {
  /** Null: it is there. */
  readonly missing: string | null;
  /** The cluster acts by version 2 of transactions. */
  readonly raisesEpochs: boolean;
  start(): Promise<{ readonly bootstrap: string | readonly string[]; stop(): Promise<void> }>;
}

/** Our client's transactions, with whatever brokers. What is committed is read with kcat, too, where that is installed. */
export function playTransactions({ missing, raisesEpochs, start }: TransactionStage): void {
  let bootstrap: string | readonly string[] = [];
  let toEnd = async () => {};
  beforeAll(async () => {
    if (missing !== null) return;
    const running = await start();
    bootstrap = running.bootstrap;
    toEnd = () => running.stop();
  });
  afterAll(() => toEnd());

  async function topic(name: string, partitions = 2): Promise<string> {
    await using admin = new Admin({ bootstrap });
    await admin.createTopicIfMissing({ name, partitions, replicationFactor: 1 });
    return name;
  }

  async function read(name: string, isolation: Isolation): Promise<string[]> {
    await using consumer = new Consumer({ bootstrap, isolation, stopAtEnd: true, valueSerde: stringSerde });
    await consumer.assign([{ topic: name, from: "beginning" }]);
    const values: string[] = [];
    for await (const { value } of consumer) values.push(value ?? "");
    return values.toSorted();
  }

  /** Of version 1, the end of a transaction is answered before it is written to its partitions. */
  const committed = (name: string) => expect.poll(() => read(name, "read_committed"));

  test.skipIf(missing !== null)("what is committed is read, what is aborted is not; kcat agrees", async () => {
    const name = await topic("outcomes");
    await using producer = new Producer({ bootstrap, transactionalId: "outcomes" });
    for (let i = 0; i < 10; i++) {
      const work = producer.transaction(async (tx) => {
        await tx.sendMany([0, 1].map((partition) => ({ topic: name, partition, value: `${i}-${partition}` })));
        if (i % 3 === 2) throw new Error("aborted");
      });
      await (i % 3 === 2 ? expect(work).rejects.toThrow("aborted") : work);
    }
    const kept = [0, 1, 3, 4, 6, 7, 9].flatMap((i) => [`${i}-0`, `${i}-1`]);
    await committed(name).toEqual(kept);
    expect(await read(name, "read_uncommitted")).toHaveLength(20);
    if (!hasCommand("kcat")) return;
    const args = [
      "-b",
      [bootstrap].flat().join(","),
      "-C",
      "-t",
      name,
      "-e",
      "-q",
      "-o",
      "beginning",
      "-X",
      "isolation.level=read_committed",
    ];
    const { stdout } = await runToSuccess("kcat", args);
    expect(stdout.toString().trim().split("\n").toSorted()).toEqual(kept);
  });

  test.skipIf(missing !== null)(
    "the epoch rises with each transaction where the cluster acts by version 2, and stays elsewhere",
    async () => {
      const name = await topic("epochs", 1);
      await using admin = new Admin({ bootstrap });
      await using producer = new Producer({ bootstrap, transactionalId: "epochs" });
      const epochs: number[] = [];
      for (let i = 0; i < 3; i++) {
        await producer.transaction(async (tx) => void tx.send({ topic: name, value: `${i}` }));
        epochs.push(orThrow(await admin.describeTransactions(["epochs"]))[0]?.producerEpoch ?? -1);
      }
      expect(epochs.map((epoch) => epoch - (epochs[0] as number))).toEqual(raisesEpochs ? [0, 1, 2] : [0, 0, 0]);
      await committed(name).toEqual(["0", "1", "2"]);
    },
  );

  test.skipIf(missing !== null)(
    "a transaction whose send fails is aborted, and the producer goes on; one that is fenced does not",
    async () => {
      const name = await topic("failures");
      await using first = new Producer({ bootstrap, transactionalId: "failures" });
      const failing = first.transaction(async (tx) => {
        await tx.send({ topic: name, value: "lost" });
        tx.send({ topic: name, partition: 99, value: "nowhere" });
      });
      await expect(failing).rejects.toBeInstanceOf(TransactionFailed);
      await first.transaction(async (tx) => void tx.send({ topic: name, value: "kept" }));
      const open = await first.beginTransaction();
      await open.send({ topic: name, value: "of a zombie" });
      await using second = new Producer({ bootstrap, transactionalId: "failures" });
      await second.transaction(async (tx) => void tx.send({ topic: name, value: "of the next" }));
      await expect(open.commit()).rejects.toBeInstanceOf(ProducerFailed);
      await committed(name).toEqual(["kept", "of the next"]);
    },
  );

  test.skipIf(missing !== null)("consume, process, produce: outputs and positions agree, whatever is aborted", async () => {
    const [source, target] = [await topic("inputs"), await topic("outputs")];
    await using plain = new Producer({ bootstrap });
    await plain.sendMany(Array.from({ length: 60 }, (_, i) => ({ topic: source, partition: i % 2, value: `v${i}` })));
    await using consumer = new Consumer({
      bootstrap,
      group: "workers",
      autoCommit: false,
      offsetReset: "earliest",
      stopAtEnd: true,
      valueSerde: stringSerde,
    });
    await using producer = new Producer({ bootstrap, transactionalId: "workers" });
    await consumer.subscribe([source]);
    let handled = 0;
    for await (const { partition, offset, value } of consumer) {
      const once = (fails: boolean) =>
        producer.transaction(async (tx) => {
          tx.send({ topic: target, partition, value: `${value}` });
          await tx.sendOffsets(consumer, [{ topic: source, partition, offset: offset + 1 }]);
          if (fails) throw new Error("aborted");
        });
      if (handled++ % 10 === 0) await expect(once(true)).rejects.toThrow("aborted");
      await once(false);
    }
    await committed(target).toEqual(Array.from({ length: 60 }, (_, i) => `v${i}`).toSorted());
    const positions = await consumer.committed([0, 1].map((partition) => ({ topic: source, partition })));
    expect(positions.map(({ offset }) => offset)).toEqual([30, 30]);
  });

  test.skipIf(missing !== null)("one that is open holds readers back, is described, and can be aborted past its coordinator", async () => {
    const name = await topic("held", 1);
    await using admin = new Admin({ bootstrap });
    await using producer = new Producer({ bootstrap, transactionalId: "held" });
    const open = await producer.beginTransaction();
    await open.send({ topic: name, value: "open" });
    expect(await read(name, "read_committed")).toEqual([]);
    const [described] = orThrow(await admin.describeTransactions(["held"]));
    expect(described).toMatchObject({ state: "Ongoing", partitions: [{ topic: name, partition: 0 }] });
    expect(await admin.listTransactions({ states: ["Ongoing"] })).toMatchObject([{ transactionalId: "held" }]);
    const [there] = orThrow(await admin.describeProducers([{ topic: name, partition: 0 }]));
    const { producerId, producerEpoch, coordinatorEpoch, transactionStartOffset } = there?.producers[0] ?? {};
    expect(transactionStartOffset).toBe(0);
    await admin.abortTransaction({
      topic: name,
      partition: 0,
      producerId: producerId as number,
      producerEpoch: producerEpoch as number,
      coordinatorEpoch: coordinatorEpoch as number,
    });
    const [after] = orThrow(await admin.describeProducers([{ topic: name, partition: 0 }]));
    expect(after?.producers[0]?.transactionStartOffset ?? null).toBeNull();
    const ends = await admin.listOffsets([{ topic: name, partition: 0, spec: "latest" }], { isolation: "read_committed" });
    expect(ends[0]?.offset).toBe(2);
  });
}
