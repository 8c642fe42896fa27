import { describe, expect, test } from "vitest";
import { encodeCheckpoint } from "../../../../broker/log/files/checkpoint-file.ts";
import { fileNames } from "../../../../broker/log/files/file-names.ts";
import { compressRecords } from "../../../../protocol/records/compression.ts";
import { encodeBatch } from "../../../../protocol/records/encode-batch.ts";
import { parsedBatch } from "../../../support/parsed-batch.ts";
import { append, type Fixture, root, settingsWith, startStore, topicId } from "../../log/log-fixture.ts";
import { verify, verifyAsText } from "./verify-fixture.ts";

const folder = `${root}/t-0`;
const [first, second] = ["00000000000000000000", "00000000000000000010"];

/**
 * 25 batches of a record each, ten to a segment, epoch 1 from 7 on, closed. `noted`: with the note of its files' sizes, which would find
 * most of what the tests do.
 */
async function closedLog(noted = false): Promise<Fixture> {
  const fixture = await startStore();
  const log = await fixture.store.open("t", 0, topicId, settingsWith({ segmentBytes: 1000, indexIntervalBytes: 150 }));
  for (let i = 0; i < 25; i++) await append(log, [`value ${String(i).padStart(22)}`], i < 7 ? 0 : 1, 1_700_000_000_000 + ((i * 7) % 25));
  await fixture.store.close();
  if (!noted) fixture.disk.remove(`${root}/${fileNames.cleanStop}`);
  return fixture;
}

async function damaged(file: string, change: (content: Buffer) => Buffer, noted = false) {
  const { disk, files } = await closedLog(noted);
  disk.corrupt(`${root}/${file}`, change);
  return verify(files, [root]);
}

function overwrite(content: Buffer, at: number, ...bytes: number[]): Buffer {
  const changed = Buffer.from(content);
  changed.set(bytes, at);
  return changed;
}

describe("a log that is sound", () => {
  test("gets a line with what is in it", async () => {
    const { files } = await closedLog(true);
    const { findings, lines, failure } = await verify(files, [root]);
    expect(findings).toEqual([]);
    expect(failure).toBeNull();
    expect(lines).toEqual([
      expect.objectContaining({
        kind: "log",
        log: "t-0",
        segments: 3,
        batches: 25,
        records: 25,
        startOffset: 0,
        endOffset: 25,
        problems: 0,
      }),
      expect.objectContaining({ kind: "summary", logs: 1, records: 25, problems: 0, notes: 0 }),
    ]);
    expect((await verifyAsText(files, [folder])).text).toMatch(/^t-0 {2}offsets 0 to 25 {2}3 segments .* sound\n1 log, .*: all sound\n$/);
  });

  test("may be compressed and larger than what is read at once", async () => {
    const fixture = await startStore();
    const log = await fixture.store.open("t", 0, topicId, settingsWith({ segmentBytes: 5_000_000 }));
    for (const codec of ["none", "gzip", "snappy", "lz4", "zstd"] as const) {
      const value = Buffer.alloc(3_000_000, "large and ");
      const { endOffset } = log.appendAsLeader(
        parsedBatch(encodeBatch([{ key: null, value, timestampMs: 5 }], { codec, compress: compressRecords })),
        0,
        0,
      ) as {
        endOffset: number;
      };
      await log.written(endOffset);
    }
    await fixture.store.close();
    expect(await verify(fixture.files, [root])).toMatchObject({ findings: [], failure: null });
  });

  test("after a kill needs no start to be sound, when all was written", async () => {
    const { disk, store, files } = await startStore();
    const log = await store.open("t", 0, topicId, settingsWith({ segmentBytes: 1000, indexIntervalBytes: 150 }));
    for (let i = 0; i < 25; i++) await append(log, [`value ${i}`], i);
    disk.loseProcess();
    expect(files).toBeDefined();
    const { problems, failure } = await verify(disk.attach(), [root]);
    expect({ problems, failure }).toEqual({ problems: [], failure: null });
  });
});

