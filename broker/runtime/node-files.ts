import * as fs from "node:fs";
import { createRequire } from "node:module";
import { dirname } from "node:path";
import type { DatabaseSync } from "node:sqlite";
import { invariant } from "../../protocol/base/invariant.ts";
import type { DescriptorShortage } from "./descriptor-shortage.ts";
import type { DirectWrites } from "./direct-writes.ts";
import { codeOf, type File, type FileSystem, type Space } from "./files.ts";
import { isBusy, lockFailure } from "./lock-failure.ts";

/** Linux takes at most 1024 pieces per writev. */
const chunksPerWriteMax = 1024;

/**
 * Locks of this process, by path. Kept here rather than by the file system that took them: a garbage-collected connection releases its
 * lock.
 */
const heldLocks = new Map<string, DatabaseSync>();

/**
 * The machine's own files. Every call uses libuv's thread pool, but for the writes that `direct` allows; locks live as long as this
 * process.
 */
export function nodeFileSystem(direct: DirectWrites | null = null, shortage: Shortage = neverWaits): FileSystem {
  return new NodeFileSystem(direct, shortage);
}

type Shortage = Pick<DescriptorShortage, "untilFree">;

const neverWaits: Shortage = { untilFree: (open) => open() };

/**
 * Syncs that run at the same time. One may take seconds on a disk that is busy and well, and what is written and read must not wait for a
 * thread meanwhile: one of libuv's pool is left for it.
 */
class SyncLane {
  readonly #atOnceMax = Math.max(1, (Number(process.env.UV_THREADPOOL_SIZE) || 4) - 1);
  /** One for each file at most. */
  readonly #waiting: (() => void)[] = [];
  #running = 0;

  async run<T>(sync: () => Promise<T>): Promise<T> {
    if (this.#running < this.#atOnceMax) this.#running++;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    try {
      return await sync();
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#running--;
      else next();
    }
  }
}

const syncLane = new SyncLane();

class NodeFileSystem implements FileSystem {
  readonly #direct: DirectWrites | null;
  readonly #shortage: Shortage;

  constructor(direct: DirectWrites | null, shortage: Shortage) {
    this.#direct = direct;
    this.#shortage = shortage;
  }

