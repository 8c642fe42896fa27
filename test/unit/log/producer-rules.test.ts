import { describe, expect, test } from "vitest";
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

/** The producers' side of a log: what is not refused is appended at the next offset. */
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
    if (settled?.kind !== "refused") throw new Error(`it is not refused: ${settled?.kind}`);
    return settled.message;
  }
}

function logWith(...sent: readonly Produced[]): Judged {
  const log = new Judged();
  for (const one of sent) expect(log.send(one).startsWith("at "), JSON.stringify(one)).toBeTruthy();
  return log;
}

describe("a producer's batches", () => {
  test("that continue its second life are new, and repeat the second life's, when the log has read both again", () => {
    const log = new Judged();
    for (const sequence of [0, 1, 2, 0]) log.take({ sequence });
    expect(log.send({ sequence: 1 }), "not the one at 1").toBe("at 4");
    expect(log.send({ sequence: 0 }), "not the one at 0").toBe("again at 3");
    expect(log.send({ sequence: 1 })).toBe("again at 4");
  });

  test("follow each other by sequence, each producer on its own", () => {
    const log = new Judged();
    const answers = [
      log.send({ sequence: 0, count: 3 }),
      log.send({ sequence: 0, count: 2, producerId: 8 }),
      log.send({ sequence: 3 }),
      log.send({ sequence: 2, producerId: 8 }),
    ];
    expect(answers).toStrictEqual(["at 0", "at 3", "at 5", "at 6"]);
  });

  test("of the last five are recognised when they come again, and change nothing", () => {
    const log = logWith(...[0, 2, 4, 6, 8, 10].map((sequence) => ({ sequence, count: 2 })));
    const retried = [10, 2, 4, 6, 8].map((sequence) => log.send({ sequence, count: 2 }));
    expect(retried).toStrictEqual(["again at 10", "again at 2", "again at 4", "again at 6", "again at 8"]);
    expect(log.send({ sequence: 0, count: 2 }), "the sixth is forgotten").toBe("OUT_OF_ORDER_SEQUENCE_NUMBER");
    expect(log.send({ sequence: 12 })).toBe("at 12");
  });

  test("are the same only when first and last sequence are", () => {
    const log = logWith({ sequence: 0, count: 4 });
    expect(log.send({ sequence: 0, count: 3 })).toBe("OUT_OF_ORDER_SEQUENCE_NUMBER");
    expect(log.send({ sequence: 1, count: 3 })).toBe("OUT_OF_ORDER_SEQUENCE_NUMBER");
    expect(log.send({ sequence: 0, count: 4 })).toBe("again at 0");
  });

  test("leave no gap; the refusal says producer, epoch, expected and got", () => {
    const log = logWith({ sequence: 0, count: 3, epoch: 2 });
    expect(log.send({ sequence: 5, epoch: 2 })).toBe("OUT_OF_ORDER_SEQUENCE_NUMBER");
    expect(log.message({ sequence: 5, epoch: 2 })).toBe("producer 7 with epoch 2: expected sequence 3, got 5");
    expect(log.send({ sequence: 3, epoch: 2 }), "a refusal changes nothing").toBe("at 3");
  });

  test("begin at 0 in a log that never held anything", () => {
    const log = new Judged();
    log.isUntouched = true;
    expect(log.send({ sequence: 5, epoch: 2 }), "the one before it was refused and comes again").toBe("OUT_OF_ORDER_SEQUENCE_NUMBER");
    expect(log.message({ sequence: 5, epoch: 2 })).toBe(
      "producer 7 with epoch 2: the log never held anything, so sequence 0 comes first, got 5",
    );
    expect(log.send({ sequence: 0, count: 5, epoch: 2 }), "whatever its epoch").toBe("at 0");
    log.isUntouched = false;
    expect(log.send({ sequence: 5, epoch: 2 })).toBe("at 5");
    expect(log.send({ sequence: 9, producerId: 8 }), "of another's the log may have been told, and have lost it").toBe("at 6");
  });

  test("begin anywhere when the log does not know the producer", () => {
    const log = new Judged();
    expect(log.send({ sequence: 41, epoch: 6 })).toBe("at 0");
    expect(log.send({ sequence: 42, epoch: 6 })).toBe("at 1");
  });

  test("wrap from 2^31-1 to 0, between batches and within one", () => {
    const between = logWith({ sequence: 2 ** 31 - 2, count: 2 });
    expect(between.send({ sequence: 0 })).toBe("at 2");
    expect(between.send({ sequence: 2 ** 31 - 2, count: 2 })).toBe("again at 0");

    const within = logWith({ sequence: 2 ** 31 - 2, count: 4 });
    expect(within.send({ sequence: 2 ** 31 - 2, count: 4 })).toBe("again at 0");
    expect(within.send({ sequence: 2, count: 1 })).toBe("at 4");
  });
});