describe("whatever byte is wrong", () => {
  test.each([`${first}.log`, `${second}.log`])("in %s, it is found", async (name) => {
    const { disk, files } = await closedLog();
    const path = `${folder}/${name}`;
    const original = Buffer.from(await files.readFile(path));
    for (let at = 0; at < original.length; at++) {
      disk.corrupt(path, (content) => overwrite(content, at, content[at]! ^ (1 << (at % 8))));
      const { failure } = await verify(files, [folder]);
      expect(failure, `byte ${at}`).not.toBeNull();
      disk.corrupt(path, () => Buffer.from(original));
    }
  });

  test("in a time index, it is found", async () => {
    const { disk, files } = await closedLog();
    const path = `${folder}/${first}.timeindex`;
    const original = Buffer.from(await files.readFile(path));
    expect(original.length).toBeGreaterThan(24);
    for (let at = 0; at < original.length; at++) {
      disk.corrupt(path, (content) => overwrite(content, at, content[at]! ^ (1 << (at % 8))));
      const { problems } = await verify(files, [folder]);
      expect(problems[0]?.file, `byte ${at}`).toBe(path);
      disk.corrupt(path, () => Buffer.from(original));
    }
  });

  test("in an offset index, it is found unless the entry still leads where it should", async () => {
    const { disk, files } = await closedLog();
    const path = `${folder}/${first}.index`;
    const original = Buffer.from(await files.readFile(path));
    let unnoticed = 0;
    for (let bit = 0; bit < original.length * 8; bit++) {
      disk.corrupt(path, (content) => overwrite(content, bit >> 3, content[bit >> 3]! ^ (1 << (bit & 7))));
      const { problems } = await verify(files, [folder]);
      if (problems.length === 0) {
        // an offset a little larger may be the end of what Kafka appended there at once
        expect(bit % 64, `bit ${bit}`).toBeLessThan(32);
        unnoticed++;
      } else expect(problems[0]?.file).toBe(path);
      disk.corrupt(path, () => Buffer.from(original));
    }
    expect(unnoticed).toBeLessThan(original.length / 4);
  });
});

