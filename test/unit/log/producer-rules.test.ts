import { deepStrictEqual, ok, strictEqual } from "node:assert";
import { describe, test } from "vitest";
import { ProducerBudget, ProducerStates, producersInLogMax } from "../../../broker/log/producers/producer-states.ts";
import { fieldAt, readBatchInfo, writeInt64 } from "../../../protocol/records/batch-header.ts";
import { encodeBatch } from "../../../protocol/records/encode-batch.ts";
import { parsedBatch } from "../../support/parsed-batch.ts";
import { settingsWith } from "./log-fixture.ts";

interface Produced {
  readonly sequence: number;
  readonly count?: number;
  readonly epoch?: number;
  readonly producerId?: number;
  readonly isTransactional?: boolean;
}

function batch({ sequence, count = 1, epoch = 0, producerId = 7, isTransactional = false }: Produced): Buffer {
  const records = Array.from({ length: count }, () => ({ key: null, value: Buffer.from("v"), headers: [], timestampMs: 1234 }));
  return encodeBatch(records, { producerId, producerEpoch: epoch, baseSequence: sequence, isTransactional });
}

/** The producers' side of a log: what is not refused is taken in at the next offset. */
class Judged {
  readonly producers: ProducerStates;
  endOffset = 0;
  /** Retention may have taken what was there. */
  isUntouched = false;

  constructor(budget?: ProducerBudget) {
    this.producers = new ProducerStates(budget);
  }

  /** "at OFFSET", "again at OFFSET", or the error. */
  send(produced: Produced): string {
    const settled = this.producers.judgeAppend(parsedBatch(batch(produced)).header, settingsWith(), this.isUntouched);
    if (settled?.kind === "refused") return settled.error;
    if (settled !== null) return `again at ${settled.baseOffset}`;
    return this.take(produced);
  }

  /** As a follower takes it, or a log that reads its batches again: it is in the log, and nothing is judged. */
  take(produced: Produced): string {
    const bytes = batch(produced);
    const at = this.endOffset;
    writeInt64(bytes, fieldAt.baseOffset, at);
    this.producers.note(readBatchInfo(bytes, 0)!);
    this.endOffset += produced.count ?? 1;
    return `at ${at}`;
  }

  message(produced: Produced): string {
    const settled = this.producers.judgeAppend(parsedBatch(batch(produced)).header, settingsWith(), this.isUntouched);
    ok(settled?.kind === "refused");
    return settled.message;
  }
}

function logWith(...sent: readonly Produced[]): Judged {
  const log = new Judged();
  for (const one of sent) ok(log.send(one).startsWith("at "), JSON.stringify(one));
  return log;
}