  async open(path: string, mode: "read" | "readwrite"): Promise<File> {
    const flags = mode === "read" ? fs.constants.O_RDONLY : fs.constants.O_RDWR | fs.constants.O_CREAT;
    const descriptor = await this.#shortage.untilFree(() => call<number>((done) => fs.open(path, flags, 0o644, done)));
    return new NodeFile(path, descriptor, this.#direct);
  }

  readFile(path: string): Promise<Buffer> {
    return this.#shortage.untilFree(() => fs.promises.readFile(path));
  }

  async list(path: string): Promise<string[]> {
    return (await this.#shortage.untilFree(() => fs.promises.readdir(path))).sort();
  }

  async exists(path: string): Promise<boolean> {
    try {
      await fs.promises.stat(path);
      return true;
    } catch (error) {
      if (codeOf(error) === "ENOENT" || codeOf(error) === "ENOTDIR") return false;
      throw error;
    }
  }

  async size(path: string): Promise<number> {
    return (await fs.promises.stat(path)).size;
  }

  async modifiedMs(path: string): Promise<number> {
    return Math.floor((await fs.promises.stat(path)).mtimeMs);
  }

  /**
   * Not Node's `recursive`: where a parent exists and `mkdir` in it still fails with ENOENT, as in /proc, that spins for ever, on a thread
   * that keeps the process from ending.
   */
  async makeDirectory(path: string): Promise<void> {
    try {
      await makeOneDirectory(path);
    } catch (error) {
      if (codeOf(error) !== "ENOENT") throw error;
      await this.makeDirectory(dirname(path));
      await makeOneDirectory(path);
    }
  }

  rename(from: string, to: string): Promise<void> {
    return fs.promises.rename(from, to);
  }

  remove(path: string): Promise<void> {
    return this.#shortage.untilFree(() => fs.promises.rm(path, { recursive: true, force: true }));
  }

  async syncDirectory(path: string): Promise<void> {
    const directory = await this.#shortage.untilFree(() => fs.promises.open(path, "r"));
    try {
      await syncLane.run(() => directory.sync());
    } finally {
      await directory.close();
    }
  }

  async space(path: string): Promise<Space> {
    const { bsize, blocks, bavail } = await fs.promises.statfs(path);
    return { totalBytes: bsize * blocks, usableBytes: bsize * bavail };
  }

  /**
   * Node has no call for file locks, and a file that names a process id is wrong after a crash or in a container, where ids repeat.
   * SQLite, which is part of Node, takes a POSIX record lock: the kernel drops it with the process, however that ends. Nothing is written,
   * to that file or to another one. An on-disk journal would be written (Node opens databases so that `OFF` is ignored), and then a full
   * disk could not be locked.
   */
  async lock(path: string): Promise<boolean> {
    if (heldLocks.has(path)) return false;
    let database: DatabaseSync | null = null;
    try {
      database = openDatabase(path);
      database.exec("PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE");
    } catch (error) {
      database?.close();
      if (isBusy(error)) return false;
      throw lockFailure(error, path, openingFailure(path));
    }
    try {
      // a read-only file is locked against writers only, and so for any number of brokers
      fs.accessSync(path, fs.constants.W_OK);
    } catch (error) {
      database.close();
      throw error;
    }
    heldLocks.set(path, database);
    return true;
  }

  async unlock(path: string): Promise<void> {
    heldLocks.get(path)?.close();
    heldLocks.delete(path);
  }
}

/** Loaded at the first lock only: nothing else needs it. */
function openDatabase(path: string): DatabaseSync {
  const sqlite = createRequire(import.meta.url)("node:sqlite") as typeof import("node:sqlite");
  return new sqlite.DatabaseSync(path, { timeout: 0 });
}

/**
 * Why the file cannot be opened to be locked, or null when it can. Only for a file on which this process holds no lock: closing it releases
 * all of them.
 */
function openingFailure(path: string): NodeJS.ErrnoException | null {
  try {
    fs.closeSync(fs.openSync(path, fs.constants.O_RDWR | fs.constants.O_CREAT, 0o644));
    return null;
  } catch (error) {
    return error as NodeJS.ErrnoException;
  }
}

class NodeFile implements File {
  readonly path: string;
  readonly #descriptor: number;
  readonly #direct: DirectWrites | null;
  /** Running operations: the descriptor's number may be reused as soon as it is closed, so closing waits for them. */
  #underWay = 0;
  #closing: Promise<void> | null = null;
  #idle: (() => void) | null = null;

  constructor(path: string, descriptor: number, direct: DirectWrites | null) {
    this.path = path;
    this.#descriptor = descriptor;
    this.#direct = direct;
  }

  size(): Promise<number> {
    return this.#during(async () => (await call<fs.Stats>((done) => fs.fstat(this.#descriptor, done))).size);
  }

  read(target: Buffer, offset: number, length: number, position: number): Promise<number> {
    return this.#during(async () => {
      let total = 0;
      while (total < length) {
        const [at, rest, from] = [offset + total, length - total, position + total];
        const count = await call<number>((done) => fs.read(this.#descriptor, target, at, rest, from, done));
        if (count === 0) break;
        total += count;
      }
      return total;
    });
  }

  write(chunks: readonly Uint8Array[], position: number): Promise<void> {
    return this.#during(async () => {
      let at = position;
      let rest = chunks.filter((chunk) => chunk.length > 0);
      while (rest.length > 0) {
        const some = rest.length > chunksPerWriteMax ? rest.slice(0, chunksPerWriteMax) : rest;
        const from = at;
        const direct = this.#direct?.mayWrite(bytesOf(some)) === true ? this.#direct : null;
        const count =
          direct !== null
            ? direct.timed(() => fs.writevSync(this.#descriptor, some, from))
            : await call<number>((done) => fs.writev(this.#descriptor, some, from, done));
        invariant(count > 0, "a write of bytes writes some or fails");
        at += count;
        rest = dropBytes(rest, count);
      }
    });
  }

  truncate(size: number): Promise<void> {
    return this.#during(() => call<void>((done) => fs.ftruncate(this.#descriptor, size, (error) => done(error, undefined))));
  }

  sync(): Promise<void> {
    return this.#during(() =>
      syncLane.run(() => {
        const sync = call<void>((done) => fs.fdatasync(this.#descriptor, (error) => done(error, undefined)));
        return this.#direct === null ? sync : this.#direct.syncing(sync);
      }),
    );
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    if (this.#underWay > 0) {
      await new Promise<void>((resolve) => {
        this.#idle = resolve;
      });
    }
    await call<void>((done) => fs.close(this.#descriptor, (error) => done(error ?? null, undefined)));
  }

  async #during<T>(operation: () => Promise<T>): Promise<T> {
    if (this.#closing !== null) throw Object.assign(new Error(`EBADF: file is closed, '${this.path}'`), { code: "EBADF", path: this.path });
    this.#underWay++;
    try {
      return await operation();
    } catch (error) {
      // the system's error names only a descriptor; a person wants to know the file
      if (error instanceof Error && !("path" in error)) Object.assign(error, { path: this.path });
      throw error;
    } finally {
      this.#underWay--;
      if (this.#underWay === 0) this.#idle?.();
    }
  }
}

function bytesOf(chunks: readonly Uint8Array[]): number {
  let sum = 0;
  for (const chunk of chunks) sum += chunk.length;
  return sum;
}

function dropBytes(chunks: readonly Uint8Array[], count: number): Uint8Array[] {
  let skipped = 0;
  let rest = count;
  while (skipped < chunks.length && rest >= chunks[skipped]!.length) rest -= chunks[skipped++]!.length;
  const left = chunks.slice(skipped);
  if (rest > 0 && left.length > 0) left[0] = left[0]!.subarray(rest);
  return left;
}

function call<T>(start: (done: (error: Error | null, value: T) => void) => void): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    start((error, value) => (error === null || error === undefined ? resolve(value) : reject(error)));
  });
}

async function makeOneDirectory(path: string): Promise<void> {
  try {
    await fs.promises.mkdir(path);
  } catch (error) {
    if (codeOf(error) !== "EEXIST" || !(await fs.promises.stat(path)).isDirectory()) throw error;
  }
}