describe("it tells where and what, of", () => {
  test("a wrong CRC, once", async () => {
    const { problems, failure } = await damaged(`t-0/${second}.log`, (content) => overwrite(content, content.length - 2, 1));
    expect(problems).toHaveLength(1);
    expect(problems[0]).toMatchObject({ file: `${folder}/${second}.log`, offset: 19, reason: "CRC-32C does not match the batch" });
    expect(failure).toBe(`${folder}/${second}.log, position ${problems[0]?.position}, offset 19: CRC-32C does not match the batch`);
  });

  test("a batch that is missing", async () => {
    const { problems } = await damaged(`t-0/${first}.log`, (content) => {
      const length = content.length / 10;
      return Buffer.concat([content.subarray(0, 3 * length), content.subarray(4 * length)]);
    });
    expect(problems[0]).toMatchObject({ offset: 4, reason: expect.stringContaining("offset 3 is missing") });
    expect(problems.some(({ file }) => file.endsWith(".index"))).toBe(true);
  });

  test("a segment that is missing", async () => {
    const { disk, files } = await closedLog();
    disk.remove(`${folder}/${second}.log`);
    const { findings } = await verify(files, [root]);
    expect(findings.map(({ kind, file, reason }) => [kind, file, reason])).toEqual([
      ["note", `${folder}/${second}.index`, expect.stringContaining("without its segment")],
      ["note", `${folder}/${second}.timeindex`, expect.stringContaining("without its segment")],
      ["problem", `${folder}/00000000000000000020.log`, expect.stringContaining("offsets 10 to 19 are missing")],
    ]);
  });

  test("the first segment that is missing, by what the broker noted at its stop", async () => {
    const { disk, files } = await closedLog(true);
    disk.remove(`${folder}/${first}.log`);
    const { problems } = await verify(files, [root]);
    expect(problems.map(({ file, reason }) => [file, reason])).toContainEqual([
      `${folder}/${first}.log`,
      expect.stringContaining("it is not there; when the broker was stopped it had"),
    ]);
  });

  test("a torn end, with what the next start does about it", async () => {
    const { disk, files } = await closedLog();
    disk.corrupt(`${folder}/00000000000000000020.log`, (content) => content.subarray(0, content.length - 5));
    expect((await verify(files, [root])).failure).toContain("with 91 bytes left");
    disk.remove(`${root}/.kafka_cleanshutdown`);
    expect((await verify(files, [root])).failure).toContain("the next start cuts the log here");
  });

  test("what was cut off between entries, or batches, since the broker was stopped", async () => {
    for (const [name, kept] of [
      ["index", 8],
      ["timeindex", 12],
      ["log", 480],
    ] as const) {
      const { problems } = await damaged(`t-0/${second}.${name}`, (content) => content.subarray(0, kept), true);
      expect(problems[0]).toMatchObject({
        file: `${folder}/${second}.${name}`,
        position: kept,
        reason: expect.stringContaining("when the broker was stopped"),
      });
    }
  });

  test("a missing index, and one that ends amid an entry", async () => {
    const { disk, files } = await closedLog();
    disk.remove(`${folder}/${first}.index`);
    disk.corrupt(`${folder}/${second}.index`, (content) => content.subarray(0, content.length - 3));
    const { problems } = await verify(files, [root]);
    expect(problems.map(({ file, reason }) => [file, reason])).toEqual([
      [`${folder}/${first}.index`, expect.stringContaining("it is missing")],
      [`${folder}/${second}.index`, expect.stringContaining("the last 5 bytes are no whole entry")],
    ]);
  });

  test("an epoch that falls, though no CRC covers it", async () => {
    const { problems } = await damaged(`t-0/${second}.log`, (content) => overwrite(content, 15, 0));
    expect(problems.map(({ file, reason }) => [file, reason])).toEqual([
      [`${folder}/${second}.log`, "leader epoch 0 comes after 1"],
      [`${folder}/leader-epoch-checkpoint`, expect.stringContaining("whose batch has epoch 0")],
    ]);
  });

  test("an epoch that cannot be", async () => {
    const { problems } = await damaged(`t-0/${second}.log`, (content) => overwrite(content, 12, 0x80));
    expect(problems).toMatchObject([{ file: `${folder}/${second}.log`, offset: 10, reason: `leader epoch ${1 - 2 ** 31}` }]);
  });

  test("epochs that the checkpoint has otherwise", async () => {
    const wrong = await damaged("t-0/leader-epoch-checkpoint", () => encodeCheckpoint(["0 0", "1 8"]));
    expect(wrong.problems).toMatchObject([{ offset: 7, reason: "it says epoch 0 for offsets 7 to 7, whose batch has epoch 1" }]);
    const beyond = await damaged("t-0/leader-epoch-checkpoint", () => encodeCheckpoint(["0 0", "1 7", "2 26"]));
    expect(beyond.problems).toMatchObject([{ offset: 26, reason: expect.stringContaining("the log ends at 25") }]);
    const unreadable = await damaged("t-0/leader-epoch-checkpoint", () => Buffer.from("0\n2\n0 0\n1 x\n"));
    expect(unreadable.problems).toMatchObject([{ line: 4 }]);
  });

  test("epochs that an unclean stop kept from the checkpoint, without failing", async () => {
    const { disk, files } = await closedLog();
    disk.corrupt(`${folder}/leader-epoch-checkpoint`, () => encodeCheckpoint(["0 0"]));
    expect((await verify(files, [root])).problems).toHaveLength(1);
    disk.remove(`${root}/.kafka_cleanshutdown`);
    const { problems, findings } = await verify(files, [root]);
    expect(problems).toEqual([]);
    expect(findings).toMatchObject([{ kind: "note", offset: 7, reason: expect.stringContaining("does not have epoch 1 yet") }]);
  });

  test("a directory's checkpoints that lie beyond the log", async () => {
    const { problems } = await damaged("recovery-point-offset-checkpoint", () => encodeCheckpoint(["t 0 26"]));
    expect(problems).toMatchObject([
      {
        file: `${root}/recovery-point-offset-checkpoint`,
        offset: 25,
        reason: expect.stringMatching(/^t-0: it says 26, but the log ends at 25/),
      },
    ]);
    expect((await damaged("log-start-offset-checkpoint", () => Buffer.from("0\n1\nt 0 x\n"))).problems).toMatchObject([{ line: 3 }]);
  });

  test("leftovers, without failing", async () => {
    const { disk, files } = await closedLog();
    for (const name of [
      ...["log", "index", "timeindex", "zip"].map((kind) => `${folder}/${first}.${kind}.deleted`),
      `${folder}/${first}.log.swap`,
      `${root}/gone-0.${"a".repeat(32)}-delete/x`,
      `${root}/coming-0.${"b".repeat(32)}-future/${first}.log`,
    ]) {
      const parent = name.slice(0, name.lastIndexOf("/"));
      disk.makeDirectory(parent);
      disk.create(name);
    }
    const { findings, failure } = await verify(files, [root]);
    const deletedLater = "deleted, removed after file.delete.delay.ms or at the next start";
    expect(failure).toBeNull();
    expect(findings.map(({ kind, file, reason }) => [kind, file, reason])).toEqual([
      ["note", root, expect.stringContaining("a copy from another log directory that is not whole yet")],
      ["note", root, `left over: gone-0.${"a".repeat(32)}-delete; the next start removes it`],
      ["note", folder, `left over: ${first}.index.deleted, ${first}.log.deleted, ${first}.timeindex.deleted and 1 more; ${deletedLater}`],
      ["note", folder, `left over: ${first}.log.swap; the next start completes the compaction that was interrupted`],
    ]);
  });
});

