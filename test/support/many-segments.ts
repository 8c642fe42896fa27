import { encodeCheckpoint, writeOffsets } from "../../broker/log/files/checkpoint-file.ts";
import { markCleanStop, type SegmentSizes } from "../../broker/log/files/clean-stop.ts";
import { noDoubt } from "../../broker/log/files/directory-notes.ts";
import { fileNames, segmentFileName } from "../../broker/log/files/file-names.ts";
import { writeTopicId } from "../../broker/log/files/folder-notes.ts";
import { encodeSnapshot } from "../../broker/log/producers/producer-snapshot.ts";
import { encodeEntries, timeIndexFormat } from "../../broker/log/segment/index-file.ts";
import { type FileSystem, replaceFile } from "../../broker/runtime/files.ts";
import { encodeBatch } from "../../protocol/records/encode-batch.ts";

export interface ManySegments {
  readonly root: string;
  readonly topicId: string;
  readonly count: number;
  /** Of a segment's only record. */
  readonly timestampMs: (segment: number) => number;
}

/**
 * The log `t-0` as a broker that stopped cleanly left it: `count` segments of one batch with one record. Written without syncs, as only its
 * shape counts.
 */
export async function writeManySegments(files: FileSystem, { root, topicId, count, timestampMs }: ManySegments): Promise<void> {
  const folder = `${root}/t-0`;
  await files.makeDirectory(folder);
  const write = async (path: string, content: Buffer) => {
    const file = await files.open(path, "readwrite");
    await file.write([content], 0);
    await file.close();
  };
  const sizes: SegmentSizes[] = [];
  for (let offset = 0; offset < count; offset++) {
    const record = { key: null, value: Buffer.from(`value ${offset}`), headers: [], timestampMs: timestampMs(offset) };
    const batch = encodeBatch([record], { baseOffset: offset, leaderEpoch: 0 });
    await write(`${folder}/${segmentFileName(offset, "log")}`, batch);
    await write(`${folder}/${segmentFileName(offset, "index")}`, Buffer.alloc(0));
    const entries = encodeEntries(timeIndexFormat, [{ timestampMs: timestampMs(offset), offset }], offset);
    await write(`${folder}/${segmentFileName(offset, "timeindex")}`, entries);
    sizes.push({ baseOffset: offset, log: batch.length, index: 0, timeindex: entries.length, txnindex: 0 });
  }
  await write(
    `${folder}/${String(count).padStart(20, "0")}.snapshot`,
    encodeSnapshot(0, () => {}),
  );
  await writeTopicId(files, folder, topicId);
  await replaceFile(files, `${folder}/${fileNames.leaderEpochs}`, encodeCheckpoint(["0 0"]));
  await writeOffsets(files, `${root}/${fileNames.recoveryPoints}`, new Map([["t-0", count]]));
  await replaceFile(files, `${root}/${fileNames.segmentsJoin}`, encodeCheckpoint([]));
  await markCleanStop(files, root, { brokerEpoch: 1, doubt: noDoubt, closed: new Map([["t-0", sizes]]) });
}
