import { beforeEach, expect, test } from "vitest";
import type { StateRecord } from "../../../broker/state-machine/contract.ts";
import { ShardLog } from "../../../broker/state-machine/shard-log.ts";
import type { Clock } from "../../../protocol/base/clock.ts";
import { silentLogger } from "../../../protocol/base/logger.ts";
import { BatchBuilder } from "../../../protocol/records/encode-batch.ts";
import { FakePartition } from "./fake-partition.ts";

const ref = { topic: "__consumer_offsets", partition: 0 };
const batches = 500;

let partition: FakePartition;
let nowMs: number;
/** How often others had their turn. */
let turns: number;
let onTurn: () => void;

/** Time passes with every record; what is scheduled has its turn as soon as nothing else runs. */
const clock: Clock = {
  nowMs: () => nowMs,
  monotonicMs: () => nowMs,
  schedule: (_delayMs, callback) => {
    const pending = setImmediate(() => {
      turns++;
      onTurn();
      callback();
    });
    return { cancel: () => clearImmediate(pending) };
  },
};

beforeEach(() => {
  partition = new FakePartition();
  nowMs = 0;
  turns = 0;
  onTurn = () => {};
  for (let i = 0; i < batches; i++) {
    const builder = new BatchBuilder();
    builder.append({ key: Buffer.from(`${i}`), value: null, timestampMs: 0 });
    partition.append(ref, builder.build());
  }
});

const shardLog = (readBytesMax: number) =>
  new ShardLog({ ref, partitions: partition, clock, log: silentLogger, what: "groups", readBytesMax });

const replayInto = (replayed: string[]) => (record: StateRecord) => {
  nowMs++;
  replayed.push(record.key.toString());
};

test.each([
  ["in one read", 1_000_000],
  ["in many reads, each answered from memory", 100],
])("a long log %s leaves others their turn all the way: none takes long", async (_how, readBytesMax) => {
  const replayed: string[] = [];
  let lastTurnMs = 0;
  let longestMs = 0;
  onTurn = () => {
    longestMs = Math.max(longestMs, nowMs - lastTurnMs);
    lastTurnMs = nowMs;
  };
  const loaded = await shardLog(readBytesMax).readWhole(replayInto(replayed), new AbortController().signal);
  expect(loaded).toEqual({ records: batches, endOffset: batches });
  expect(replayed).toEqual(Array.from({ length: batches }, (_, i) => `${i}`));
  expect(turns).toBeGreaterThanOrEqual(batches / 20);
  expect(longestMs).toBeLessThanOrEqual(20);
});

test("a leadership that ends in the middle of a read ends the replay there", async () => {
  const replayed: string[] = [];
  const ending = new AbortController();
  onTurn = () => {
    if (turns === 3) ending.abort();
  };
  expect(await shardLog(1_000_000).readWhole(replayInto(replayed), ending.signal)).toBeNull();
  expect(replayed).toHaveLength(60);
});
