import type { File, FileSystem, Space } from "../../broker/runtime/files.ts";
import { type Clock, sleep } from "../../protocol/base/clock.ts";
import { invariant } from "../../protocol/base/invariant.ts";
import { type Random, randomInt } from "../../protocol/base/random.ts";
import { type FileChange, MemoryDirectory, MemoryInode, type MemoryNode } from "./memory-nodes.ts";

export interface MemoryDiskParts {
  readonly clock: Clock;
  readonly random: Random;
  /** How long an operation takes, drawn evenly. Absent: it takes effect in the same turn of the loop. */
  readonly latencyMs?: { readonly min: number; readonly max: number };
}

export type DiskOperationKind =
  | "open"
  | "readFile"
  | "list"
  | "exists"
  | "size"
  | "makeDirectory"
  | "rename"
  | "remove"
  | "syncDirectory"
  | "space"
  | "lock"
  | "read"
  | "write"
  | "truncate"
  | "sync";

export interface DiskOperation {
  readonly kind: DiskOperationKind;
  readonly path: string;
}

/**
 * One machine's disk, in memory. What was not synced may be lost in `crash`: of each file a random prefix of the changes since its last
 * sync stays, the last of them possibly torn or filled with zeros; of each folder a random prefix of the names created, renamed and removed
 * since its last sync.
 * All by the random source, so a seed repeats it.
 */
export class MemoryDisk {
  /**
   * Called before each operation: the name of a system error (ENOSPC, EIO …) to fail it with, or null. A failing write may leave any part
   * of its bytes.
   */
  fault: ((operation: DiskOperation) => string | null) | null = null;
  /** What an operation waits for before it begins; null: nothing. */
  stall: ((operation: DiskOperation) => Promise<void> | null) | null = null;
  /** Operations asked for so far, to find a moment to crash in. */
  operations = 0;
  readonly #parts: MemoryDiskParts;
  readonly #root = new MemoryDirectory();
  readonly #locks = new Map<string, ProcessView>();
  #views: ProcessView[] = [];

  constructor(parts: MemoryDiskParts) {
    this.#parts = parts;
  }

  /** The disk as a process that starts now sees it. Once that process is lost, none of its operations is ever answered. */
  attach(): FileSystem {
    const view = new ProcessView(this);
    this.#views.push(view);
    return view;
  }

  /** The power fails: all processes are gone, and what was not synced may be lost. */
  crash(): void {
    this.loseProcess();
    this.#root.losePower(this.#parts.random);
  }

