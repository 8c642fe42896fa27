/**
 * Files, handed in: Node's in production; in the simulator a disk that loses what was not synced. Paths are absolute, `/`-separated.
 * Failures reject with an Error whose `code` is the system's name (ENOENT, ENOSPC, EIO, EACCES …).
 */
export interface FileSystem {
  /** `read`: must exist. `readwrite`: created when missing, never truncated. */
  open(path: string, mode: "read" | "readwrite"): Promise<File>;
  /** The whole file; for checkpoints and other small ones. */
  readFile(path: string): Promise<Buffer>;
  /** File and folder names directly below `path`, sorted. */
  list(path: string): Promise<string[]>;
  exists(path: string): Promise<boolean>;
  /** Bytes in the file; must exist. */
  size(path: string): Promise<number>;
  /** When the file was last written, wall clock; must exist. */
  modifiedMs(path: string): Promise<number>;
  /** With its parents; succeeds when it exists. */
  makeDirectory(path: string): Promise<void>;
  /** Replaces `to` atomically. */
  rename(from: string, to: string): Promise<void>;
  /** A file, or a folder with its contents. Succeeds when missing. */
  remove(path: string): Promise<void>;
  /** Makes names created, renamed or removed in a folder durable. */
  syncDirectory(path: string): Promise<void>;
  /** Of the file system that holds `path`. */
  space(path: string): Promise<Space>;
  /**
   * Takes an exclusive lock on a file (created when missing) that dies with this process. False: it is already locked, by another process
   * or by this one.
   */
  lock(path: string): Promise<boolean>;
  unlock(path: string): Promise<void>;
}

export interface Space {
  readonly totalBytes: number;
  /** The space available to us, which may be less than what is free. */
  readonly usableBytes: number;
}

export interface File {
  readonly path: string;
  size(): Promise<number>;
  /** Up to `length` bytes at `position` into `target` from `offset`; fewer only at the end of the file. */
  read(target: Buffer, offset: number, length: number, position: number): Promise<number>;
  /**
   * All of the chunks, in order, from `position`; one system call where possible. After a failure any part of them may be in the file.
   * Resolves when the operating system has them (not yet the disk).
   */
  write(chunks: readonly Uint8Array[], position: number): Promise<void>;
  truncate(size: number): Promise<void>;
  /** Data and size are on disk when this resolves (fdatasync). */
  sync(): Promise<void>;
  /** Waits for running operations; later ones reject with EBADF. Closing again is allowed. */
  close(): Promise<void>;
}

/** The system's name of a failure (ENOSPC, EIO …), or null when it has none. */
export function codeOf(error: unknown): string | null {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : null;
}

/**
 * Writes a small file atomically: a crash leaves the old content or the new, never a mixture: temporary file, sync, rename, sync of the
 * folder.
 */
export async function replaceFile(files: FileSystem, path: string, content: Buffer): Promise<void> {
  const temporary = `${path}.tmp`;
  const file = await files.open(temporary, "readwrite");
  try {
    await file.truncate(0);
    await file.write([content], 0);
    await file.sync();
  } finally {
    await file.close();
  }
  await files.rename(temporary, path);
  await files.syncDirectory(path.slice(0, path.lastIndexOf("/")) || "/");
}
