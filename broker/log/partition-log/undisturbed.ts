import { DamagedBatch, LogOffline, OffsetOutOfLog, TooManyLookups } from "../log-contract.ts";
import type { LogState } from "./log-state.ts";

/**
 * Runs a read that may be overtaken by a truncation. (a) It looks up a position; (b) the log is cut below it and grows again; (c) it reads
 * bytes of other records, or none. Compaction replaces files, too.
 * So the result is dropped, and the read repeated, when the log was cut meanwhile. Failures of the files take the directory offline;
 * damaged batches are noted, and do not.
 */
export async function undisturbed<T>(state: LogState, read: () => Promise<T>): Promise<T> {
  let isIndexProven = false;
  for (;;) {
    while (state.truncating !== null || state.renaming !== null) await (state.truncating ?? state.renaming);
    state.directory.health.assertOnline();
    if (state.closed) throw new LogOffline(`log ${state.folder} is closed`);
    const { generation } = state;
    try {
      const result = await read();
      if (state.generation === generation) return result;
    } catch (error) {
      if (error instanceof OffsetOutOfLog || error instanceof TooManyLookups) throw error;
      if (state.closed) throw new LogOffline(`log ${state.folder} is closed`, { cause: error });
      if (state.generation !== generation) continue;
      if (!(error instanceof DamagedBatch)) throw state.directory.health.failed(error);
      if (isIndexProven) {
        state.damage.add(error.damage);
        throw error;
      }
      await proveIndexes(state, error);
      isIndexProven = true;
    }
  }
}

/** Like `undisturbed`, but for the caller that cuts the log, while nothing else changes it. */
export async function withProvenIndexes<T>(state: LogState, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof DamagedBatch)) throw error;
    await proveIndexes(state, error);
  }
  try {
    return await work();
  } catch (error) {
    if (error instanceof DamagedBatch) state.damage.add(error.damage);
    throw error;
  }
}

/**
 * An index that leads to a wrong position looks like a damaged batch. So the segment's indexes are rebuilt from its batches, once, and the
 * read is done again.
 */
async function proveIndexes(state: LogState, { damage }: DamagedBatch): Promise<void> {
  try {
    await state.segments.find(({ logPath }) => logPath === damage.path)?.proveIndexes(state.io);
  } catch (error) {
    throw state.directory.health.failed(error);
  }
}
