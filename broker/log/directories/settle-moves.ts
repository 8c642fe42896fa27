import { partitionKey } from "../../../protocol/base/ids.ts";
import type { Logger } from "../../../protocol/base/logger.ts";
import { parseFutureDirectory, parseMoveNoteName } from "../file-names.ts";
import type { DirectoryLogStore } from "./log-store.ts";
import { type MoveNote, readMoveNote } from "./move-note.ts";

export interface SettledMoves {
  /** Logs that were on their way there: the copying begins anew. */
  readonly wishes: ReadonlyMap<string, DirectoryLogStore>;
  /** Logs that may have gone on in a directory that is not here now. */
  readonly elsewhere: ReadonlyMap<string, string>;
}

/**
 * What moves left that a crash interrupted. A move makes its copy under a name of its own (`….-future`), notes beside the log where it
 * goes, and then gives the copy the log's name. So:
 * - a copy with its own name was not complete: it is removed, and made again, where the log that it is a copy of is here; else it is left
 *   until that is back;
 * - a note, and a log in the other directory: that one is the log (or, if the note says `cancelled`, this one), and the other is removed;
 * - a note, and no log there: the move did not come so far, and this one is the log. But when that directory is not here, nobody knows: the
 *   log is not used until it is back.
 */
export async function settleMoves(stores: readonly DirectoryLogStore[], logger: Logger): Promise<SettledMoves> {
  const wishes = new Map<string, DirectoryLogStore>();
  const elsewhere = new Map<string, string>();
  const notes: { readonly key: string; readonly store: DirectoryLogStore; readonly path: string; readonly note: MoveNote | null }[] = [];
  for (const store of stores) {
    for (const name of await store.guarded(() => store.files.list(store.directory))) {
      const path = `${store.directory}/${name}`;
      const copied = parseFutureDirectory(name);
      if (copied !== null && !stores.some((each) => has(each, copied)))
        logger.warn({ folder: path }, "an unfinished copy of a log that is not here: it is left as it is");
      else if (copied !== null) {
        wishes.set(copied, store);
        await store.guarded(() => store.files.remove(path));
      }
      const key = parseMoveNoteName(name);
      if (key !== null) notes.push({ key, store, path, note: await store.guarded(() => readMoveNote(store.files, path)) });
    }
  }
  for (const { key, store, path, note } of notes) {
    const other = stores.find(({ directory }) => directory === note?.to);
    const isHere = has(store, key);
    if (note !== null && other === undefined && isHere) {
      if (note.state === "moving") elsewhere.set(key, note.to);
      continue; // the note stays: it will be needed when that directory is back
    }
    if (note !== null && other !== undefined && isHere && has(other, key)) {
      const outdated = note.state === "moving" ? store : other;
      logger.info(
        { partition: key, outdated: outdated.directory },
        "a move of this log was interrupted: removing the one that is out of date",
      );
      await outdated.discard(key);
    }
    await store.guarded(() => store.files.remove(path));
  }
  return { wishes, elsewhere };
}

function has(store: DirectoryLogStore, key: string): boolean {
  return store.found.some(({ topic, partition }) => partitionKey(topic, partition) === key);
}