describe("a producer's epoch", () => {
  test("ends the older ones", () => {
    const log = logWith({ sequence: 0, epoch: 3 }, { sequence: 0, epoch: 5 });
    expect(log.send({ sequence: 1, epoch: 3 })).toBe("INVALID_PRODUCER_EPOCH");
    expect(log.send({ sequence: 0, epoch: 3 }), "its batches are forgotten").toBe("INVALID_PRODUCER_EPOCH");
    expect(log.message({ sequence: 1, epoch: 4 })).toBe("producer 7 with epoch 4: a newer one with epoch 5 has written since");
    expect(log.send({ sequence: 1, epoch: 5 })).toBe("at 2");
  });

  test("begins at sequence 0", () => {
    const log = logWith({ sequence: 0, count: 10 });
    expect(log.send({ sequence: 10, epoch: 1 })).toBe("OUT_OF_ORDER_SEQUENCE_NUMBER");
    expect(log.message({ sequence: 10, epoch: 1 })).toBe("producer 7 with epoch 1: a new epoch (last was 0) begins at 0, got 10");
    expect(log.send({ sequence: 10 }), "a refused epoch has not begun").toBe("at 10");
    expect(log.send({ sequence: 0, epoch: 1 })).toBe("at 11");
    expect(log.send({ sequence: 0, epoch: 1 })).toBe("again at 11");
  });
});

test("while a transaction is open, nothing of its producer comes from outside of it", () => {
  const log = logWith({ sequence: 0, isTransactional: true }, { sequence: 1, isTransactional: true });
  expect(log.send({ sequence: 2 })).toBe("INVALID_TXN_STATE");
  expect(log.send({ sequence: 2, isTransactional: true })).toBe("at 2");
  expect(log.producers.rows().map(({ transactionFirstOffset }) => transactionFirstOffset)).toStrictEqual([-1, -1, 0]);
});

test("while a transaction is open, none of a newer epoch begins: one marker would decide about both", () => {
  const log = logWith({ sequence: 0, epoch: 1, isTransactional: true });
  expect(log.send({ sequence: 0, epoch: 2, isTransactional: true })).toBe("INVALID_TXN_STATE");
  expect(log.message({ sequence: 0, epoch: 2, isTransactional: true })).toMatch(/of epoch 1 since offset 0 never ended here/);
  expect(log.send({ sequence: 1, epoch: 1, isTransactional: true })).toBe("at 1");
});

test("batches without a producer leave no trace", () => {
  const log = new Judged();
  expect(log.send({ sequence: -1, epoch: -1, producerId: -1 })).toBe("at 0");
  expect(log.send({ sequence: -1, epoch: -1, producerId: -1 })).toBe("at 1");
  expect(log.producers.size).toBe(0);
});

test("a producer is forgotten once its last record is old enough, by its timestamp, unless its transaction is open", () => {
  const log = logWith({ sequence: 0, count: 5 }, { sequence: 0, producerId: 8, isTransactional: true });
  log.producers.expire(1234 + 999, 1000);
  expect(log.send({ sequence: 9 })).toBe("OUT_OF_ORDER_SEQUENCE_NUMBER");
  log.producers.expire(1234 + 1000, 1000);
  expect(log.send({ sequence: 9 }), "unknown again, it may begin anywhere").toBe("at 6");
  expect(log.send({ sequence: 2, producerId: 8, isTransactional: true })).toBe("OUT_OF_ORDER_SEQUENCE_NUMBER");
});

describe("when all logs together remember as many producers as they may", () => {
  test("a log that has a new one forgets those that wrote to it least recently", () => {
    const budget = new ProducerBudget(20);
    const [log, other] = [new Judged(budget), new Judged(budget)];
    for (let producerId = 0; producerId < 5; producerId++) other.send({ producerId, sequence: 0 });
    for (let producerId = 0; producerId < 15; producerId++) log.send({ producerId, sequence: 0 });
    log.send({ producerId: 0, sequence: 1 });
    log.send({ producerId: 1, sequence: 1, isTransactional: true });
    expect(log.send({ producerId: 99, sequence: 0 })).toBe("at 17");
    expect(budget.held).toBe(19);
    const remembered = (judged: Judged) => [...new Set(judged.producers.rows().map(({ producerId }) => producerId))];
    expect(remembered(log)).toStrictEqual([0, 1, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 99]);
    expect(remembered(other).length, "what others remember is theirs").toBe(5);
    expect(log.send({ producerId: 2, sequence: 8 }), "unknown again").toBe("at 18");
  });

  test("one log remembers a hundred thousand, however many there may be", () => {
    const { producers } = new Judged();
    const info = readBatchInfo(batch({ sequence: 0 }), 0)!;
    for (let at = 0; at <= producersInLogMax; at++) producers.note({ ...info, producerId: at, baseOffset: at, lastOffset: at });
    expect(producers.size).toBe(0.9 * producersInLogMax + 1);
  });

  test("what is forgotten, expires, or is given up makes room", () => {
    const budget = new ProducerBudget(20);
    const log = new Judged(budget);
    for (let producerId = 0; producerId < 100; producerId++) {
      log.send({ producerId, sequence: 0 });
      expect(budget.held <= 20).toBeTruthy();
    }
    log.producers.become(new ProducerStates(budget));
    expect(budget.held).toBe(0);
    log.send({ sequence: 0 });
    log.producers.expire(1e9, 1);
    expect(budget.held).toBe(0);
    log.send({ sequence: 0 });
    log.producers.clear();
    expect(budget.held).toBe(0);
  });
});
