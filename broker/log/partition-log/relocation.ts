import { type File, type FileSystem, replaceFile } from "../../runtime/files.ts";
import { readIfThere } from "../files/checkpoint-file.ts";
import {
  fileNames,
  isLeftover,
  parseSegmentFileName,
  type SegmentFileKind,
  segmentFileKinds,
  segmentFileName,
} from "../files/file-names.ts";
import type { LogDirectory } from "../files/log-directory.ts";
import { abortedIndexFormat } from "../segment/aborted-index.ts";
import { GrowingIndex, offsetIndexFormat, timeIndexFormat } from "../segment/index-file.ts";
import { Segment, segmentPath } from "../segment/segment.ts";
import { forgetSegment } from "../segment/segment-files.ts";
import type { LogFlusher } from "./log-flusher.ts";
import type { LogState } from "./log-state.ts";
import type { LogWriter } from "./log-writer.ts";

export interface RelocationSteps {
  /** What the folder of the copy is called afterwards. */
  readonly folderAfter: string;
  /** The copy is complete and on the disk: makes it the log, durably. */
  readonly commit: () => Promise<void>;
  /** The log stays where it is after all: undoes `commit`, durably. */
  readonly takeBack: () => Promise<void>;
  /** The log is in its new folder, in this turn. */
  readonly moved: () => void;
  readonly signal: AbortSignal;
}

/**
 * The log continues in the copy of its folder. Appends are accepted meanwhile, but wait: little is missing in the copy. False: too much is
 * missing, or the log was closed.
 *
 * 1. All that was appended before is written; no flush, cut, retention or other change of segments runs (the gate).
 * 2. The rest is copied, and all of the copy is on disk.
 * 3. `commit`: after a crash from here on, the copy is the log.
 * 4. In one turn the log's parts get the other folder and its segments: running reads are repeated there.
 *
 * Should the other directory fail between 3 and 4, the log stays where it was, and `takeBack` must be durable before the gate opens.
 * Otherwise: (1) records are appended here and acknowledged; (2) the next start finds the copy in its place, takes it for the log, and
 * removes what has those records.
 */
export async function relocate(
  state: LogState,
  flusher: LogFlusher,
  writer: LogWriter,
  copy: FolderCopy,
  { folderAfter, commit, takeBack, moved, signal }: RelocationSteps,
): Promise<boolean> {
  let isMoved = false;
  let failure: unknown = null;
  const step = async () => {
    if (state.closed || state.damage.first !== null || !copy.isNearlyComplete) return;
    signal.throwIfAborted();
    const openSegments = await copy.complete(signal);
    // a cut requested meanwhile ended the copying
    if (!copy.isComplete) return;
    await commit();
    const open = async () => {
      const opened = await openSegments(folderAfter);
      // what an earlier stay of the log in that directory may have left
      for (const { folder, baseOffset } of opened) await forgetSegment(state.io, folder, baseOffset);
      return opened;
    };
    const segments = await open().catch(async (error: unknown) => {
      await takeBack();
      throw error;
    });
    const { folder, segments: old } = state;
    const file = old.at(-1)?.growing?.file;
    state.movedTo(copy.target, folderAfter, segments);
    const leftOpen = flusher.takeSealedFrom(-1);
    writer.directoryChanged();
    moved();
    isMoved = true;
    await leftOpen.catch(() => undefined);
    await file?.close().catch(() => undefined);
    for (const { baseOffset } of old) await forgetSegment(state.io, folder, baseOffset);
  };
  const caught = () =>
    step().catch((error: unknown) => {
      failure = error;
    });
  // the failed work was reported to its directory; the gate belongs to the one we leave, which need not fail with it
  let running: Promise<void> | null = null;
  const work = () => {
    running = flusher.exclusive(caught).catch(() => undefined);
    return running;
  };
  await writer.pausing(work).catch((error: unknown) => {
    failure ??= error;
  });
  await running;
  // the directory that it left may fail at the last moment
  if (failure !== null && !isMoved) throw failure;
  return isMoved;
}

