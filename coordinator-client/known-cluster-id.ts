import { newTopicId } from "../protocol/base/ids.ts";
import type { Random } from "../protocol/base/random.ts";
import type { Coordinator } from "./coordinator.ts";
import { type MadeOnce, readMadeOnce, readOrMakeOnce } from "./made-once.ts";
import { decodeClusterId, encodeClusterId } from "./znodes/cluster-id.ts";
import { clusterIdPath } from "./znodes/paths.ts";

const clusterId: MadeOnce<string> = { path: clusterIdPath, encode: encodeClusterId, decode: decodeClusterId };

/** Generated if there is none yet, like Kafka's, which have the form of its topic ids. Rejects as `readOrMakeOnce`. */
export function readOrCreateClusterId(coordinator: Coordinator, random: Random): Promise<string> {
  return readOrMakeOnce(coordinator, clusterId, () => newTopicId(random));
}

/** Null before the first broker has started. */
export function readClusterId(coordinator: Pick<Coordinator, "read">): Promise<string | null> {
  return readMadeOnce(coordinator, clusterId);
}
