import type { ChildList, ConflictReason, WriteOperation, WriteOperationResult } from "../coordinator.ts";
import { nodeName, parentPath } from "../path-rules.ts";
import type { WireNode } from "../session/wire.ts";

interface TreeNode {
  data: Buffer;
  version: number;
  readonly createdZxid: number;
  modifiedZxid: number;
  readonly ephemeralOwner: string | null;
  readonly children: Set<string>;
  /** The number of children ever created: the next sequential name's number. */
  childrenCreated: number;
}

/** What a transaction did that someone may watch. */
export interface TreeChange {
  readonly kind: "data" | "children";
  readonly path: string;
}

export type Applied =
  | { readonly kind: "written"; readonly results: readonly WriteOperationResult[]; readonly changes: readonly TreeChange[] }
  | { readonly kind: "conflict"; readonly failedIndex: number; readonly reason: ConflictReason };

/** ZooKeeper's tree of nodes with its rules for versions, sequence numbers, ephemerals and transactions. Paths are well-formed. */
export class MemoryTree {
  readonly #nodes = new Map<string, TreeNode>([["/", newNode(Buffer.alloc(0), 0, null)]]);
  /** How many transactions have changed something so far. */
  transactions = 0;

  read(path: string): WireNode | null {
    const node = this.#nodes.get(path);
    if (node === undefined) return null;
    const { data, version, createdZxid, modifiedZxid, ephemeralOwner } = node;
    return { data: Buffer.from(data), version, createdZxid, modifiedZxid, ephemeralOwner };
  }

  children(path: string): ChildList | null {
    const node = this.#nodes.get(path);
    if (node === undefined) return null;
    return { names: [...node.children].sort(), childVersion: node.childrenCreated * 2 - node.children.size };
  }

  /** Every path, sorted. */
  paths(): string[] {
    return [...this.#nodes.keys()].sort();
  }

  ephemeralsOf(session: string): string[] {
    return [...this.#nodes]
      .filter(([, node]) => node.ephemeralOwner === session)
      .map(([path]) => path)
      .sort();
  }

  /** A copy of the current state; later changes of this tree do not affect it. */
  copy(): MemoryTree {
    const copy = new MemoryTree();
    copy.become(this);
    return copy;
  }

  /** Takes over the contents of another tree. */
  become(other: MemoryTree): void {
    this.transactions++;
    const nodes = [...other.#nodes].map(([path, node]) => [path, { ...node, children: new Set(node.children) }] as const);
    this.#nodes.clear();
    for (const [path, node] of nodes) this.#nodes.set(path, node);
  }

  /** All operations in order, each seeing the ones before it; or none. */
  apply(operations: readonly WriteOperation[], session: string, zxid: number): Applied {
    const undo: (() => void)[] = [];
    const changes: TreeChange[] = [];
    const results: WriteOperationResult[] = [];
    for (const [failedIndex, operation] of operations.entries()) {
      const outcome = this.#applyOne(operation, { session, zxid, undo, changes });
      if (typeof outcome === "string") {
        for (const step of undo.reverse()) step();
        return { kind: "conflict", failedIndex, reason: outcome };
      }
      results.push(outcome);
    }
    if (changes.length > 0) this.transactions++;
    return { kind: "written", results, changes };
  }

  #applyOne(operation: WriteOperation, transaction: Transaction): WriteOperationResult | ConflictReason {
    switch (operation.kind) {
      case "create":
        return this.#create(operation, transaction);
      case "set":
        return this.#set(operation, transaction);
      case "delete":
        return this.#delete(operation, transaction);
      case "check": {
        const node = this.#nodes.get(operation.path);
        if (node === undefined) return "no-node";
        return versionHolds(node, operation.version) ? { path: operation.path, version: -1 } : "bad-version";
      }
    }
  }

  #create(
    operation: WriteOperation & { kind: "create" },
    { session, zxid, undo, changes }: Transaction,
  ): WriteOperationResult | ConflictReason {
    const parentAt = parentPath(operation.path);
    if (parentAt === null) return "node-exists";
    const parent = this.#nodes.get(parentAt);
    if (parent === undefined) return "no-parent";
    const sequence = operation.mode === "persistent-sequential" ? String(parent.childrenCreated).padStart(10, "0") : "";
    const path = operation.path + sequence;
    if (this.#nodes.has(path)) return "node-exists";
    if (parent.ephemeralOwner !== null) return "other";
    this.#nodes.set(path, newNode(Buffer.from(operation.data), zxid, operation.mode === "ephemeral" ? session : null));
    parent.children.add(nodeName(path));
    parent.childrenCreated++;
    undo.push(() => {
      this.#nodes.delete(path);
      parent.children.delete(nodeName(path));
      parent.childrenCreated--;
    });
    changes.push({ kind: "data", path }, { kind: "children", path: parentAt });
    return { path, version: 0 };
  }

  #set(
    { path, data, version }: WriteOperation & { kind: "set" },
    { zxid, undo, changes }: Transaction,
  ): WriteOperationResult | ConflictReason {
    const node = this.#nodes.get(path);
    if (node === undefined) return "no-node";
    if (!versionHolds(node, version)) return "bad-version";
    const before = { data: node.data, version: node.version, modifiedZxid: node.modifiedZxid };
    Object.assign(node, { data: Buffer.from(data), version: node.version + 1, modifiedZxid: zxid });
    undo.push(() => Object.assign(node, before));
    changes.push({ kind: "data", path });
    return { path, version: node.version };
  }

  #delete({ path, version }: WriteOperation & { kind: "delete" }, { undo, changes }: Transaction): WriteOperationResult | ConflictReason {
    const parentAt = parentPath(path);
    const node = this.#nodes.get(path);
    if (parentAt === null) return "other";
    const parent = this.#nodes.get(parentAt);
    if (node === undefined || parent === undefined) return "no-node";
    if (!versionHolds(node, version)) return "bad-version";
    if (node.children.size > 0) return "not-empty";
    this.#nodes.delete(path);
    parent.children.delete(nodeName(path));
    undo.push(() => {
      this.#nodes.set(path, node);
      parent.children.add(nodeName(path));
    });
    // Watchers of the znode's own children are notified of its deletion too.
    changes.push({ kind: "data", path }, { kind: "children", path }, { kind: "children", path: parentAt });
    return { path, version: -1 };
  }
}

interface Transaction {
  readonly session: string;
  readonly zxid: number;
  readonly undo: (() => void)[];
  readonly changes: TreeChange[];
}

function newNode(data: Buffer, zxid: number, ephemeralOwner: string | null): TreeNode {
  return { data, version: 0, createdZxid: zxid, modifiedZxid: zxid, ephemeralOwner, children: new Set(), childrenCreated: 0 };
}

function versionHolds(node: TreeNode, expected: number): boolean {
  return expected === -1 || expected === node.version;
}
