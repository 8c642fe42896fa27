import { describe, expect, test } from "vitest";
import type { ReplicaLeader, ReplicaLeaders } from "../../../broker/partition/replication-contract.ts";
import { highWatermarkDelayMs, replicaFetchHandler } from "../../../broker/replication/replica-fetch-handler.ts";
import type { KafkaErrorCode } from "../../../protocol/errors/kafka-errors.ts";
import type { ReplicaFetchedPartition, ReplicaFetchRequest } from "../../../protocol/peer/messages.ts";
import { testReplicationConfig } from "../../support/partition-config.ts";
import { ManualClock, settled } from "../network/manual-clock.ts";

const topicId = "AAAAAAAAAAAAAAAAAAAAAQ";

interface Led {
  /** Bytes that each batch has; all of them are new to the follower. */
  batches: number[];
  error: KafkaErrorCode;
  highWatermark: number;
  told: number;
}

/** A leader of partitions that hold what the test says. */
function setUp(partitions: number) {
  const clock = new ManualClock();
  const watching = new Set<Parameters<ReplicaLeaders["onWritten"]>[0]>();
  const led: Led[] = Array.from({ length: partitions }, () => ({ batches: [], error: "NONE", highWatermark: 0, told: 0 }));
  const reads: { partition: number; maxBytes: number; minOneBatch: boolean }[] = [];
  const at = (partition: number): Led => led[partition]!;
  const answer = (partition: number, recordsBytes = 0): ReplicaFetchedPartition => {
    const { error, highWatermark } = at(partition);
    return { topicId, partition, error, leaderEpoch: 1, highWatermark, logStartOffset: 0, diverging: null, epochs: [], recordsBytes };
  };
  const position: ReplicaLeader["positionOf"] = (_from, { partition }) => {
    const { batches, error, highWatermark, told } = at(partition);
    return { answer: answer(partition), isReadable: error === "NONE" && batches.length > 0, hasNews: highWatermark !== told };
  };
  const leader: ReplicaLeader = {
    acknowledgeFetch: position,
    positionOf: position,
    readForReplica: async ({ partition }, maxBytes, minOneBatch) => {
      reads.push({ partition, maxBytes, minOneBatch });
      const taken: Buffer[] = [];
      let bytes = 0;
      for (const size of at(partition).batches) {
        if (bytes + size > maxBytes && !(minOneBatch && bytes === 0)) break;
        taken.push(Buffer.alloc(size, partition));
        bytes += size;
      }
      return { answer: answer(partition, bytes), records: taken };
    },
    noteAnswered: (_from, told) => {
      at(told.partition).told = told.highWatermark;
    },
  };
  const leaders: ReplicaLeaders = {
    leaderOf: (_, partition) => (partition < led.length ? leader : "UNKNOWN_TOPIC_ID"),
    onWritten: (moved) => {
      watching.add(moved);
      return () => watching.delete(moved);
    },
  };
  const handle = replicaFetchHandler({ leaders, clock, config: { ...testReplicationConfig, fetchMaxBytes: 1000 } });
  const fetch = (more: Partial<ReplicaFetchRequest> = {}) => {
    const request: ReplicaFetchRequest = {
      brokerId: 2,
      brokerEpoch: 7,
      maxWaitMs: 500,
      minBytes: 1,
      maxBytes: 2500,
      partitions: led.map((_, partition) => ({
        topicId,
        partition,
        leaderEpoch: 1,
        fetchOffset: 0,
        lastFetchedEpoch: -1,
        logStartOffset: 0,
      })),
      ...more,
    };
    const pending = { atMs: -1, answered: handle(request, Buffer.alloc(0), "test") };
    void pending.answered.then(() => {
      pending.atMs = clock.monotonicMs();
    });
    return pending;
  };
  const change = (partition: number, changes: Partial<Led>) => {
    Object.assign(at(partition), changes);
    for (const moved of watching) moved({ topicId, partition });
  };
  return { clock, led, fetch, change, reads, watching };
}