describe("gaps", () => {
  /** `kafka`: in a directory that no broker of ours ever opened. */
  async function withGap({ kafka }: { readonly kafka: boolean }): Promise<Fixture> {
    const fixture = await closedLog();
    if (kafka) fixture.disk.remove(`${root}/${fileNames.segmentsJoin}`);
    for (const name of [`${second}.log`, `${second}.index`, `${second}.timeindex`]) fixture.disk.remove(`${folder}/${name}`);
    return fixture;
  }

  test("between segments are faults wherever the cleaner was, but for those of Kafka's", async () => {
    const { disk, files } = await withGap({ kafka: false });
    disk.create(`${root}/cleaner-offset-checkpoint`);
    disk.corrupt(`${root}/cleaner-offset-checkpoint`, () => encodeCheckpoint(["t 0 20"]));
    expect(await verify(files, [root], { compacted: ["t"] })).toMatchObject({ findings: [{ kind: "problem", offset: 10 }] });
    disk.create(`${folder}/${fileNames.gaps}`);
    disk.corrupt(`${folder}/${fileNames.gaps}`, () => encodeCheckpoint(["20"]));
    expect((await verify(files, [root])).findings).toEqual([]);
  });

  test("are right in a directory of Kafka's where the cleaner was, and told above", async () => {
    const { disk, files } = await withGap({ kafka: true });
    disk.create(`${root}/cleaner-offset-checkpoint`);
    disk.corrupt(`${root}/cleaner-offset-checkpoint`, () => encodeCheckpoint(["t 0 20"]));
    expect((await verify(files, [root])).findings).toEqual([]);
    disk.corrupt(`${root}/cleaner-offset-checkpoint`, () => encodeCheckpoint(["t 0 19"]));
    expect((await verify(files, [root])).findings).toMatchObject([{ kind: "note", offset: 20 }]);
  });

  test("are told, not faults, in topics that are known to be compacted", async () => {
    const { files } = await withGap({ kafka: true });
    expect((await verify(files, [root])).failure).toContain("--compacted");
    expect(await verify(files, [root], { compacted: ["t"] })).toMatchObject({ failure: null, findings: [{ kind: "note", offset: 20 }] });
  });
});

describe("a directory", () => {
  test("that a broker runs on is refused, or looked at by force", async () => {
    const { disk, files } = await closedLog();
    await disk.attach().lock(`${root}/.lock`);
    expect(await verify(files, [root])).toMatchObject({
      failure: expect.stringContaining("a broker runs on /data/logs: stop it first"),
      usedWrongly: true,
    });
    expect((await verify(files, [folder])).failure).toContain("a broker runs on /data/logs: stop it first");
    const forced = await verify(files, [root], { force: true });
    expect(forced.failure).toBeNull();
    expect(forced.findings).toMatchObject([{ kind: "note", reason: expect.stringContaining("a broker runs on") }]);
  });

  test("is kept from brokers meanwhile, and given back", async () => {
    const { disk, files } = await closedLog();
    disk.create(`${root}/.lock`);
    let lockedMeanwhile = false;
    disk.fault = ({ kind, path }) => {
      if (kind === "read" && path.endsWith(".log")) lockedMeanwhile = !disk.lock(`${root}/.lock`, null as never);
      return null;
    };
    expect((await verify(files, [root, `${folder}/`])).failure).toBeNull();
    expect(lockedMeanwhile).toBe(true);
    expect(await disk.attach().lock(`${root}/.lock`)).toBe(true);
  });

  test("is not changed", async () => {
    const { disk, files } = await closedLog();
    disk.create(`${root}/.lock`);
    disk.fault = ({ kind }) => (["write", "truncate", "rename", "remove", "makeDirectory"].includes(kind) ? "EROFS" : null);
    expect((await verify(files, [root])).failure).toBeNull();
  });

  test("that is none, or not there, is told at once", async () => {
    const { disk, files } = await closedLog();
    disk.makeDirectory("/data/other");
    expect((await verify(files, ["/data/other"])).failure).toContain("neither a log directory nor a partition's folder");
    expect(await verify(files, ["/data/nowhere"])).toMatchObject({
      failure: expect.stringContaining("/data/nowhere cannot be read"),
      usedWrongly: true,
    });
    expect((await verify(files, [`${folder}/${first}.log`])).failure).toContain("is a file");
  });

  test("that cannot be read in places is told of, and gone on with", async () => {
    const { disk, files } = await closedLog();
    disk.fault = ({ kind, path }) => (kind === "read" && path.endsWith(`${second}.log`) ? "EIO" : null);
    const { problems, lines } = await verify(files, [root]);
    expect(problems).toMatchObject([{ file: `${folder}/${second}.log`, reason: expect.stringContaining("EIO") }]);
    expect(lines[0]).toMatchObject({ segments: 2, endOffset: 25, problems: 1 });
  });
});