describe("a producer's batches", () => {
  test("that continue its second life are new, and repeat the second life's, when the log has read both again", () => {
    const log = new Judged();
    for (const sequence of [0, 1, 2, 0]) log.take({ sequence });
    strictEqual(log.send({ sequence: 1 }), "at 4", "not the one at 1");
    strictEqual(log.send({ sequence: 0 }), "again at 3", "not the one at 0");
    strictEqual(log.send({ sequence: 1 }), "again at 4");
  });

  test("follow each other by sequence, each producer on its own", () => {
    const log = new Judged();
    const answers = [
      log.send({ sequence: 0, count: 3 }),
      log.send({ sequence: 0, count: 2, producerId: 8 }),
      log.send({ sequence: 3 }),
      log.send({ sequence: 2, producerId: 8 }),
    ];
    deepStrictEqual(answers, ["at 0", "at 3", "at 5", "at 6"]);
  });

  test("of the last five are recognised when they come again, and change nothing", () => {
    const log = logWith(...[0, 2, 4, 6, 8, 10].map((sequence) => ({ sequence, count: 2 })));
    const retried = [10, 2, 4, 6, 8].map((sequence) => log.send({ sequence, count: 2 }));
    deepStrictEqual(retried, ["again at 10", "again at 2", "again at 4", "again at 6", "again at 8"]);
    strictEqual(log.send({ sequence: 0, count: 2 }), "OUT_OF_ORDER_SEQUENCE_NUMBER", "the sixth is forgotten");
    strictEqual(log.send({ sequence: 12 }), "at 12");
  });

  test("are the same only when first and last sequence are", () => {
    const log = logWith({ sequence: 0, count: 4 });
    strictEqual(log.send({ sequence: 0, count: 3 }), "OUT_OF_ORDER_SEQUENCE_NUMBER");
    strictEqual(log.send({ sequence: 1, count: 3 }), "OUT_OF_ORDER_SEQUENCE_NUMBER");
    strictEqual(log.send({ sequence: 0, count: 4 }), "again at 0");
  });

  test("leave no gap; the refusal says producer, epoch, expected and got", () => {
    const log = logWith({ sequence: 0, count: 3, epoch: 2 });
    strictEqual(log.send({ sequence: 5, epoch: 2 }), "OUT_OF_ORDER_SEQUENCE_NUMBER");
    strictEqual(log.message({ sequence: 5, epoch: 2 }), "producer 7 with epoch 2: expected sequence 3, got 5");
    strictEqual(log.send({ sequence: 3, epoch: 2 }), "at 3", "a refusal changes nothing");
  });

  test("begin at 0 in a log that never held anything", () => {
    const log = new Judged();
    log.isUntouched = true;
    strictEqual(log.send({ sequence: 5, epoch: 2 }), "OUT_OF_ORDER_SEQUENCE_NUMBER", "the one before it was refused and comes again");
    strictEqual(
      log.message({ sequence: 5, epoch: 2 }),
      "producer 7 with epoch 2: the log never held anything, so sequence 0 comes first, got 5",
    );
    strictEqual(log.send({ sequence: 0, count: 5, epoch: 2 }), "at 0", "whatever its epoch");
    log.isUntouched = false;
    strictEqual(log.send({ sequence: 5, epoch: 2 }), "at 5");
    strictEqual(log.send({ sequence: 9, producerId: 8 }), "at 6", "of another's the log may have been told, and have lost it");
  });

  test("begin anywhere when the log does not know the producer", () => {
    const log = new Judged();
    strictEqual(log.send({ sequence: 41, epoch: 6 }), "at 0");
    strictEqual(log.send({ sequence: 42, epoch: 6 }), "at 1");
  });

  test("wrap from 2^31-1 to 0, between batches and within one", () => {
    const between = logWith({ sequence: 2 ** 31 - 2, count: 2 });
    strictEqual(between.send({ sequence: 0 }), "at 2");
    strictEqual(between.send({ sequence: 2 ** 31 - 2, count: 2 }), "again at 0");

    const within = logWith({ sequence: 2 ** 31 - 2, count: 4 });
    strictEqual(within.send({ sequence: 2 ** 31 - 2, count: 4 }), "again at 0");
    strictEqual(within.send({ sequence: 2, count: 1 }), "at 4");
  });
});

describe("a producer's epoch", () => {
  test("ends the older ones", () => {
    const log = logWith({ sequence: 0, epoch: 3 }, { sequence: 0, epoch: 5 });
    strictEqual(log.send({ sequence: 1, epoch: 3 }), "INVALID_PRODUCER_EPOCH");
    strictEqual(log.send({ sequence: 0, epoch: 3 }), "INVALID_PRODUCER_EPOCH", "its batches are forgotten");
    strictEqual(log.message({ sequence: 1, epoch: 4 }), "producer 7 with epoch 4: a newer one with epoch 5 has written since");
    strictEqual(log.send({ sequence: 1, epoch: 5 }), "at 2");
  });

  test("begins at sequence 0", () => {
    const log = logWith({ sequence: 0, count: 10 });
    strictEqual(log.send({ sequence: 10, epoch: 1 }), "OUT_OF_ORDER_SEQUENCE_NUMBER");
    strictEqual(log.message({ sequence: 10, epoch: 1 }), "producer 7 with epoch 1: a new epoch (last was 0) begins at 0, got 10");
    strictEqual(log.send({ sequence: 10 }), "at 10", "a refused epoch has not begun");
    strictEqual(log.send({ sequence: 0, epoch: 1 }), "at 11");
    strictEqual(log.send({ sequence: 0, epoch: 1 }), "again at 11");
  });
});

