import { describe, expect, test } from "vitest";
import { Accumulator } from "../../../client/producer/accumulator.ts";
import { BatchBuffers } from "../../../client/producer/batch-buffers.ts";
import type { ProducerBatch } from "../../../client/producer/producer-batch.ts";
import { recordBytesAtMost } from "../../../protocol/records/encode-batch.ts";
import { textRecord } from "./fake-cluster.ts";

const limits = { batchBytesMax: 300, lingerMs: 0, deliveryTimeoutMs: 1_000, maxInFlightPerPartition: 1, numbers: "none" as const };
const leader = () => ({ leader: 1, leaderEpoch: 0 });

/** One record of its own batch, taken to be sent. */
function sent(accumulator: Accumulator, value: string): ProducerBatch {
  const record = textRecord(value);
  const send = { timestampMs: 0, reservedBytes: 0, resolve: () => {}, reject: () => {} };
  accumulator.append("t", 0, { record, recordBytes: recordBytesAtMost(record) }, send, 0);
  return taken(accumulator);
}

function taken(accumulator: Accumulator): ProducerBatch {
  const [batch] = accumulator.drain(accumulator.ready(0, leader, true).byBroker.get(1) ?? [], 1_000);
  expect(batch).toBeDefined();
  return batch as ProducerBatch;
}

describe("a batch's bytes", () => {
  test("are used again once the only request with them was answered", () => {
    const accumulator = new Accumulator({ ...limits, isAnswered: true });
    const first = sent(accumulator, "x".repeat(200));
    accumulator.finished(first, "acknowledged");
    expect(sent(accumulator, "y".repeat(200)).room).toBe(first.room);
  });

  test("are not while an earlier request with them may still be in a link's buffer, or when nothing says that they were read", () => {
    const accumulator = new Accumulator({ ...limits, isAnswered: true });
    const retried = sent(accumulator, "x".repeat(200));
    accumulator.putBack(retried, 0);
    accumulator.finished(taken(accumulator), "acknowledged");
    const failed = sent(accumulator, "y".repeat(200));
    expect(failed.room).not.toBe(retried.room);
    accumulator.finished(failed, "failed");
    expect(sent(accumulator, "z".repeat(200)).room).not.toBe(failed.room);

    const unanswered = new Accumulator({ ...limits, isAnswered: false });
    const queued = sent(unanswered, "x".repeat(200));
    unanswered.finished(queued, "acknowledged");
    expect(sent(unanswered, "y".repeat(200)).room).not.toBe(queued.room);
  });

  test("are as many from the start as the partition's last batch took, even if it was idle since", () => {
    const accumulator = new Accumulator({ ...limits, batchBytesMax: 64 * 1024, isAnswered: true });
    const first = sent(accumulator, "x".repeat(20_000));
    accumulator.finished(first, "acknowledged");
    expect(sent(accumulator, "y").room).toHaveLength(32 * 1024);
  });

  test("are kept up to a bound, in a few sizes", () => {
    const mebibyte = 1024 * 1024;
    const buffers = new BatchBuffers(mebibyte);
    expect(buffers.take(1000)).toBe(1000);
    expect(buffers.take(mebibyte / 4 + 1)).toHaveLength(mebibyte / 2);
    const given: unknown[] = Array.from({ length: 6 }, () => Buffer.allocUnsafeSlow(mebibyte));
    buffers.give(Buffer.allocUnsafeSlow(2 * mebibyte));
    buffers.give(Buffer.allocUnsafeSlow(5000));
    for (const buffer of given) buffers.give(buffer as Buffer);
    const again = Array.from({ length: 6 }, () => buffers.take(mebibyte));
    expect(again.filter((buffer) => given.includes(buffer))).toHaveLength(4);
    expect(new BatchBuffers(10).take(40)).toHaveLength(61); // a batch's header has room in any case
  });
});