  /** All processes are killed. What the operating system accepted stays; an operation in progress may have happened or not. */
  loseProcess(): void {
    for (const view of this.#views) view.die(this.#parts.random);
    this.#views = [];
    this.#locks.clear();
  }

  /** Damages a file in place, as bit rot would: the change is on disk at once. */
  corrupt(path: string, change: (content: Buffer) => Buffer): void {
    const inode = this.file(path);
    inode.replace(change(inode.content()));
  }

  async begin(kind: DiskOperationKind, path: string): Promise<string | null> {
    this.operations++;
    const stalled = this.stall?.({ kind, path }) ?? null;
    if (stalled !== null) await stalled;
    const code = this.fault?.({ kind, path }) ?? null;
    const { latencyMs, clock, random } = this.#parts;
    if (latencyMs !== undefined) await sleep(clock, latencyMs.min + random.next() * (latencyMs.max - latencyMs.min));
    else await Promise.resolve();
    return code;
  }

  nowMs(): number {
    return this.#parts.clock.nowMs();
  }

  partOf(length: number): number {
    return randomInt(this.#parts.random, length + 1);
  }

  lock(path: string, view: ProcessView): boolean {
    if (this.#locks.has(path)) return false;
    this.create(path);
    this.#locks.set(path, view);
    return true;
  }

  unlock(path: string, view: ProcessView): void {
    if (this.#locks.get(path) === view) this.#locks.delete(path);
  }

  find(path: string): MemoryNode | null {
    let node: MemoryNode = this.#root;
    for (const name of namesIn(path)) {
      if (!(node instanceof MemoryDirectory)) return null;
      const next = node.entries.get(name);
      if (next === undefined) return null;
      node = next;
    }
    return node;
  }

  file(path: string): MemoryInode {
    const node = this.find(path);
    if (node === null) throw systemError("ENOENT", path);
    if (!(node instanceof MemoryInode)) throw systemError("EISDIR", path);
    return node;
  }

  directory(path: string): MemoryDirectory {
    const node = this.find(path);
    if (node === null) throw systemError("ENOENT", path);
    if (!(node instanceof MemoryDirectory)) throw systemError("ENOTDIR", path);
    return node;
  }

  create(path: string): MemoryInode {
    const { directory, name } = this.#parent(path);
    const known = directory.entries.get(name);
    if (known instanceof MemoryInode) return known;
    if (known !== undefined) throw systemError("EISDIR", path);
    const inode = new MemoryInode();
    directory.change({ added: [name, inode], removed: null });
    return inode;
  }

  makeDirectory(path: string): void {
    let directory = this.#root;
    for (const name of namesIn(path)) {
      const known = directory.entries.get(name);
      if (known instanceof MemoryInode) throw systemError("EEXIST", path);
      const next = known ?? new MemoryDirectory();
      if (known === undefined) directory.change({ added: [name, next], removed: null });
      directory = next;
    }
  }

  rename(from: string, to: string): void {
    const source = this.#parent(from);
    const target = this.#parent(to);
    const node = source.directory.entries.get(source.name);
    if (node === undefined) throw systemError("ENOENT", from);
    const replaced = target.directory.entries.get(target.name);
    if (replaced instanceof MemoryDirectory && replaced.entries.size > 0) throw systemError("ENOTEMPTY", to);
    if (source.directory === target.directory) {
      source.directory.change({ added: [target.name, node], removed: source.name });
    } else {
      target.directory.change({ added: [target.name, node], removed: null });
      source.directory.change({ added: null, removed: source.name });
    }
  }

  remove(path: string): void {
    if (this.find(path) === null) return;
    const { directory, name } = this.#parent(path);
    directory.change({ added: null, removed: name });
  }

  #parent(path: string): { directory: MemoryDirectory; name: string } {
    const names = namesIn(path);
    const name = names.pop();
    invariant(name !== undefined, "a path below the root", () => ({ path }));
    return { directory: this.directory(`/${names.join("/")}`), name };
  }
}

/** What one process sees of the disk; dies with it. */
class ProcessView implements FileSystem {
  isDead = false;
  readonly #disk: MemoryDisk;
  /** Effects asked for but not yet there, in order. */
  readonly #underWay = new Set<Effect>();

  constructor(disk: MemoryDisk) {
    this.#disk = disk;
  }

  die(random: Random): void {
    this.isDead = true;
    for (const { apply } of this.#underWay) {
      if (random.next() < 0.5) continue;
      try {
        apply(random.next());
      } catch {
        // it would have failed, and there is no caller left to notify
      }
    }
    this.#underWay.clear();
  }

  open(path: string, mode: "read" | "readwrite"): Promise<File> {
    return this.change("open", path, () => {
      const inode = mode === "read" ? this.#disk.file(path) : this.#disk.create(path);
      return new MemoryFile(this, path, inode, mode === "readwrite");
    });
  }

  readFile(path: string): Promise<Buffer> {
    return this.look("readFile", path, () => Buffer.from(this.#disk.file(path).content()));
  }

  list(path: string): Promise<string[]> {
    return this.look("list", path, () => [...this.#disk.directory(path).entries.keys()].sort());
  }

  exists(path: string): Promise<boolean> {
    return this.look("exists", path, () => this.#disk.find(path) !== null);
  }

  size(path: string): Promise<number> {
    return this.look("size", path, () => this.#disk.file(path).size);
  }

  modifiedMs(path: string): Promise<number> {
    return this.look("size", path, () => this.#disk.file(path).modifiedMs);
  }

  makeDirectory(path: string): Promise<void> {
    return this.change("makeDirectory", path, () => this.#disk.makeDirectory(path));
  }

  rename(from: string, to: string): Promise<void> {
    return this.change("rename", from, () => this.#disk.rename(from, to));
  }

  remove(path: string): Promise<void> {
    return this.change("remove", path, () => this.#disk.remove(path));
  }

  syncDirectory(path: string): Promise<void> {
    return this.change("syncDirectory", path, () => this.#disk.directory(path).sync());
  }

  space(path: string): Promise<Space> {
    return this.look("space", path, () => ({ totalBytes: 2 ** 30, usableBytes: 2 ** 29 }));
  }

  lock(path: string): Promise<boolean> {
    return this.look("lock", path, () => this.#disk.lock(path, this));
  }

  async unlock(path: string): Promise<void> {
    this.#disk.unlock(path, this);
  }

  nowMs(): number {
    return this.#disk.nowMs();
  }

  async look<T>(kind: DiskOperationKind, path: string, effect: () => T): Promise<T> {
    const code = await this.#begun(kind, path);
    if (code !== null) throw systemError(code, path, kind);
    return effect();
  }

  /** An effect on the disk that a loss of the process may cut: `share` in [0, 1] of it happens, for those that can happen in part. */
  async change<T>(kind: DiskOperationKind, path: string, apply: (share: number) => T): Promise<T> {
    const effect: Effect = { apply };
    this.#underWay.add(effect);
    const code = await this.#begun(kind, path);
    this.#underWay.delete(effect);
    if (code !== null) {
      if (kind === "write") apply(this.#disk.partOf(1000) / 1000);
      throw systemError(code, path, kind);
    }
    return apply(1);
  }

  /**
   * Asked in the turn of the effect: between the disk's answer and its being heard the process may be lost, and then the effect would come
   * after that.
   */
  async #begun(kind: DiskOperationKind, path: string): Promise<string | null> {
    const code = await this.#disk.begin(kind, path);
    if (this.isDead) await new Promise<never>(() => {});
    return code;
  }
}

interface Effect {
  readonly apply: (share: number) => unknown;
}

class MemoryFile implements File {
  readonly path: string;
  readonly #view: ProcessView;
  readonly #inode: MemoryInode;
  readonly #writable: boolean;
  #closed = false;

  constructor(view: ProcessView, path: string, inode: MemoryInode, writable: boolean) {
    this.#view = view;
    this.path = path;
    this.#inode = inode;
    this.#writable = writable;
  }

  async size(): Promise<number> {
    this.#check(false);
    return this.#view.look("size", this.path, () => this.#inode.size);
  }

  async read(target: Buffer, offset: number, length: number, position: number): Promise<number> {
    this.#check(false);
    return this.#view.look("read", this.path, () => this.#inode.content().copy(target, offset, position, position + length));
  }

  async write(chunks: readonly Uint8Array[], position: number): Promise<void> {
    this.#check(true);
    return this.#view.change("write", this.path, (share) => {
      const bytes = Buffer.concat(chunks);
      this.#apply({ kind: "write", position, bytes: bytes.subarray(0, Math.round(bytes.length * share)) });
    });
  }

  async truncate(size: number): Promise<void> {
    this.#check(true);
    return this.#view.change("truncate", this.path, () => this.#apply({ kind: "truncate", size }));
  }

  async sync(): Promise<void> {
    this.#check(false);
    return this.#view.change("sync", this.path, () => this.#inode.sync());
  }

  async close(): Promise<void> {
    this.#closed = true;
  }

  #apply(change: FileChange): void {
    this.#inode.change(change);
    this.#inode.modifiedMs = this.#view.nowMs();
  }

  #check(forWriting: boolean): void {
    if (this.#closed || (forWriting && !this.#writable)) throw systemError("EBADF", this.path);
  }
}

function namesIn(path: string): string[] {
  invariant(path.startsWith("/"), "paths are absolute", () => ({ path }));
  return path.split("/").filter((name) => name !== "");
}

function systemError(code: string, path: string, syscall = "open"): Error {
  return Object.assign(new Error(`${code}: ${syscall} '${path}'`), { code, path, syscall });
}