test("while a transaction is open, nothing of its producer comes from outside of it", () => {
  const log = logWith({ sequence: 0, isTransactional: true }, { sequence: 1, isTransactional: true });
  strictEqual(log.send({ sequence: 2 }), "INVALID_TXN_STATE");
  strictEqual(log.send({ sequence: 2, isTransactional: true }), "at 2");
  deepStrictEqual(
    log.producers.rows().map(({ transactionFirstOffset }) => transactionFirstOffset),
    [-1, -1, 0],
  );
});

test("batches without a producer leave no trace", () => {
  const log = new Judged();
  strictEqual(log.send({ sequence: -1, epoch: -1, producerId: -1 }), "at 0");
  strictEqual(log.send({ sequence: -1, epoch: -1, producerId: -1 }), "at 1");
  strictEqual(log.producers.size, 0);
});

test("a producer is forgotten once its last record is old enough, by its timestamp, unless its transaction is open", () => {
  const log = logWith({ sequence: 0, count: 5 }, { sequence: 0, producerId: 8, isTransactional: true });
  log.producers.expire(1234 + 999, 1000);
  strictEqual(log.send({ sequence: 9 }), "OUT_OF_ORDER_SEQUENCE_NUMBER");
  log.producers.expire(1234 + 1000, 1000);
  strictEqual(log.send({ sequence: 9 }), "at 6", "unknown again, it may begin anywhere");
  strictEqual(log.send({ sequence: 2, producerId: 8, isTransactional: true }), "OUT_OF_ORDER_SEQUENCE_NUMBER");
});

describe("when all logs together remember as many producers as they may", () => {
  test("a log that has a new one forgets those that wrote to it least recently", () => {
    const budget = new ProducerBudget(20);
    const [log, other] = [new Judged(budget), new Judged(budget)];
    for (let producerId = 0; producerId < 5; producerId++) other.send({ producerId, sequence: 0 });
    for (let producerId = 0; producerId < 15; producerId++) log.send({ producerId, sequence: 0 });
    log.send({ producerId: 0, sequence: 1 });
    log.send({ producerId: 1, sequence: 1, isTransactional: true });
    strictEqual(log.send({ producerId: 99, sequence: 0 }), "at 17");
    strictEqual(budget.held, 19);
    const remembered = (judged: Judged) => [...new Set(judged.producers.rows().map(({ producerId }) => producerId))];
    deepStrictEqual(remembered(log), [0, 1, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 99]);
    strictEqual(remembered(other).length, 5, "what others remember is theirs");
    strictEqual(log.send({ producerId: 2, sequence: 8 }), "at 18", "unknown again");
  });

  test("one log remembers a hundred thousand, however many there may be", () => {
    const { producers } = new Judged();
    const info = readBatchInfo(batch({ sequence: 0 }), 0)!;
    for (let at = 0; at <= producersInLogMax; at++) producers.note({ ...info, producerId: at, baseOffset: at, lastOffset: at });
    strictEqual(producers.size, 0.9 * producersInLogMax + 1);
  });

  test("what is forgotten, expires, or is given up makes room", () => {
    const budget = new ProducerBudget(20);
    const log = new Judged(budget);
    for (let producerId = 0; producerId < 100; producerId++) {
      log.send({ producerId, sequence: 0 });
      ok(budget.held <= 20);
    }
    log.producers.become(new ProducerStates(budget));
    strictEqual(budget.held, 0);
    log.send({ sequence: 0 });
    log.producers.expire(1e9, 1);
    strictEqual(budget.held, 0);
    log.send({ sequence: 0 });
    log.producers.clear();
    strictEqual(budget.held, 0);
  });
});
