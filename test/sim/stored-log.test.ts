import { expect, test } from "vitest";
import { seededRandom } from "../../protocol/base/random.ts";
import { nodeClock } from "../../protocol/node/node-clock.ts";
import { encodeBatch } from "../../protocol/records/encode-batch.ts";
import { encodeEndMarker } from "../../protocol/records/end-marker.ts";
import { MemoryDisk } from "../support/memory-files.ts";
import { readStoredLog } from "./stored-log.ts";

const batch = (baseOffset: number, leaderEpoch: number, values: readonly string[]) =>
  encodeBatch(
    values.map((value, index) => ({
      key: index % 2 === 0 ? null : Buffer.from("key"),
      value: Buffer.from(value),
      timestampMs: 1000 + index,
    })),
    { baseOffset, leaderEpoch },
  );

async function stored(segments: Readonly<Record<string, Buffer>>) {
  const disk = new MemoryDisk({ clock: nodeClock, random: seededRandom(1) });
  const files = disk.attach();
  await files.makeDirectory("/data/t-0");
  for (const [name, bytes] of Object.entries(segments)) await (await files.open(`/data/t-0/${name}`, "readwrite")).write([bytes], 0);
  return readStoredLog(disk, "/data/t-0");
}

const first = "00000000000000000000.log";

test("the second opinion reads segments one after the other", async () => {
  const log = await stored({ [first]: batch(0, 0, ["a", "b"]), "00000000000000000002.log": batch(2, 3, ["c"]) });
  expect(log?.damage).toBeNull();
  expect(log?.records).toStrictEqual([
    { offset: 0, epoch: 0, key: null, value: "a" },
    { offset: 1, epoch: 0, key: "key", value: "b" },
    { offset: 2, epoch: 3, key: null, value: "c" },
  ]);
});

test("it stops at a cut batch, a wrong CRC and a gap, and keeps what is before", async () => {
  const whole = batch(0, 0, ["a", "b"]);
  const cut = await stored({ [first]: Buffer.concat([whole, batch(2, 0, ["c"]).subarray(0, 65)]) });
  expect([cut?.records.length, cut?.damage]).toStrictEqual([2, `${first} at byte ${whole.length}: a batch is cut`]);
  const rotten = batch(2, 0, ["c"]);
  rotten[rotten.length - 2]! ^= 1;
  expect((await stored({ [first]: Buffer.concat([whole, rotten]) }))?.damage).toContain("CRC");
  expect((await stored({ [first]: Buffer.concat([whole, batch(3, 0, ["c"])]) }))?.damage).toContain("offset 3 where 2 was due");
});

test("it tells the ends of transactions from records, and of which producer a batch is", async () => {
  const producer = { producerId: 7, producerEpoch: 2, baseSequence: 0, isTransactional: true };
  const records = encodeBatch([{ key: null, value: Buffer.from("a"), timestampMs: 1 }], { ...producer, leaderEpoch: 0 });
  const marker = encodeEndMarker({ producerId: 7, producerEpoch: 3, coordinatorEpoch: 9, kind: "commit" }, 1);
  marker.writeBigInt64BE(1n, 0);
  const log = await stored({ [first]: Buffer.concat([records, marker, batch(2, 0, ["b"])]) });
  expect(log?.records.map(({ value }) => value)).toStrictEqual(["a", "b"]);
  expect(log?.batches.map(({ transaction }) => transaction)).toStrictEqual([
    { producerId: 7, producerEpoch: 2, marker: null },
    { producerId: 7, producerEpoch: 3, marker: { kind: "commit", coordinatorEpoch: 9 } },
    null,
  ]);
});
