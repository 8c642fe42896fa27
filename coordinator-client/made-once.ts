import { type Coordinator, CoordinatorUnavailable, type WriteOperation } from "./coordinator.ts";
import { parentPath, pathPrefixes } from "./path-rules.ts";

export interface MadeOnce<T> {
  readonly path: string;
  encode(value: T): Buffer;
  /** Throws MalformedZnode. */
  decode(path: string, data: Buffer): T;
}

/** Null: nobody has made it yet. */
export async function readMadeOnce<T>(coordinator: Pick<Coordinator, "read">, { path, decode }: MadeOnce<T>): Promise<T | null> {
  const node = await coordinator.read(path);
  return node === null ? null : decode(path, node.data);
}

/**
 * What a cluster has one of, made up by its first broker; brokers that start together agree on the one that was written. Rejects with
 * CoordinatorUnavailable when that cannot be told now, with MalformedZnode when the node holds something else. What is written, is written
 * only where `guard` holds.
 */
export async function readOrMakeOnce<T>(
  coordinator: Coordinator,
  node: MadeOnce<T>,
  make: () => T,
  guard: readonly WriteOperation[] = [],
): Promise<T> {
  const known = await readMadeOnce(coordinator, node);
  if (known !== null) return known;
  const { path } = node;
  await ensureParent(coordinator, path, guard);
  const ours = make();
  const result = await coordinator.write([...guard, { kind: "create", path, data: node.encode(ours), mode: "persistent" }]);
  if (result.kind === "written") return ours;
  if (result.kind === "unknown") throw new CoordinatorUnavailable(`cannot tell whether ${path} was created`, { cause: result.error });
  if (result.failedIndex < guard.length) throw new CoordinatorUnavailable(`ZooKeeper changed while ${path} was created`);
  const theirs = await readMadeOnce(coordinator, node);
  if (theirs === null) throw new CoordinatorUnavailable(`${path} can neither be created (${result.reason}) nor read`);
  return theirs;
}

/** With a guard the chroot is there. Whether its writes were done is found out by the one that follows. */
async function ensureParent(coordinator: Coordinator, path: string, guard: readonly WriteOperation[]): Promise<void> {
  const parent = parentPath(path) ?? "/";
  if (guard.length === 0) return coordinator.ensurePath(parent);
  for (const each of pathPrefixes(parent))
    await coordinator.write([...guard, { kind: "create", path: each, data: Buffer.alloc(0), mode: "persistent" }]);
}
