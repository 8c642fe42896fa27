import { newTopicId } from "../protocol/base/ids.ts";
import type { Random } from "../protocol/base/random.ts";
import { type Coordinator, CoordinatorUnavailable } from "./coordinator.ts";
import { parentPath } from "./paths.ts";
import { decodeClusterId, encodeClusterId } from "./znodes/cluster-id.ts";
import { clusterIdPath } from "./znodes/paths.ts";

/**
 * The cluster's id, made up if there is none yet; brokers that start together agree on the one that was written. Rejects with CoordinatorUnavailable when that cannot be
 * told now, with MalformedZnode when the node holds something else.
 */
export async function readOrCreateClusterId(coordinator: Coordinator, random: Random): Promise<string> {
  const known = await readClusterId(coordinator);
  if (known !== null) return known;
  await coordinator.ensurePath(parentPath(clusterIdPath) ?? "/");
  // Kafka's cluster ids are made as its topic ids are.
  const ours = newTopicId(random);
  const result = await coordinator.write([{ kind: "create", path: clusterIdPath, data: encodeClusterId(ours), mode: "persistent" }]);
  if (result.kind === "written") return ours;
  if (result.kind === "unknown")
    throw new CoordinatorUnavailable(`cannot tell whether ${clusterIdPath} was created`, { cause: result.error });
  const theirs = await readClusterId(coordinator);
  if (theirs === null) throw new CoordinatorUnavailable(`${clusterIdPath} can neither be created (${result.reason}) nor read`);
  return theirs;
}

/** Null before the first broker has started. */
export async function readClusterId(coordinator: Pick<Coordinator, "read">): Promise<string | null> {
  const node = await coordinator.read(clusterIdPath);
  return node === null ? null : decodeClusterId(clusterIdPath, node.data);
}
