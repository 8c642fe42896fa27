import { describe, expect, test } from "vitest";
import { fileNames } from "../../../../broker/log/files/file-names.ts";
import type { ProducerRow } from "../../../../broker/log/log-contract.ts";
import { decodeSnapshot, encodeSnapshot } from "../../../../broker/log/producers/producer-snapshot.ts";
import { compareRows } from "../../../../cli/offline/verify/check-producers.ts";
import { encodeBatch } from "../../../../protocol/records/encode-batch.ts";
import { type Fixture, lead, root, settingsWith, startStore, topicId } from "../../log/log-fixture.ts";
import { verify } from "./verify-fixture.ts";

const folder = `${root}/t-0`;
const batches = 40;

/** Batches of two records by three producers in turn, some ten to a segment; a snapshot at each segment's start and at the end. */
async function closedLog(): Promise<Fixture> {
  const fixture = await startStore();
  const log = await fixture.store.open("t", 0, topicId, settingsWith({ segmentBytes: 1500 }));
  for (let i = 0; i < batches; i++) {
    const records = ["a", "b"].map((value) => ({ key: null, value: Buffer.from(`${value} of ${i}`), timestampMs: 1_700_000_000_000 + i }));
    const { endOffset } = lead(
      log,
      encodeBatch(records, { producerId: 7 + (i % 3), producerEpoch: 2, baseSequence: 2 * Math.floor(i / 3) }),
    );
    await log.written(endOffset);
  }
  await fixture.store.close();
  return fixture;
}

async function snapshotsOf({ files }: Fixture): Promise<string[]> {
  return (await files.list(folder)).filter((name) => name.endsWith(".snapshot"));
}

function rewritten(change: (rows: ProducerRow[]) => ProducerRow[]): (content: Buffer) => Buffer {
  return (content) => {
    const rows = change([...(decodeSnapshot(content) as readonly ProducerRow[])]);
    return encodeSnapshot(rows.length, (visit) => {
      for (const row of rows) visit(row);
    });
  };
}

describe("snapshots of a log's producers", () => {
  test("are sound as the broker writes them", async () => {
    const fixture = await closedLog();
    expect((await snapshotsOf(fixture)).length).toBeGreaterThan(2);
    expect(await verify(fixture.files, [root])).toMatchObject({ findings: [], failure: null });
  });

  test("are compared with what the batches say, whatever their CRC", async () => {
    const changes: ((rows: ProducerRow[]) => ProducerRow[])[] = [
      (rows) => rows.slice(0, -1),
      (rows) => rows.filter(({ producerId }) => producerId !== 8),
      (rows) => rows.map((row) => ({ ...row, epoch: 3 })),
      (rows) => rows.map((row, i) => (i === rows.length - 1 ? { ...row, lastSequence: row.lastSequence + 1 } : row)),
      (rows) => [...rows, { ...rows[0]!, producerId: 99 }],
    ];
    for (const [index, change] of changes.entries()) {
      const fixture = await closedLog();
      for (const name of (await snapshotsOf(fixture)).slice(1)) {
        const original = Buffer.from(await fixture.files.readFile(`${folder}/${name}`));
        fixture.disk.corrupt(`${folder}/${name}`, rewritten(change));
        const { problems } = await verify(fixture.files, [root]);
        expect(problems[0]?.file, `change ${index}`).toBe(`${folder}/${name}`);
        fixture.disk.corrupt(`${folder}/${name}`, () => original);
      }
    }
  });

  test("are told of with every wrong byte", async () => {
    const fixture = await closedLog();
    const [, name] = await snapshotsOf(fixture);
    const path = `${folder}/${name}`;
    const original = Buffer.from(await fixture.files.readFile(path));
    for (let at = 0; at < original.length; at++) {
      fixture.disk.corrupt(path, () => Buffer.from(original.map((byte, i) => (i === at ? byte ^ 0x10 : byte))));
      expect((await verify(fixture.files, [root])).problems[0]?.file, `byte ${at}`).toBe(path);
    }
  });

  test("above the log's end are told", async () => {
    const fixture = await closedLog();
    await fixture.files.rename(`${folder}/${String(2 * batches).padStart(20, "0")}.snapshot`, `${folder}/00000000000000000999.snapshot`);
    expect((await verify(fixture.files, [root])).failure).toContain("it is of offset 999, but the log ends at 80");
  });

  test("know what the log has no longer, after its first segments are gone", async () => {
    const fixture = await closedLog();
    const names = await fixture.files.list(folder);
    for (const name of names.filter((name) => name.startsWith("00000000000000000000."))) fixture.disk.remove(`${folder}/${name}`);
    fixture.disk.remove(`${root}/${fileNames.cleanStop}`); // they went before it was written
    expect((await verify(fixture.files, [root])).problems).toEqual([]);
  });
});

describe("a row", () => {
  const row = {
    producerId: 1,
    epoch: 0,
    lastSequence: 9,
    lastOffset: 19,
    offsetDelta: 1,
    timestampMs: 500,
    coordinatorEpoch: -1,
    transactionFirstOffset: -1,
  };

  test("of batches that the log does not have any more cannot be wrong", () => {
    expect(compareRows([row], [], { firstOffset: 19, expiredBeforeMs: 0 })).toEqual([]);
    expect(compareRows([row], [], { firstOffset: 18, expiredBeforeMs: 0 })).toMatchObject([{ offset: 19 }]);
  });

  test("may be missing of a producer that was silent for long", () => {
    expect(compareRows([], [row], { firstOffset: 0, expiredBeforeMs: 501 })).toEqual([]);
    expect(compareRows([], [row], { firstOffset: 0, expiredBeforeMs: 500 })).toMatchObject([
      { reason: expect.stringContaining("producer 1 is missing") },
    ]);
  });

  test("of Kafka is the producer's last only", () => {
    const earlier = { ...row, lastSequence: 7, lastOffset: 17 };
    expect(compareRows([row], [earlier, row], { firstOffset: 0, expiredBeforeMs: 0 })).toEqual([]);
    expect(compareRows([earlier], [earlier, row], { firstOffset: 0, expiredBeforeMs: 0 })).toMatchObject([{ offset: 19 }]);
  });
});
