import { invariant } from "../../../protocol/base/invariant.ts";
import type { Logger } from "../../../protocol/base/logger.ts";
import type { File, FileSystem } from "../../runtime/files.ts";

/** What is needed to read segments and to build their indexes. */
export interface SegmentIo {
  readonly files: FileSystem;
  readonly openFiles: OpenFiles;
  readonly indexes: IndexCache;
  readonly logger: Logger;
}

/** The file is deleted, renamed or replaced: nothing cached of it is valid any more. Running reads keep it open. */
export function forgetFile({ indexes, openFiles }: Pick<SegmentIo, "indexes" | "openFiles">, path: string): Promise<void> {
  indexes.forget(path);
  return openFiles.forget(path);
}

interface Held {
  readonly opening: Promise<File>;
  users: number;
  /** No longer in the cache; closed by its last user. */
  dropped: boolean;
}

/**
 * Files open for reading, shared by all logs of a directory: the least recently used are closed when there are more than `filesMax`, so
 * that ten thousand segments do not need ten thousand descriptors. Files in use at the same time may exceed the bound; readers are bounded
 * elsewhere.
 */
export class OpenFiles {
  readonly #files: FileSystem;
  readonly #filesMax: number;
  readonly #held = new Map<string, Held>();

  constructor(files: FileSystem, filesMax: number) {
    invariant(filesMax >= 1, "room for at least one file", () => ({ filesMax }));
    this.#files = files;
    this.#filesMax = filesMax;
  }

  get count(): number {
    return this.#held.size;
  }

  /** Runs `work` with the file open; it is not closed before `work` ends. */
  async use<T>(path: string, work: (file: File) => Promise<T>): Promise<T> {
    const held = this.#take(path);
    held.users++;
    try {
      return await work(await held.opening);
    } finally {
      held.users--;
      if (held.users === 0 && held.dropped) await close(held);
    }
  }

  /** To be called when a file is deleted, renamed or replaced. Running users keep theirs. */
  async forget(path: string): Promise<void> {
    const held = this.#held.get(path);
    if (held !== undefined) await this.#drop(path, held);
  }

  async closeAll(): Promise<void> {
    await Promise.all([...this.#held].map(([path, held]) => this.#drop(path, held)));
  }

  #take(path: string): Held {
    const known = this.#held.get(path);
    if (known !== undefined) {
      // a map keeps the order of insertion: the first is the least recently used
      this.#held.delete(path);
      this.#held.set(path, known);
      return known;
    }
    const held: Held = { opening: this.#files.open(path, "read"), users: 0, dropped: false };
    held.opening.catch(() => {
      held.dropped = true;
      if (this.#held.get(path) === held) this.#held.delete(path);
    });
    this.#held.set(path, held);
    this.#evictExcept(held);
    return held;
  }

  #evictExcept(newest: Held): void {
    for (const [path, held] of this.#held) {
      if (this.#held.size <= this.#filesMax) return;
      if (held.users === 0 && held !== newest) void this.#drop(path, held);
    }
  }

  async #drop(path: string, held: Held): Promise<void> {
    if (this.#held.get(path) === held) this.#held.delete(path);
    held.dropped = true;
    if (held.users === 0) await close(held);
  }
}

/** Closing a file that was only read loses nothing, whatever the result. */
async function close(held: Held): Promise<void> {
  await held.opening.then((file) => file.close()).catch(() => undefined);
}

/**
 * Index files as they were read, by path, at most `bytesMax` together: the least recently used are evicted first. One larger than that is
 * not kept.
 */
export class IndexCache {
  readonly bytesMax: number;
  readonly #contents = new Map<string, Buffer>();
  #bytes = 0;
  #version = 0;

  constructor(bytesMax: number) {
    this.bytesMax = bytesMax;
  }

  get sizeInBytes(): number {
    return this.#bytes;
  }

  /** Rises whenever an entry is dropped: a file read before that may have changed. */
  get version(): number {
    return this.#version;
  }

  get(path: string): Buffer | null {
    const content = this.#contents.get(path);
    if (content === undefined) return null;
    this.#contents.delete(path);
    this.#contents.set(path, content);
    return content;
  }

  set(path: string, content: Buffer): void {
    this.#drop(path);
    if (content.length > this.bytesMax) return;
    this.#contents.set(path, content);
    this.#bytes += content.length;
    for (const oldest of this.#contents.keys()) {
      if (this.#bytes <= this.bytesMax) break;
      this.#drop(oldest);
    }
    invariant(this.#bytes >= 0 && this.#bytes <= this.bytesMax, "cached indexes stay within their bound", () => ({ bytes: this.#bytes }));
  }

  /** To be called when the file was changed other than by appending, or deleted. */
  forget(path: string): void {
    this.#version++;
    this.#drop(path);
  }

  #drop(path: string): void {
    const content = this.#contents.get(path);
    if (content === undefined) return;
    this.#contents.delete(path);
    this.#bytes -= content.length;
  }
}