describe("an answer to a replica fetch", () => {
  test("comes at once with records, leaving out the partitions without news", async () => {
    const { fetch, led } = setUp(3);
    led[1]?.batches.push(100, 200);
    const { body, payload } = await fetch().answered;
    expect(body.partitions.map(({ partition, recordsBytes }) => [partition, recordsBytes])).toStrictEqual([[1, 300]]);
    expect(Buffer.concat(payload ?? []).length).toBe(300);
  });

  test("keeps to the bytes asked for, in the request's order; only the first batch may exceed them", async () => {
    const { fetch, led } = setUp(4);
    for (const one of led) one.batches.push(900, 900);
    const { body } = await fetch().answered;
    expect(body.partitions.map(({ partition, recordsBytes }) => [partition, recordsBytes])).toStrictEqual([
      [0, 900],
      [1, 900],
    ]);
    if (led[0] !== undefined) led[0].batches = [5000];
    const large = await fetch().answered;
    expect(large.body.partitions.map(({ recordsBytes }) => recordsBytes)).toStrictEqual([5000]);
  });

  test("waits for records, and brings them when they are written", async () => {
    const { fetch, change, clock, watching } = setUp(2);
    const pending = fetch();
    await clock.advance(120);
    expect(pending.atMs).toBe(-1);
    change(1, { batches: [10] });
    expect((await pending.answered).body.partitions.length).toBe(1);
    expect(clock.monotonicMs()).toBe(120);
    expect(watching.size).toBe(0);
  });

  test("waits for as many bytes as asked for, and no longer than asked", async () => {
    const { fetch, change, clock } = setUp(1);
    const pending = fetch({ minBytes: 100 });
    await settled();
    change(0, { batches: [60] });
    await clock.advance(200);
    expect(pending.atMs).toBe(-1);
    change(0, { batches: [60, 60] });
    await settled();
    expect(pending.atMs).toBe(200);
    const short = fetch({ minBytes: 1000 });
    await clock.advance(505);
    const { body } = await short.answered;
    expect(body.partitions[0]?.recordsBytes).toBe(120);
  });

  test("comes at once with a refusal", async () => {
    const { fetch, led, clock } = setUp(2);
    if (led[0] !== undefined) led[0].error = "FENCED_LEADER_EPOCH";
    const { body } = await fetch().answered;
    expect(body.partitions.map(({ error }) => error)).toStrictEqual(["FENCED_LEADER_EPOCH"]);
    expect(clock.monotonicMs()).toBe(0);
  });

  test("comes at once where nobody leads", async () => {
    const { fetch, clock } = setUp(1);
    const asked = { topicId, partition: 7, leaderEpoch: 1, fetchOffset: 0, lastFetchedEpoch: -1, logStartOffset: 0 };
    const { body } = await fetch({ partitions: [asked] }).answered;
    const nowhere = { leaderEpoch: -1, highWatermark: -1, logStartOffset: -1, diverging: null, epochs: [], recordsBytes: 0 };
    expect(body.partitions).toStrictEqual([{ topicId, partition: 7, error: "UNKNOWN_TOPIC_ID", ...nowhere }]);
    expect(clock.monotonicMs()).toBe(0);
  });

  test("that is only about a high watermark waits a little for records to travel with", async () => {
    const { fetch, change, clock } = setUp(2);
    const pending = fetch();
    await settled();
    await clock.advance(100);
    change(0, { highWatermark: 7 });
    await settled();
    await clock.advance(highWatermarkDelayMs - 1);
    expect(pending.atMs).toBe(-1);
    await clock.advance(10);
    expect((await pending.answered).body.partitions.map(({ partition, highWatermark }) => [partition, highWatermark])).toStrictEqual([
      [0, 7],
    ]);
    const next = fetch();
    await clock.advance(300);
    expect(next.atMs, "told once, it is no news").toBe(-1);
  });

  test("at the end of the wait tells all partitions where they stand", async () => {
    const { fetch, clock } = setUp(3);
    const pending = fetch();
    await clock.advance(505);
    expect((await pending.answered).body.partitions.length).toBe(3);
  });

  test("does not wait longer than this broker allows", async () => {
    const { fetch, clock } = setUp(1);
    const pending = fetch({ maxWaitMs: 2 ** 31 - 1 });
    await clock.advance(505);
    expect(pending.atMs >= 500).toBe(true);
  });
});
