import { describe, expect, test } from "vitest";
import type { ProducerRow } from "../../../../broker/log/log-contract.ts";
import { decodeSnapshot, encodeSnapshot } from "../../../../broker/log/producers/producer-snapshot.ts";
import { abortedIndexFormat } from "../../../../broker/log/segment/aborted-index.ts";
import { encodeEntries } from "../../../../broker/log/segment/index-file.ts";
import { encodeBatch } from "../../../../protocol/records/encode-batch.ts";
import { type Fixture, lead, root, settingsWith, startStore, topicId } from "../../log/log-fixture.ts";
import { verify } from "./verify-fixture.ts";

const folder = `${root}/t-0`;
const index = `${folder}/00000000000000000000.txnindex`;

/** Transactions of two producers, one after the other: [0, 2) aborted at 3, [2, 3) committed at 4, [5, 7) aborted at 7. */
async function closedLog(): Promise<Fixture> {
  const fixture = await startStore();
  const log = await fixture.store.open("t", 0, topicId, settingsWith());
  const send = (producerId: number, count: number, baseSequence: number) => {
    const records = Array.from({ length: count }, () => ({ key: null, value: Buffer.from("v"), timestampMs: 1_700_000_000_000 }));
    lead(log, encodeBatch(records, { producerId, producerEpoch: 0, baseSequence, isTransactional: true }));
  };
  const end = (producerId: number, kind: "commit" | "abort") =>
    log.appendMarker({ producerId, producerEpoch: 0, coordinatorEpoch: 1, kind, transactionVersion: 1 }, 0, 1_700_000_000_000);
  send(1, 2, 0);
  send(2, 1, 0);
  end(1, "abort");
  end(2, "commit");
  send(2, 2, 1);
  end(2, "abort");
  await log.written(log.endOffset);
  await fixture.store.close();
  return fixture;
}

const entries = [
  { producerId: 1, firstOffset: 0, offset: 3, lastStableOffset: 2 },
  { producerId: 2, firstOffset: 5, offset: 7, lastStableOffset: 8 },
] as const;

async function verifiedWith(changed: readonly (typeof entries)[number][] | readonly object[]) {
  const { files, disk } = await closedLog();
  disk.corrupt(index, () => encodeEntries(abortedIndexFormat, changed as (typeof entries)[number][], 0));
  const { problems } = await verify(files, [root]);
  return problems.filter(({ file, reason }) => file === index && !reason.includes("when the broker was stopped"));
}

describe("the index of aborted transactions", () => {
  test("is sound as the broker writes it", async () => {
    const { files } = await closedLog();
    const content = await files.readFile(index);
    expect([0, 34].map((at) => abortedIndexFormat.read(content, at, 0))).toStrictEqual(entries);
    expect(await verify(files, [root])).toMatchObject({ findings: [], failure: null });
  });

  test("that lacks a transaction is told of", async () => {
    expect(await verifiedWith([entries[1]])).toMatchObject([
      { offset: 3, reason: "the transaction of producer 1 from 0 on was aborted at 3: it has no entry" },
    ]);
    expect(await verifiedWith([entries[0]])).toMatchObject([{ offset: 7 }]);
  });

  test("with a range whose marker is not in the log is told of", async () => {
    for (const offset of [4, 6])
      expect(await verifiedWith([entries[0], { ...entries[1], firstOffset: 2, offset, lastStableOffset: 3 }, entries[1]])).toMatchObject([
        { position: 34, offset, reason: `records of producer 2 from 2 on are aborted without a marker at ${offset}` },
      ]);
    expect(await verifiedWith([...entries, { ...entries[1], offset: 9 }])).toMatchObject([{ position: 68, offset: 9 }]);
  });

  test("that disagrees with the log is told of", async () => {
    expect(await verifiedWith([{ ...entries[0], firstOffset: 1 }, entries[1]])).toMatchObject([
      { position: 0, reason: "the entry says producer 1 from 1 on, the log producer 1 from 0 on" },
    ]);
    expect(await verifiedWith([entries[0], { ...entries[1], producerId: 3 }])).toMatchObject([{ position: 34, offset: 7 }]);
    expect(await verifiedWith([entries[1], entries[0]])).not.toStrictEqual([]);
    expect(await verifiedWith([{ ...entries[0], lastStableOffset: 99 }, entries[1]])).not.toStrictEqual([]);
  });

  test("that is missing is told of", async () => {
    const { files, disk } = await closedLog();
    disk.remove(index);
    const { problems } = await verify(files, [root]);
    expect(problems.map(({ file, offset }) => [file, offset])).toStrictEqual([
      [index, null],
      [index, 3],
      [index, 7],
    ]);
  });

  test("is one thing, the snapshot of what is open another", async () => {
    const { files, disk } = await closedLog();
    const path = `${folder}/00000000000000000008.snapshot`;
    for (const [first, said] of [
      [5, "one since offset 5"],
      [-1, null],
    ] as const) {
      disk.corrupt(path, (content) => {
        const rows = (decodeSnapshot(content) as readonly ProducerRow[]).map((row) =>
          row.producerId === 2 && row.lastOffset === 6 ? { ...row, transactionFirstOffset: first } : row,
        );
        return encodeSnapshot(rows.length, (visit) => rows.forEach(visit));
      });
      const { problems } = await verify(files, [root]);
      const reasons = said === null ? [] : [`producer 2: of its transactions none is open, not ${said}`];
      expect(problems.map(({ reason }) => reason)).toStrictEqual(reasons);
    }
  });
});
