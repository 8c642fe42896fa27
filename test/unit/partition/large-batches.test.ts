import { expect, test } from "vitest";
import { readBatchInfo } from "../../../protocol/records/batch-header.ts";
import { compressRecords, decompressRecords } from "../../../protocol/records/compression.ts";
import { decodeBatch } from "../../../protocol/records/decode-batch.ts";
import { BatchBuilder, encodeBatch } from "../../../protocol/records/encode-batch.ts";
import { setUp } from "./partition-fixture.ts";

type Partition = Awaited<ReturnType<typeof setUp>>;

const compressed = { codec: "zstd", compress: compressRecords } as const;
const small = (value: string) => encodeBatch([{ key: Buffer.from(value), value: null, timestampMs: 1 }], compressed);

/** 3 MiB of records in some kilobytes. */
function large(recordsCount = 30_000): Buffer {
  const builder = new BatchBuilder();
  for (let i = 0; i < recordsCount; i++) builder.append({ key: Buffer.from("large"), value: Buffer.alloc(90), timestampMs: 1 });
  return builder.build(compressed);
}

/** Lets what is due happen and other threads work, in no time by the clock, until all of these are answered. */
async function answered<T>(clock: Partition["clock"], waiting: readonly Promise<T>[]): Promise<T[]> {
  let isOver = false;
  const all = Promise.all(waiting).finally(() => {
    isOver = true;
  });
  while (!isOver) {
    await clock.advance(0);
    await new Promise((resolve) => setImmediate(resolve));
  }
  return all;
}

async function keysInLog(read: Partition["read"], endOffset: number): Promise<string[]> {
  const keys: string[] = [];
  for (let offset = 0; offset < endOffset; ) {
    const found = await read(offset, { maxBytes: 1 });
    if (found.error !== null) throw new Error(found.error);
    const bytes = Buffer.concat(found.chunks);
    offset = (readBatchInfo(bytes, 0)?.lastOffset ?? endOffset) + 1;
    for (const { key } of decodeBatch(bytes, 0, { decompress: decompressRecords })) {
      keys.push(String(key));
      break;
    }
  }
  return keys;
}

const alone = { isr: [1], replicas: [1] };

test("a batch that takes longer to look at keeps its place, and those behind it keep theirs", async () => {
  const { append, clock, log, read } = await setUp({}, alone);
  const first = append(small("first"));
  expect(log.endOffset, "in its own turn").toBe(1);
  const waiting = [append(large()), append(small("second"))];
  expect(log.endOffset, "nothing of it yet").toBe(1);
  const [one, two, three] = await answered(clock, [first, ...waiting]);
  expect([one, two, three].map((outcome) => (outcome?.error === null ? outcome.baseOffset : outcome?.error))).toStrictEqual([0, 1, 30_001]);
  expect(await keysInLog(read, log.endOffset)).toStrictEqual(["first", "large", "second"]);
  const fourth = append(small("fourth"));
  expect(log.endOffset, "nothing waits any more").toBe(30_003);
  await answered(clock, [fourth]);
});

test("one that is refused holds nothing up", async () => {
  const { append, clock, log } = await setUp({}, alone);
  const builder = new BatchBuilder();
  for (let i = 0; i < 40; i++)
    builder.append({
      key: null,
      value: null,
      timestampMs: 1,
      headers: Array.from({ length: i === 39 ? 65_537 : 60_000 }, () => ({ key: "", value: null })),
    });
  const outcomes = await answered(clock, [append(builder.build(compressed)), append(small("behind"))]);
  expect(outcomes.map(({ error }) => error)).toStrictEqual(["INVALID_RECORD", null]);
  expect(log.endOffset).toBe(1);
});

test("when the leadership is over meanwhile, nothing is appended", async () => {
  const { append, clock, assign, log } = await setUp({}, { isr: [1, 2], replicas: [1, 2] });
  const waiting = [append(large()), append(small("behind"))];
  await assign({ leader: 2, leaderEpoch: 6 });
  expect((await answered(clock, waiting)).map(({ error }) => error)).toStrictEqual(["NOT_LEADER_OR_FOLLOWER", "NOT_LEADER_OR_FOLLOWER"]);
  expect(log.endOffset).toBe(0);
});

test("when the session is no longer proved by then, nothing is appended", async () => {
  const { append, clock, session, log } = await setUp({}, alone);
  const waiting = append(large());
  session.provedUntilMs = 0;
  expect((await answered(clock, [waiting]))[0]?.error).toBe("NOT_LEADER_OR_FOLLOWER");
  expect(log.endOffset).toBe(0);
});

test("when its request's time is over by then, nothing is appended, and the producer hears so", async () => {
  const { append, clock, log } = await setUp({}, alone);
  const waiting = [append(large()), append(small("behind"))];
  await clock.advance(1001); // the other threads take longer than that
  const outcomes = await answered(clock, waiting);
  expect(outcomes.map(({ error }) => error)).toStrictEqual(["REQUEST_TIMED_OUT", "REQUEST_TIMED_OUT"]);
  expect(log.endOffset).toBe(0);
});

test("no more wait than may", async () => {
  const { append, clock } = await setUp({}, alone);
  const waiting = [append(large()), append(small("a")), append(small("b")), append(small("c"))];
  const outcomes = await answered(clock, waiting);
  expect(outcomes.map(({ error }) => error)).toStrictEqual([null, null, null, "NOT_ENOUGH_REPLICAS"]);
  expect(outcomes[3]?.error !== null && outcomes[3]?.message?.includes("too many appends wait")).toBeTruthy();
});
