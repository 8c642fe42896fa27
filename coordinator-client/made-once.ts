import { type Coordinator, CoordinatorUnavailable } from "./coordinator.ts";
import { parentPath } from "./paths.ts";

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
 * What a cluster has one of, made up by its first broker; brokers that start together agree on the one that was written. Rejects with CoordinatorUnavailable when that cannot be
 * told now, with MalformedZnode when the node holds something else.
 */
export async function readOrMakeOnce<T>(coordinator: Coordinator, node: MadeOnce<T>, make: () => T): Promise<T> {
  const known = await readMadeOnce(coordinator, node);
  if (known !== null) return known;
  const { path } = node;
  await coordinator.ensurePath(parentPath(path) ?? "/");
  const ours = make();
  const result = await coordinator.write([{ kind: "create", path, data: node.encode(ours), mode: "persistent" }]);
  if (result.kind === "written") return ours;
  if (result.kind === "unknown") throw new CoordinatorUnavailable(`cannot tell whether ${path} was created`, { cause: result.error });
  const theirs = await readMadeOnce(coordinator, node);
  if (theirs === null) throw new CoordinatorUnavailable(`${path} can neither be created (${result.reason}) nor read`);
  return theirs;
}
