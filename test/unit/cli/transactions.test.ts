import { describe, expect, test } from "vitest";
import { TransactionalLines } from "../../../cli/produce/transactional-lines.ts";
import { isHanging, openIn } from "../../../cli/transaction/hanging.ts";
import type { TransactionDescription } from "../../../client/index.ts";

const producer = (producerId: number, transactionStartOffset: number | null) => ({
  producerId,
  producerEpoch: 3,
  lastSequence: 0,
  lastTimestampMs: 1000,
  coordinatorEpoch: 2,
  transactionStartOffset,
});

describe("a hanging transaction", () => {
  const at = { topic: "t", partition: 1 };
  const [open] = openIn(at, [producer(9, null), producer(7, 40), producer(8, 20)]).filter(({ producerId }) => producerId === 7);
  const known = (...partitions: { topic: string; partition: number }[]): TransactionDescription => ({
    transactionalId: "id",
    producerId: 7,
    state: "Ongoing",
    producerEpoch: 3,
    timeoutMs: 1,
    startTimeMs: 0,
    partitions,
  });

  test("is open in its partition; the earliest is first", () => {
    expect(openIn(at, [producer(9, null), producer(7, 40), producer(8, 20)]).map(({ startOffset }) => startOffset)).toEqual([20, 40]);
  });

  test("is one whose partition no coordinator has in a transaction of that producer", () => {
    if (open === undefined) throw new Error("it is open");
    expect(isHanging(open, [])).toBe(true);
    expect(isHanging(open, [known({ topic: "t", partition: 0 }, { topic: "u", partition: 1 })])).toBe(true);
    expect(isHanging(open, [known({ topic: "t", partition: 1 })])).toBe(false);
  });
});

/** Writes down what is asked of it; `failAt`: the value whose send fails. */
function scripted(failAt: string | null = null) {
  const asked: string[] = [];
  const send = async ({ value }: { value: unknown }) => {
    asked.push(`${value}`);
    if (value === failAt) throw new Error("refused");
    return { topic: "t", partition: 0, offset: 0, timestampMs: 0, attempts: 1 };
  };
  const end = (how: string) => async () => void asked.push(how);
  const beginTransaction = async () => {
    asked.push("begin");
    return { send, commit: end("commit"), abort: end("abort") };
  };
  return { asked, lines: (batch: number, bytesMax = 1000) => new TransactionalLines({ beginTransaction } as never, batch, bytesMax) };
}

describe("lines in transactions", () => {
  const record = (value: string) => ({ topic: "t", value });

  test("are committed so many at a time, and the rest at the end; a line is stored when its transaction is", async () => {
    const { asked, lines } = scripted();
    const shipped = lines(2);
    const sent = ["a", "b", "c"].map((value) => shipped.send(record(value), 1));
    await Promise.all(sent.slice(0, 2));
    expect(shipped.committed).toEqual({ lines: 2, transactions: 1 });
    await shipped.flush();
    await sent[2];
    expect(asked).toEqual(["begin", "a", "b", "commit", "begin", "c", "commit"]);
    expect(shipped.committed).toEqual({ lines: 3, transactions: 2 });
  });

  test("fail with their transaction, which is aborted; no other is begun", async () => {
    const { asked, lines } = scripted("b");
    const shipped = lines(2);
    const outcomes = await Promise.allSettled(["a", "b", "c", "d"].map((value) => shipped.send(record(value), 1)));
    expect(outcomes.map(({ status }) => status)).toEqual(["rejected", "rejected", "rejected", "rejected"]);
    expect(asked).toEqual(["begin", "a", "b", "abort"]);
    expect(shipped.committed.lines).toBe(0);
  });

  test("are aborted when another line of the input fails, and when they take too much room", async () => {
    const { asked, lines } = scripted();
    const abandoned = lines(10);
    const sent = abandoned.send(record("a"), 1);
    abandoned.abandon();
    await expect(sent).rejects.toThrow("another line");
    await expect(lines(10, 5).send(record("b"), 6)).rejects.toThrow("smaller --batch");
    expect(asked).toEqual(["begin", "a", "abort", "begin", "b", "abort"]);
  });
});
