import { type Random, randomInt } from "../../protocol/base/random.ts";

export type MemoryNode = MemoryInode | MemoryDirectory;

export type FileChange =
  | { readonly kind: "write"; readonly position: number; readonly bytes: Buffer }
  | { readonly kind: "truncate"; readonly size: number };

/** A name given to a node, taken away, or (both at once) a rename. */
export interface DirectoryChange {
  readonly added: readonly [name: string, node: MemoryNode] | null;
  readonly removed: string | null;
}

/** A file twice: as the operating system has it, and as it is on the platter, with the changes between the two. */
export class MemoryInode {
  readonly #current = new GrowingBytes();
  readonly #durable = new GrowingBytes();
  #unsynced: FileChange[] = [];
  modifiedMs = 0;
  /** Rises whenever the content changed in any way but by appending. */
  rewrites = 0;

  get size(): number {
    return this.#current.size;
  }

  /** A view; copy it to keep it. */
  content(): Buffer {
    return this.#current.view();
  }

  change(change: FileChange): void {
    if (change.kind === "truncate" || change.position < this.size) this.rewrites++;
    this.#current.apply(change);
    this.#unsynced.push(change);
  }

  sync(): void {
    for (const change of this.#unsynced) this.#durable.apply(change);
    this.#unsynced = [];
  }

  replace(content: Buffer): void {
    const copy = Buffer.from(content);
    this.change({ kind: "truncate", size: 0 });
    this.change({ kind: "write", position: 0, bytes: copy });
    this.sync();
  }

  losePower(random: Random): void {
    const kept = randomInt(random, this.#unsynced.length + 1);
    for (const change of this.#unsynced.slice(0, kept)) this.#durable.apply(change);
    const torn = this.#unsynced[kept];
    if (torn?.kind === "write") this.#durable.apply(tear(torn.bytes, torn.position, random));
    this.#unsynced = [];
    this.#current.copyFrom(this.#durable);
    this.rewrites++;
  }
}

/** The write in progress when the power failed: cut anywhere, or at full length with zeros where the data never came. */
function tear(bytes: Buffer, position: number, random: Random): FileChange {
  const cut = randomInt(random, bytes.length + 1);
  if (random.next() < 0.5) return { kind: "write", position, bytes: bytes.subarray(0, cut) };
  const zeroed = Buffer.alloc(bytes.length);
  bytes.copy(zeroed, 0, 0, cut);
  return { kind: "write", position, bytes: zeroed };
}

export class MemoryDirectory {
  readonly entries = new Map<string, MemoryNode>();
  readonly #durable = new Map<string, MemoryNode>();
  #unsynced: DirectoryChange[] = [];

  change(change: DirectoryChange): void {
    applyNames(this.entries, change);
    this.#unsynced.push(change);
  }

  sync(): void {
    for (const change of this.#unsynced) applyNames(this.#durable, change);
    this.#unsynced = [];
  }

  losePower(random: Random): void {
    const kept = randomInt(random, this.#unsynced.length + 1);
    for (const change of this.#unsynced.slice(0, kept)) applyNames(this.#durable, change);
    this.#unsynced = [];
    this.entries.clear();
    for (const [name, node] of this.#durable) {
      this.entries.set(name, node);
      node.losePower(random);
    }
  }
}

function applyNames(names: Map<string, MemoryNode>, { added, removed }: DirectoryChange): void {
  if (removed !== null) names.delete(removed);
  if (added !== null) names.set(added[0], added[1]);
}

class GrowingBytes {
  #bytes = Buffer.alloc(0);
  size = 0;

  view(): Buffer {
    return this.#bytes.subarray(0, this.size);
  }

  apply(change: FileChange): void {
    if (change.kind === "write") {
      const end = change.position + change.bytes.length;
      if (change.bytes.length === 0) return;
      this.#grow(end);
      change.bytes.copy(this.#bytes, change.position);
      this.size = Math.max(this.size, end);
      return;
    }
    this.#grow(change.size);
    if (change.size < this.size) this.#bytes.fill(0, change.size, this.size);
    this.size = change.size;
  }

  copyFrom(other: GrowingBytes): void {
    this.#bytes = Buffer.from(other.view());
    this.size = other.size;
  }

  #grow(size: number): void {
    if (size <= this.#bytes.length) return;
    const grown = Buffer.alloc(Math.max(size, this.#bytes.length * 2, 256));
    this.view().copy(grown);
    this.#bytes = grown;
  }
}
