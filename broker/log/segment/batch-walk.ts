import { invariant } from "../../../protocol/base/invariant.ts";
import {
  type BatchInfo,
  batchHeaderBytes,
  batchSizeAt,
  currentMagic,
  magicAt,
  readBatchInfo,
} from "../../../protocol/records/batch-header.ts";
import { type EndMarker, markerBatchBytesMax, readEndMarker } from "../../../protocol/records/end-marker.ts";
import { scanBatches } from "../../../protocol/records/validate-batches.ts";
import type { File } from "../../runtime/files.ts";

/**
 * Called with each batch, its `position` being the one in the file. `stop` ends the walk after this batch; `refuse` before it, as if it
 * were damaged.
 */
export type Visit = (batch: BatchInfo) => "on" | "stop" | { readonly refuse: string };

export interface Walked {
  /** The end of the last batch that was visited and not refused. */
  readonly endPosition: number;
  /** Why it ended before `to`, when the bytes there are no sound batch. */
  readonly damage: string | null;
}

const headerWindowBytes = 64 * 1024;
const batchWindowBytes = 1024 * 1024;

/** Visits the headers of the batches in [from, to) of a segment; their records are not parsed, nor read when the batches are large. */
export function walkHeaders(file: File, from: number, to: number, visit: Visit): Promise<Walked> {
  return walk(file, from, to, false, visit);
}

/** The same, with what is in control batches: the ends of transactions. Null for all others. */
export function walkMarkers(
  file: File,
  from: number,
  to: number,
  visit: (batch: BatchInfo, marker: EndMarker | null) => ReturnType<Visit>,
): Promise<Walked> {
  return walk(file, from, to, true, visit);
}

async function walk(
  file: File,
  from: number,
  to: number,
  readsMarkers: boolean,
  visit: (batch: BatchInfo, marker: EndMarker | null) => ReturnType<Visit>,
): Promise<Walked> {
  const window = Buffer.allocUnsafe(Math.min(headerWindowBytes, Math.max(to - from, 0)));
  let [windowStart, windowEnd] = [from, from];
  let at = from;
  while (at < to) {
    if (to - at < batchHeaderBytes) return { endPosition: at, damage: `${to - at} bytes are too few for a batch` };
    if (at + batchHeaderBytes > windowEnd) {
      windowStart = at;
      windowEnd = at + (await file.read(window, 0, Math.min(window.length, to - at), at));
      if (windowEnd - at < batchHeaderBytes) return { endPosition: at, damage: "the file is shorter than it was" };
    }
    const found = headerIn(window, at - windowStart, to - at);
    if (typeof found === "string") return { endPosition: at, damage: found };
    let marker: EndMarker | null = null;
    if (readsMarkers && found.isControl) {
      if (at + Math.min(found.sizeInBytes, markerBatchBytesMax) > windowEnd) {
        windowStart = at;
        windowEnd = at + (await file.read(window, 0, Math.min(window.length, to - at), at));
      }
      marker = readEndMarker(window.subarray(0, windowEnd - windowStart), { ...found, position: at - windowStart });
    }
    const verdict = visit({ ...found, position: at }, marker);
    if (typeof verdict === "object") return { endPosition: at, damage: verdict.refuse };
    at += found.sizeInBytes;
    if (verdict === "stop") break;
  }
  return { endPosition: at, damage: null };
}

/** The header at `at`, or why there is none. `available`: bytes of the file from there on. */
export function headerIn(bytes: Buffer, at: number, available: number): BatchInfo | string {
  const sizeInBytes = batchSizeAt(bytes, at);
  if (magicAt(bytes, at) !== currentMagic) return `message format ${magicAt(bytes, at)}`;
  if (sizeInBytes < batchHeaderBytes || sizeInBytes > available) return `batch of ${sizeInBytes} bytes with ${available} bytes left`;
  const batch = readBatchInfo(bytes, at);
  if (batch === null) return "offset or timestamp beyond 2^53";
  return refuseEpoch(batch.leaderEpoch) ?? batch;
}

/** -1 is none, as in logs from before leader epochs existed. The CRC does not cover it, so a flipped bit must be detected by its value. */
export function refuseEpoch(leaderEpoch: number): string | null {
  return leaderEpoch < -1 ? `leader epoch ${leaderEpoch}` : null;
}

/** Visits the batches in [from, to) after checking all of their bytes (CRC). Reads a mebibyte at a time, more where a batch is larger. */
export async function walkBatches(file: File, from: number, to: number, visit: Visit): Promise<Walked> {
  let window = Buffer.allocUnsafe(Math.min(batchWindowBytes, Math.max(to - from, 0)));
  let at = from;
  while (at < to) {
    const wanted = Math.min(window.length, to - at);
    const count = await file.read(window, 0, wanted, at);
    if (count < wanted) return { endPosition: at, damage: "the file is shorter than it was" };
    const atEnd = at + count === to;
    const { batches, endPosition, tail } = scanBatches(window.subarray(0, count));
    for (const batch of batches) {
      const position = at + batch.position;
      const refused = refuseEpoch(batch.leaderEpoch);
      const verdict = refused === null ? visit({ ...batch, position }) : { refuse: refused };
      if (typeof verdict === "object") return { endPosition: position, damage: verdict.refuse };
      if (verdict === "stop") return { endPosition: position + batch.sizeInBytes, damage: null };
    }
    at += endPosition;
    if (tail.kind === "corrupt") return { endPosition: at, damage: tail.reason };
    if (tail.kind === "torn") {
      if (at + tail.neededBytes > to || atEnd) return { endPosition: at, damage: "the last batch is not all there" };
      if (tail.neededBytes > window.length) window = Buffer.allocUnsafe(tail.neededBytes);
    }
    invariant(at <= to, "a walk stays in its bounds");
  }
  return { endPosition: at, damage: null };
}
