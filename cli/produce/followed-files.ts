import { watch } from "node:fs";
import { type FileHandle, open, readdir, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";

/** Tells a file from any other that exists at the same time: device and inode. Renaming keeps it. */
export type FileIdentity = string;

export interface FollowedFile {
  readonly identity: FileIdentity;
  size(): Promise<number>;
  /** Fewer than `target.length` bytes only at the end. */
  read(target: Buffer, position: number): Promise<number>;
  close(): Promise<void>;
}

/** What following needs of the file system. */
export interface FollowedFiles {
  /** Null: not there (yet). */
  open(path: string): Promise<FollowedFile | null>;
  identityAt(path: string): Promise<FileIdentity | null>;
  /** Files in the path's folder whose names begin with the path's: the file itself and its rotated predecessors. */
  relatives(path: string): Promise<{ readonly path: string; readonly identity: FileIdentity }[]>;
  /** Calls back when something may have changed; its silence proves nothing. Returns a function that ends it. */
  watch(path: string, onChange: () => void): () => void;
}

const absent = new Set(["ENOENT", "ENOTDIR"]);

async function orNull<T>(work: Promise<T>): Promise<T | null> {
  return work.catch((error: NodeJS.ErrnoException) => {
    if (absent.has(error.code ?? "")) return null;
    throw error;
  });
}

const identityOf = ({ dev, ino }: { readonly dev: bigint; readonly ino: bigint }): FileIdentity => `${dev}:${ino}`;

export const nodeFollowedFiles: FollowedFiles = {
  async open(path) {
    const handle = await orNull(open(path, "r"));
    if (handle === null) return null;
    try {
      const status = await handle.stat({ bigint: true });
      if (!status.isFile()) throw new Error(`${path} is not a file`);
      return followedFile(handle, identityOf(status));
    } catch (error) {
      await handle.close();
      throw error;
    }
  },
  async identityAt(path) {
    const status = await orNull(stat(path, { bigint: true }));
    return status === null ? null : identityOf(status);
  },
  async relatives(path) {
    const folder = dirname(path);
    const names = (await orNull(readdir(folder))) ?? [];
    const found: { path: string; identity: FileIdentity }[] = [];
    for (const name of names.filter((candidate) => candidate.startsWith(basename(path)))) {
      const identity = await this.identityAt(join(folder, name));
      if (identity !== null) found.push({ path: join(folder, name), identity });
    }
    return found;
  },
  watch(path, onChange) {
    try {
      // the folder: a watch on the file would follow it when it is renamed
      const watcher = watch(dirname(path), { persistent: false }, (_event, name) => {
        if (name === null || name.startsWith(basename(path))) onChange();
      });
      watcher.on("error", () => watcher.close());
      return () => watcher.close();
    } catch {
      return () => {}; // no such folder yet, or no watches left: checking now and then is enough
    }
  },
};

function followedFile(handle: FileHandle, identity: FileIdentity): FollowedFile {
  return {
    identity,
    size: async () => (await handle.stat()).size,
    async read(target, position) {
      let total = 0;
      while (total < target.length) {
        const { bytesRead } = await handle.read(target, total, target.length - total, position + total);
        if (bytesRead === 0) break;
        total += bytesRead;
      }
      return total;
    },
    close: () => handle.close(),
  };
}
