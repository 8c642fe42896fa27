import type { Clock } from "../../../protocol/base/clock.ts";
import { InvariantViolation } from "../../../protocol/base/invariant.ts";
import type { Logger } from "../../../protocol/base/logger.ts";
import type { Random } from "../../../protocol/base/random.ts";
import { type FileSystem, replaceFile } from "../../runtime/files.ts";
import { Pace } from "../compaction/pace.ts";
import { readIfThere } from "../files/checkpoint-file.ts";
import { futureDirectoryName, moveNoteName } from "../files/file-names.ts";
import { ignoreOffline } from "../files/log-health.ts";
import type { LogOffline } from "../log-contract.ts";
import type { FolderCopy } from "../partition-log/relocation.ts";
import type { DirectoryLogStore } from "./log-store.ts";

export interface LogMoverParts {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** The directory of a key's log now. */
  readonly placeOf: (key: string) => DirectoryLogStore | undefined;
  /** `replica.alter.log.dirs.io.max.bytes.per.second` as it is now. */
  readonly bytesPerSecondMax: () => number;
  /** The log is there from this turn on. */
  readonly moved: (key: string, to: DirectoryLogStore) => void;
}

interface Move {
  readonly key: string;
  readonly to: DirectoryLogStore;
  readonly stop: AbortController;
  copy: FolderCopy | null;
  readonly done: Promise<void>;
}

/** Moves logs between the directories of a broker, one after the other. */
export class LogMover {
  readonly #parts: LogMoverParts;
  readonly #wanted = new Map<string, DirectoryLogStore>();
  #current: Move | null = null;
  #closed = false;

  constructor(parts: LogMoverParts) {
    this.#parts = parts;
  }

  /** The latest request for a log counts. */
  want(key: string, to: DirectoryLogStore): void {
    if (this.#closed) return;
    if (this.#current?.key === key && this.#current.to === to && !this.#current.stop.signal.aborted) return;
    if (this.#current?.key === key) this.#current.stop.abort(new Error("another directory is wanted"));
    this.#wanted.set(key, to);
    this.#next();
  }

  /** The log stays where it is. Resolves when nothing of the move is running any more. */
  async cancel(key: string): Promise<void> {
    this.#wanted.delete(key);
    if (this.#current?.key !== key) return;
    this.#current.stop.abort(new Error("the move was cancelled"));
    await this.#current.done;
  }

  /** The logs being moved to that directory. */
  copiesIn(store: DirectoryLogStore): readonly { readonly key: string; readonly copy: FolderCopy }[] {
    const { key, to, copy } = this.#current ?? { to: null, copy: null, key: "" };
    return to === store && copy !== null ? [{ key, copy }] : [];
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#wanted.clear();
    this.#current?.stop.abort(new Error("the broker is stopping"));
    await this.#current?.done;
  }

  #next(): void {
    if (this.#current !== null || this.#closed) return;
    const [first] = this.#wanted;
    if (first === undefined) return;
    const [key, to] = first;
    this.#wanted.delete(key);
    const stop = new AbortController();
    const finished = Promise.withResolvers<void>();
    const move: Move = { key, to, stop, copy: null, done: finished.promise };
    this.#current = move;
    void this.#run(move).then(() => {
      this.#current = null;
      finished.resolve();
      this.#next();
    });
  }

  async #run(move: Move): Promise<void> {
    const { logger } = this.#parts;
    const { key, to, stop } = move;
    try {
      await this.#carryOut(move);
    } catch (error) {
      if (error instanceof InvariantViolation) throw error;
      if (!stop.signal.aborted)
        logger.error({ err: error, partition: key, directory: to.directory }, "the log was not moved; it stays where it is");
    }
  }

  /** When the broker stops, the folder stays: the next start learns from it that the log is to move there. */
  #abandon({ key, to }: Move, folder: string): void {
    if (to.offline !== null || this.#closed) return;
    to.release(key);
    to.removeInBackground([folder]);
  }

  async #carryOut(move: Move): Promise<void> {
    const { clock, random, logger, placeOf, bytesPerSecondMax, moved } = this.#parts;
    const { key, to, stop } = move;
    const from = placeOf(key);
    const log = from?.openLog(key);
    if (from === undefined || log === undefined || from === to) return;
    const id = random.bytes(16).toString("hex");
    const folder = `${to.directory}/${futureDirectoryName(key, id)}`;
    logger.info({ partition: key, from: from.directory, to: to.directory }, "moving a log");
    let isMoved = false;
    try {
      await to.makeFolder(folder);
      const copy = log.copyTo(to.logDirectory, folder, new Pace(clock, bytesPerSecondMax, stop.signal));
      move.copy = copy;
      const note = `${from.directory}/${moveNoteName(key, id)}`;
      const takeBack = () => from.guarded(() => writeMoveNote(from.files, note, { state: "cancelled", to: to.directory }));
      const steps = {
        folderAfter: `${to.directory}/${key}`,
        signal: stop.signal,
        // the note before the name: see `settleMoves`
        commit: async () => {
          await to.expect(key, log);
          await from.guarded(() => writeMoveNote(from.files, note, { state: "moving", to: to.directory }));
          await to
            .guarded(() => to.rename(folder, `${to.directory}/${key}`))
            .catch(async (error: LogOffline) => {
              await takeBack();
              throw error;
            });
        },
        takeBack,
        moved: () => {
          from.release(key);
          to.adopt(key, log);
          moved(key, to);
        },
      };
      while (!isMoved) {
        await copy.catchUp(stop.signal);
        isMoved = await log.moveInto(copy, steps);
        if (!isMoved && (log.isClosing || log.damage !== null)) return;
      }
      logger.info({ partition: key, from: from.directory, to: to.directory }, "the log was moved");
      // a directory that fails now reports that itself; the next start removes what is left there
      await from.discard(key).catch(ignoreOffline);
      if (from.offline === null) await from.guarded(() => from.files.remove(note)).catch(ignoreOffline);
    } finally {
      if (!isMoved) this.#abandon(move, folder);
    }
  }
}

/**
 * Kept next to the folder of a log that is being moved to another directory: says which of the two is the log, should both have its name.
 */
export interface MoveNote {
  /** `moving`: once the other one has the name, it is the log. `cancelled`: the other directory failed, and this log was kept in use. */
  readonly state: "moving" | "cancelled";
  /** The other directory. */
  readonly to: string;
}

export function writeMoveNote(files: FileSystem, path: string, note: MoveNote): Promise<void> {
  return replaceFile(files, path, Buffer.from(`${JSON.stringify({ version: 0, ...note })}\n`));
}

/** Null when there is none, or nothing usable in it: it is replaced atomically, so in that case another program wrote it. */
export async function readMoveNote(files: FileSystem, path: string): Promise<MoveNote | null> {
  const content = await readIfThere(files, path);
  if (content === null) return null;
  try {
    const { state, to } = JSON.parse(content.toString("utf8")) as Record<string, unknown>;
    return (state === "moving" || state === "cancelled") && typeof to === "string" ? { state, to } : null;
  } catch {
    return null;
  }
}