const chunkBytes = 1024 * 1024;
/** What may be missing when the log is paused for the rest: appends wait for it. */
const leftMaxBytes = 4 * 1024 * 1024;

/** Waits as long as what was copied takes at the rate that is allowed. */
export interface CopyPace {
  transferred(bytes: number): Promise<void>;
}

/**
 * A copy of a log's files in another directory, made while the log stays in use: closed segments once, the active one as far as it is
 * written, again and again until little is missing. Appends never wait for it. A truncation of the log makes it start over.
 */
export class FolderCopy {
  readonly folder: string;
  readonly target: LogDirectory;
  readonly #state: LogState;
  /** Closed segments that are there whole, and on disk. */
  readonly #sealed = new Set<Segment>();
  readonly #others = new Set<string>();
  #growing: { readonly segment: Segment; bytes: number } | null = null;
  #cuts: number;
  /** Null: appends wait for the rest, which is little. */
  #pace: CopyPace | null;

  constructor(
    state: LogState,
    { target, folder, pace }: { readonly target: LogDirectory; readonly folder: string; readonly pace: CopyPace },
  ) {
    this.#state = state;
    this.#pace = pace;
    this.#cuts = state.cuts;
    this.target = target;
    this.folder = folder;
  }

  get sizeInBytes(): number {
    let bytes = this.#growing?.bytes ?? 0;
    for (const { sizeInBytes } of this.#sealed) bytes += sizeInBytes;
    return bytes;
  }

  /** Everything before is copied. */
  get endOffset(): number {
    const missing = this.#state.segments.find((segment) => !this.#sealed.has(segment));
    return missing === undefined || this.#missingBytes() === 0 ? this.#state.writtenEndOffset : missing.baseOffset;
  }

  get isComplete(): boolean {
    return this.#cuts === this.#state.cuts && this.#missingBytes() === 0;
  }

  get isNearlyComplete(): boolean {
    return this.#cuts === this.#state.cuts && this.#missingBytes() <= leftMaxBytes;
  }

  /** Until little is missing, or the log is closed. Rejects LogOffline when either directory fails, and with the signal's reason. */
  async catchUp(signal: AbortSignal): Promise<void> {
    do {
      signal.throwIfAborted();
      // a cut is announced when it begins; what it leaves is only there when it ends
      while (this.#state.truncating !== null) await this.#state.truncating;
      await this.#pass(signal);
    } while (!this.isNearlyComplete && !this.#state.closed);
  }

  /** While nothing is written to the log: the rest, all of it on disk. The segments as they are once the folder is called `folderAfter`. */
  async complete(signal: AbortSignal): Promise<(folderAfter: string) => Promise<Segment[]>> {
    const state = this.#state;
    const { segments, last } = state;
    const pace = this.#pace;
    this.#pace = null;
    await this.#pass(signal);
    this.#pace = pace;
    const { offsets, times, aborted, maxTimestampMs, offsetOfMaxTimestamp } = last.writable;
    await this.#source(async (files) => {
      await offsets.store(files, { sync: false });
      await times.store(files, { sync: false });
      await aborted.store(files, { sync: false });
    });
    for (const kind of ["index", "timeindex", "txnindex"] as const) await this.#copySegmentFile(last, kind);
    await this.#copyOthers(true);
    await this.#target(async (files) => {
      await replaceFile(files, `${this.folder}/${fileNames.leaderEpochs}`, state.epochs.encode());
      const file = await files.open(segmentPath(this.folder, last.baseOffset, "log"), "readwrite");
      await file.sync().finally(() => file.close());
      await files.syncDirectory(this.folder);
    });
    const entriesOf = { offsets: offsets.entries, times: times.entries, aborted: aborted.entries };
    return (folderAfter) =>
      this.#target(async (files) => {
        const { baseOffset, sizeInBytes } = last;
        const file = await files.open(segmentPath(folderAfter, baseOffset, "log"), "readwrite");
        const index = (entries: number) => ({ entries, synced: true });
        const growing = {
          file,
          offsets: new GrowingIndex(offsetIndexFormat, segmentPath(folderAfter, baseOffset, "index"), baseOffset, index(entriesOf.offsets)),
          times: new GrowingIndex(timeIndexFormat, segmentPath(folderAfter, baseOffset, "timeindex"), baseOffset, index(entriesOf.times)),
          aborted: new GrowingIndex(
            abortedIndexFormat,
            segmentPath(folderAfter, baseOffset, "txnindex"),
            baseOffset,
            index(entriesOf.aborted),
          ),
          maxTimestampMs,
          offsetOfMaxTimestamp,
        };
        const sealed = segments.slice(0, -1).map(({ baseOffset, sizeInBytes, indexBytes }) => {
          const copied = new Segment(folderAfter, baseOffset, sizeInBytes);
          copied.expectIndexBytes({ index: -1, timeindex: -1, txnindex: indexBytes?.txnindex ?? -1 });
          return copied;
        });
        return [...sealed, new Segment(folderAfter, baseOffset, sizeInBytes, growing)];
      });
  }

  #missingBytes(): number {
    let bytes = 0;
    for (const segment of this.#state.segments) {
      if (this.#sealed.has(segment)) continue;
      bytes += segment.sizeInBytes - (this.#growing?.segment === segment ? this.#growing.bytes : 0);
    }
    return bytes;
  }

  async #pass(signal: AbortSignal): Promise<void> {
    const state = this.#state;
    if (this.#cuts !== state.cuts) await this.#startOver();
    await this.#dropDeparted();
    for (const segment of state.segments) {
      if (this.#sealed.has(segment)) continue;
      signal.throwIfAborted();
      if (!(await this.#copySegment(segment))) return;
    }
    await this.#copyOthers(false);
  }

  async #startOver(): Promise<void> {
    this.#sealed.clear();
    this.#others.clear();
    this.#growing = null;
    this.#cuts = this.#state.cuts;
    await this.#target(async (files) => {
      for (const name of await files.list(this.folder)) await files.remove(`${this.folder}/${name}`);
    });
  }

  /** False: it is no longer part of the log, or the log was cut. */
  async #copySegment(segment: Segment): Promise<boolean> {
    // compaction renames files: this segment's names may belong to another one, or to none, meanwhile
    while (this.#state.renaming !== null) await this.#state.renaming;
    if (!this.#state.segments.includes(segment)) return false;
    // before the log's bytes: if it had still been active when they were read, some would be missing
    const isSealed = segment.growing === null;
    const from = this.#growing?.segment === segment ? this.#growing.bytes : 0;
    const to = segment.sizeInBytes;
    if (!(await this.#copyBytes(segment, "log", from, to, isSealed))) return false;
    this.#growing = isSealed ? null : { segment, bytes: to };
    if (!isSealed) return true;
    await segment.settled();
    for (const kind of segmentFileKinds) if (kind !== "log" && !(await this.#copySegmentFile(segment, kind))) return false;
    this.#sealed.add(segment);
    return true;
  }

  async #copySegmentFile(segment: Segment, kind: SegmentFileKind): Promise<boolean> {
    const path = segmentPath(segment.folder, segment.baseOffset, kind);
    const size = await this.#source(async (files) => ((await files.exists(path)) ? files.size(path) : null), this.#isPart(segment));
    // an index that is missing is built when it is needed
    return size === null || this.#copyBytes(segment, kind, 0, size, true);
  }

  async #copyBytes(segment: Segment, kind: SegmentFileKind, from: number, to: number, sync: boolean): Promise<boolean> {
    const isHere = this.#isPart(segment);
    const path = `${this.folder}/${segmentFileName(segment.baseOffset, kind)}`;
    const copied = await this.#target((files) => files.open(path, "readwrite"));
    try {
      await this.#target(() => (from === 0 ? copied.truncate(0) : Promise.resolve()));
      const source = segmentPath(segment.folder, segment.baseOffset, kind);
      if (!(await this.#copyRange(source, copied, from, to, isHere))) return false;
      if (sync) await this.#target(() => copied.sync());
      return isHere();
    } finally {
      await copied.close();
    }
  }

  /** Whether its files are still what they were when the copying of them began. */
  #isPart(segment: Segment): () => boolean {
    return () => this.#state.segments.includes(segment) && this.#cuts === this.#state.cuts && !this.#state.closed;
  }

  async #copyRange(path: string, copied: File, from: number, to: number, isHere: () => boolean): Promise<boolean> {
    const file = await this.#source((files) => files.open(path, "read"), isHere);
    if (file === null) return false;
    try {
      const buffer = Buffer.allocUnsafe(Math.min(chunkBytes, Math.max(to - from, 1)));
      for (let at = from; at < to; ) {
        const length = Math.min(buffer.length, to - at);
        const count = await this.#source(() => file.read(buffer, 0, length, at), isHere);
        if (count === null || !isHere()) return false;
        // an index was rebuilt meanwhile: the next pass copies it
        if (count === 0 && !path.endsWith(".log")) return false;
        if (count === 0) throw this.#state.directory.health.failed(new Error(`${path} ends at ${at}, ${to} bytes were to be there`));
        await this.#target(() => copied.write([buffer.subarray(0, count)], at));
        at += count;
        await this.#pace?.transferred(count);
      }
      return true;
    } finally {
      await file.close();
    }
  }

  /** Files that neither belong to a segment nor are written for the copy alone: the topic's id, the producer snapshots. */
  async #copyOthers(last: boolean): Promise<void> {
    const { folder } = this.#state;
    const names = await this.#source((files) => files.list(folder));
    const others = (names ?? []).filter(
      (name) => parseSegmentFileName(name) === null && !isLeftover(name) && name !== fileNames.leaderEpochs && name !== fileNames.damage,
    );
    for (const name of others) {
      if (this.#others.has(name)) continue;
      const content = await this.#source((files) => readIfThere(files, `${folder}/${name}`));
      if (content === null) continue;
      await this.#target((files) => replaceFile(files, `${this.folder}/${name}`, content));
      this.#others.add(name);
    }
    if (!last) return;
    for (const name of this.#others) if (!others.includes(name)) await this.#target((files) => files.remove(`${this.folder}/${name}`));
  }

  /**
   * Segments that retention or compaction removed, also partial copies of them: left in the folder, they would be part of the log at the
   * next start.
   */
  async #dropDeparted(): Promise<void> {
    const here = new Set(this.#state.segments);
    for (const segment of this.#sealed) if (!here.has(segment)) this.#sealed.delete(segment);
    if (this.#growing !== null && !here.has(this.#growing.segment)) this.#growing = null;
    const kept = new Set([...this.#sealed, ...(this.#growing === null ? [] : [this.#growing.segment])].map(({ baseOffset }) => baseOffset));
    await this.#target(async (files) => {
      for (const name of await files.list(this.folder)) {
        const parsed = parseSegmentFileName(name);
        if (parsed !== null && !kept.has(parsed.baseOffset)) await files.remove(`${this.folder}/${name}`);
      }
    });
  }

  /** Null: the segment has left the log meanwhile, or the log is closed. */
  async #source<T>(work: (files: FileSystem) => Promise<T>, isHere = () => !this.#state.closed): Promise<T | null> {
    const { health } = this.#state.directory;
    health.assertOnline();
    try {
      return await work(this.#state.io.files);
    } catch (error) {
      if (!isHere()) return null;
      throw health.failed(error);
    }
  }

  async #target<T>(work: (files: FileSystem) => Promise<T>): Promise<T> {
    this.target.health.assertOnline();
    try {
      return await work(this.#state.io.files);
    } catch (error) {
      throw this.target.health.failed(error);
    }
  }
}
