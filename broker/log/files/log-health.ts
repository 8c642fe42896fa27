import { InvariantViolation } from "../../../protocol/base/invariant.ts";
import { codeOf } from "../../runtime/files.ts";
import { DamagedBatch, LogOffline } from "../log-contract.ts";

/** For work in the background: the directory failed, and its listeners were notified. Anything else is a bug. */
export function ignoreOffline(error: unknown): void {
  if (!(error instanceof LogOffline)) throw error;
}

/**
 * Whether a log directory can still be trusted. One failed write, sync or read takes all of its logs offline, for good: after a failed
 * fsync it is unknown what the disk has, and a second fsync would claim success.
 */
export class LogHealth {
  readonly #directory: string;
  readonly #listeners = new Set<(error: LogOffline) => void>();
  #offline: LogOffline | null = null;

  constructor(directory: string) {
    this.#directory = directory;
  }

  get offline(): LogOffline | null {
    return this.#offline;
  }

  assertOnline(): void {
    if (this.#offline !== null) throw this.#offline;
  }

  /** Called at once when the directory has already failed. */
  onOffline(listener: (error: LogOffline) => void): () => void {
    if (this.#offline !== null) listener(this.#offline);
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /**
   * Turns the failure of an operation on files into what its caller should see. Takes the directory offline; a bug stays a bug, and a
   * damaged batch concerns one log only.
   */
  failed(cause: unknown): Error {
    if (cause instanceof InvariantViolation || cause instanceof LogOffline || cause instanceof DamagedBatch) return cause;
    if (this.#offline === null) {
      this.#offline = new LogOffline(`log directory ${this.#directory} is offline: ${failureInWords(cause)}`, { cause });
      for (const listener of [...this.#listeners]) listener(this.#offline);
    }
    return this.#offline;
  }
}

interface Failure {
  /** What the system error means. */
  readonly words: string;
  /** What an operator should do about it before restarting the broker. */
  readonly remedy: string;
}

const checkTheDisk = "check the disk and its cables (dmesg) and replace it if need be; what it held is copied from the other replicas";

const failures: Readonly<Record<string, Failure>> = {
  ENOSPC: { words: "no space is left on the device", remedy: "free space there, or give the file system more" },
  EDQUOT: { words: "the disk quota is used up", remedy: "raise the quota, or free space there" },
  EIO: { words: "the device reported an input/output error", remedy: checkTheDisk },
  EACCES: { words: "permission was denied", remedy: "give the broker's user the right to read and write all that is in there" },
  EPERM: { words: "the operation is not permitted", remedy: "give the broker's user the right to read and write all that is in there" },
  EROFS: { words: "the file system is read-only", remedy: `mount it writable; systems make it read-only after errors, so ${checkTheDisk}` },
  ENOLCK: {
    words: "the file system has no locks to give",
    remedy: "put the directory on a file system with file locks, or start its lock service (NFS: rpc.statd, or mount it with version 4)",
  },
  ENOENT: { words: "it is not there", remedy: "find out who removed it, and whether the file system is mounted" },
  ENOTDIR: { words: "a file stands where a folder should be", remedy: "move that file away, or name another directory in log.dirs" },
  EMFILE: { words: "this process has too many files open", remedy: "raise its limit of open files (ulimit -n, LimitNOFILE)" },
  ENFILE: { words: "the machine has too many files open", remedy: "raise the machine's limit of open files (fs.file-max)" },
};

const operations: Readonly<Record<string, string>> = {
  open: "opening",
  read: "reading",
  readFile: "reading",
  list: "listing",
  scandir: "listing",
  write: "writing",
  writev: "writing",
  ftruncate: "cutting",
  truncate: "cutting",
  fdatasync: "forcing to disk",
  fsync: "forcing to disk",
  sync: "forcing to disk",
  syncDirectory: "forcing to disk",
  rename: "renaming",
  mkdir: "making",
  makeDirectory: "making",
  rm: "removing",
  unlink: "removing",
  remove: "removing",
  stat: "looking at",
  access: "writing",
  lock: "locking",
};

/** What failed, on which file, and why: `writing /data/t-0/00000000000000000000.log failed: no space is left on the device (ENOSPC)`. */
export function failureInWords(error: unknown): string {
  const code = codeOf(error);
  const message = error instanceof Error ? error.message : String(error);
  if (code === null) return message;
  const { syscall, path } = error as { readonly syscall?: unknown; readonly path?: unknown };
  const words = `${failures[code]?.words ?? message} (${code})`;
  if (typeof path !== "string") return words;
  const operation = typeof syscall === "string" ? (operations[syscall] ?? syscall) : "working on";
  return `${operation} ${path} failed: ${words}`;
}

/** What to do so that the directory can be used again, as the beginning of a sentence. */
export function remedyFor(error: unknown): string {
  return failures[codeOf(error) ?? ""]?.remedy ?? checkTheDisk;
}
