import { afterEach, expect, test } from "vitest";
import type { ProducerRow } from "../../../broker/log/log-contract.ts";
import { idempotentBatch } from "../../support/memory-log.ts";
import { MiniCluster, ref } from "./mini-cluster.ts";

let cluster: MiniCluster;
afterEach(() => cluster.stop());

/** Sends without waiting for the answer. */
function send(id: number, sequence: number, count = 2): { answer: string | number | null } {
  const sent: { answer: string | number | null } = { answer: null };
  void cluster
    .node(id)
    .service.append(ref, idempotentBatch(7, sequence, count), { acks: -1, timeoutMs: 20_000 })
    .then((outcome) => {
      sent.answer = outcome.error === null ? outcome.baseOffset : outcome.error;
    });
  return sent;
}

async function produce(id: number, sequence: number, count = 2): Promise<string | number | null> {
  const sent = send(id, sequence, count);
  await cluster.until(() => sent.answer !== null, `an answer to ${sequence}`);
  return sent.answer;
}

const rowsOf = (id: number): ProducerRow[] => cluster.node(id).log().producerRows();

test("a batch whose leader died before it answered is recognised by the next one, and the producer goes on", async () => {
  cluster = new MiniCluster();
  await cluster.start();
  for (const sequence of [0, 2, 4]) expect(await produce(1, sequence)).toBe(sequence);
  // the answers are lost: the followers have the batches, the producer does not know
  const lost = [send(1, 6), send(1, 8)];
  await cluster.until(() => cluster.node(2).log().endOffset === 10 && cluster.node(3).log().endOffset === 10, "the followers have all");
  cluster.kill(1);
  cluster.elect(2, [2, 3]);
  await cluster.assign();
  expect([await produce(2, 6), await produce(2, 8), await produce(2, 10)]).toStrictEqual([6, 8, 10]);
  expect(await produce(2, 14)).toBe("OUT_OF_ORDER_SEQUENCE_NUMBER");
  expect(cluster.node(2).log().endOffset).toBe(12);
  expect(rowsOf(3)).toStrictEqual(rowsOf(2));
  expect(lost.length).toBe(2);
});

test("a batch that the next leader never had is no duplicate: whoever had it cuts it off, and what it knew of the producer", async () => {
  cluster = new MiniCluster();
  await cluster.start();
  expect(await produce(1, 0)).toBe(0);
  for (const follower of [2, 3]) cluster.cut.add(`1>${follower}`).add(`${follower}>1`);
  const lost = send(1, 2, 3);
  expect(cluster.node(1).log().endOffset).toBe(5);
  cluster.kill(1);
  cluster.cut.clear();
  cluster.elect(2, [2, 3]);
  await cluster.assign();
  expect(await produce(2, 2, 3), "appended by the new leader, where the old one had it").toBe(2);
  expect(await produce(2, 5)).toBe(5);

  await cluster.boot(1);
  await cluster.assign();
  await cluster.until(() => cluster.node(1).log().endOffset === 7, "the old leader follows");
  expect(rowsOf(1)).toStrictEqual(rowsOf(2));
  cluster.elect(1, [1, 2, 3]);
  await cluster.assign();
  expect([await produce(1, 2, 3), await produce(1, 5), await produce(1, 7)]).toStrictEqual([2, 5, 7]);
  expect(lost.answer === 2).toBe(false);
});
