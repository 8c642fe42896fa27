import { segmentFileKinds } from "./file-names.ts";
import type { FolderCopy } from "./folder-copy.ts";
import type { LogDirectory } from "./log-directory.ts";
import type { LogFlusher } from "./log-flusher.ts";
import type { LogState } from "./log-state.ts";
import type { LogWriter } from "./log-writer.ts";
import { segmentPath } from "./segment/segment.ts";

export interface RelocationSteps {
  /** What the folder of the copy is called afterwards. */
  readonly folderAfter: string;
  /** The copy is complete and on the disk: makes it the log, durably. */
  readonly commit: () => Promise<void>;
  /** The log stays where it is all the same: takes `commit` back, durably. */
  readonly takeBack: () => Promise<void>;
  /** The log is in its new folder, in this turn. */
  readonly moved: () => void;
  readonly signal: AbortSignal;
}

/**
 * The log goes on in the copy of its folder. Appends are taken meanwhile, but wait: what is missing in the copy is little. False: it is too
 * much, or the log was closed.
 *
 * 1. All that was appended before is written; no flush, cut, retention or other change of segments runs (the gate).
 * 2. The rest is copied, and all of the copy is on the disk.
 * 3. `commit`: after a crash from here on, the copy is the log.
 * 4. In one turn the log's parts get the other folder and its segments: readers begin anew there.
 *
 * Should the other directory fail between 3 and 4, the log goes on where it was, and `takeBack` must be durable before the gate opens.
 * Else: (1) records are appended here and acknowledged; (2) the next start finds the copy in its place, takes it for the log, and removes
 * what has those records.
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
    // a cut that was asked for meanwhile ended the copying
    if (!copy.isComplete) return;
    await commit();
    const open = async () => {
      const opened = await openSegments(folderAfter);
      for (const segment of opened) await forgetFiles(copy.target, segment);
      return opened;
    };
    const segments = await open().catch(async (error: unknown) => {
      await takeBack();
      throw error;
    });
    const { directory: left, folder, segments: old } = state;
    const file = old.at(-1)?.growing?.file;
    state.movedTo(copy.target, folderAfter, segments);
    const leftOpen = flusher.takeSealedFrom(-1);
    writer.directoryChanged();
    moved();
    isMoved = true;
    await leftOpen.catch(() => undefined);
    await file?.close().catch(() => undefined);
    for (const { baseOffset } of old) await forgetFiles(left, { folder, baseOffset });
  };
  const caught = () =>
    step().catch((error: unknown) => {
      failure = error;
    });
  // what fails is told to the directories by whoever did it; the gate belongs to the one we leave, which need not fail with it
  let running: Promise<void> | null = null;
  const work = () => {
    running = flusher.exclusive(caught).catch(() => undefined);
    return running;
  };
  await writer.pausing(work).catch((error: unknown) => {
    failure ??= error;
  });
  await running;
  // the directory that it left may fail in the last moment
  if (failure !== null && !isMoved) throw failure;
  return isMoved;
}

/** Also what an earlier stay of the log in that directory may have left. */
async function forgetFiles(
  { indexes, openFiles }: LogDirectory,
  { folder, baseOffset }: { readonly folder: string; readonly baseOffset: number },
): Promise<void> {
  for (const kind of segmentFileKinds) {
    const path = segmentPath(folder, baseOffset, kind);
    indexes.forget(path);
    await openFiles.forget(path);
  }
}
