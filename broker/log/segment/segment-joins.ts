import { replaceFile } from "../../runtime/files.ts";
import { decodeCheckpoint, encodeCheckpoint, readIfThere } from "../files/checkpoint-file.ts";
import { fileNames, parseSegmentFileName } from "../files/file-names.ts";
import type { LogDamage } from "../log-contract.ts";
import { walkHeaders } from "./batch-walk.ts";
import { indexEnd, offsetIndexFormat, relativeOffsetMax } from "./index-file.ts";
import type { SegmentIo } from "./read-caches.ts";
import { Segment, segmentPath } from "./segment.ts";

/** Base offsets of segments that need not begin where the one before ends. */
export type BelievedGaps = ReadonlySet<number>;

/**
 * Each segment begins where the one before ends, compacted ones too (decision 25), so that a segment that is gone, or was cut between two
 * batches, is noticed. There are two exceptions: (a) a distance that no segment spans was left by compaction between the leader's records;
 * (b) what Kafka's compaction left in a log before it was ours.
 */
export function refuseJoin(endOffset: number, nextBase: number, believed: BelievedGaps): string | null {
  const isJoined = endOffset === nextBase || nextBase - endOffset > relativeOffsetMax || (endOffset < nextBase && believed.has(nextBase));
  return isJoined
    ? null
    : `the segment ends before offset ${endOffset}, and the next one begins with ${nextBase}: what was between is gone`;
}

/** Checked at the same time. */
const joinsAtOnce = 32;

/** What is wrong where segments meet; reads the last index entry of each but the last, and the headers after it. */
export async function brokenJoins(io: SegmentIo, segments: readonly Segment[], believed: BelievedGaps): Promise<BrokenJoin[]> {
  const broken: BrokenJoin[] = [];
  for (let i = 0; i + 1 < segments.length; i += joinsAtOnce) {
    const some = segments.slice(i, Math.min(i + joinsAtOnce, segments.length - 1));
    const ends = await Promise.all(some.map((segment) => endOf(io, segment)));
    for (const [j, { endOffset, endPosition, damage }] of ends.entries()) {
      const nextBase = segments[i + j + 1]!.baseOffset;
      const reason = damage ?? refuseJoin(endOffset, nextBase, believed);
      if (reason === null) continue;
      const { logPath: path } = some[j]!;
      broken.push({ nextBase, isGap: damage === null, damage: { kind: "batch", path, position: endPosition, offset: endOffset, reason } });
    }
  }
  return broken;
}

export interface BrokenJoin {
  readonly nextBase: number;
  /** All batches are sound as far as they were checked, but some may be missing. */
  readonly isGap: boolean;
  readonly damage: LogDamage;
}

interface SegmentEnd {
  readonly endOffset: number;
  readonly endPosition: number;
  readonly damage: string | null;
}

async function endOf(io: SegmentIo, segment: Segment): Promise<SegmentEnd> {
  const { baseOffset, folder, sizeInBytes } = segment;
  const { last } = (await indexEnd(io.files, offsetIndexFormat, segmentPath(folder, baseOffset, "index"), baseOffset)) ?? {
    last: null,
  };
  if (last !== null && last.position > 0 && last.position < sizeInBytes) {
    const end = await walkedFrom(io, segment, last.position, last.offset);
    if (end.damage === null) return end;
  }
  // without an index, or with one that leads to a wrong position
  return walkedFrom(io, segment, 0, null);
}

async function walkedFrom(
  io: SegmentIo,
  { baseOffset, sizeInBytes, logPath }: Segment,
  from: number,
  firstLastOffset: number | null,
): Promise<SegmentEnd> {
  let endOffset = baseOffset;
  // not through the cache of open files: a start reads each of them once
  const file = await io.files.open(logPath, "read");
  try {
    const walked = await walkHeaders(file, from, sizeInBytes, ({ position, baseOffset: first, lastOffset }) => {
      if (position === from && firstLastOffset !== null && lastOffset !== firstLastOffset) return { refuse: "not the batch of the index" };
      if (first < endOffset || lastOffset < first) return { refuse: `offsets ${first} to ${lastOffset} where ${endOffset} comes next` };
      endOffset = lastOffset + 1;
      return "on";
    });
    return { endOffset, ...walked };
  } finally {
    await file.close();
  }
}

/**
 * A directory that was Kafka's, when it is opened for the first time: gaps between segments of its logs are accepted from then on, and
 * noted in their folders, since what its compaction left cannot be told from what was lost. A file in the directory says that this is done;
 * without logs there is nothing to note.
 */
export async function takeOverJoins(
  io: SegmentIo,
  root: string,
  logs: readonly { readonly folder: string; readonly startOffset: number }[],
): Promise<void> {
  const { files, logger } = io;
  for (const { folder, startOffset } of logs) {
    const bases = (await files.list(folder)).map(parseSegmentFileName).flatMap((name) => (name?.kind === "log" ? [name.baseOffset] : []));
    bases.sort((a, b) => a - b);
    const kept = bases.slice(
      Math.max(
        bases.findLastIndex((base) => base <= startOffset),
        0,
      ),
    );
    const segments: Segment[] = [];
    for (const base of kept) segments.push(new Segment(folder, base, await files.size(segmentPath(folder, base, "log"))));
    const gaps = (await brokenJoins(io, segments, new Set())).filter(({ isGap }) => isGap);
    if (gaps.length === 0) continue;
    logger.warn(
      { folder, gaps: gaps.length },
      "segments that another broker wrote do not join: what is between them is taken for compacted",
    );
    await replaceFile(files, `${folder}/${fileNames.gaps}`, encodeCheckpoint(gaps.map(({ nextBase }) => `${nextBase}`)));
  }
  await replaceFile(files, `${root}/${fileNames.segmentsJoin}`, encodeCheckpoint([]));
}

export async function readBelievedGaps({ files }: Pick<SegmentIo, "files">, folder: string): Promise<BelievedGaps> {
  const content = await readIfThere(files, `${folder}/${fileNames.gaps}`);
  return new Set((content === null ? null : decodeCheckpoint(content))?.map(Number) ?? []);
}
