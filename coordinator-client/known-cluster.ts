import { type Coordinator, CoordinatorUnavailable, type WriteOperation } from "./coordinator.ts";
import { readClusterId } from "./known-cluster-id.ts";
import { decodeControllerEpoch } from "./znodes/controller-node.ts";
import { MalformedZnode } from "./znodes/json.ts";
import { clusterIdPath, controllerEpochPath } from "./znodes/paths.ts";

/** What a broker knows of the cluster that it belongs to. */
export interface KnownCluster {
  readonly clusterId: string;
  /** The newest controller epoch it has seen; -1: none. */
  readonly controllerEpoch: number;
}

/** Whether a coordinator is the one that a broker knows. */
export type CoordinatorVerdict =
  /** `guard`: the conditions of a transaction that must be carried out in this coordinator only. */
  | { readonly kind: "ours"; readonly guard: readonly WriteOperation[] }
  /** It knows no cluster: it lost its state, or it is a different one, or the chroot is. */
  | { readonly kind: "empty" }
  | { readonly kind: "other"; readonly clusterId: string }
  /** It has forgotten what it knew: it was restored from an older snapshot. */
  | { readonly kind: "older"; readonly controllerEpoch: number }
  /** Broken by another tool. */
  | { readonly kind: "unreadable"; readonly reason: string };

/** What such a coordinator holds. Null: the znode does not exist. */
export interface FoundCluster {
  readonly clusterId: string | null;
  readonly controllerEpoch: { readonly epoch: number; readonly version: number } | null;
}

export function judge(known: KnownCluster, { clusterId, controllerEpoch }: FoundCluster): CoordinatorVerdict {
  if (clusterId === null) return { kind: "empty" };
  if (clusterId !== known.clusterId) return { kind: "other", clusterId };
  const epoch = controllerEpoch?.epoch ?? -1;
  if (epoch < known.controllerEpoch) return { kind: "older", controllerEpoch: epoch };
  const guard: WriteOperation[] = [{ kind: "check", path: clusterIdPath, version: -1 }];
  if (controllerEpoch !== null) guard.push({ kind: "check", path: controllerEpochPath, version: controllerEpoch.version });
  return { kind: "ours", guard };
}

/**
 * Checks the coordinator that we are connected to. A transaction comes first. What another broker was told of a newer controller epoch
 * precedes it in the one order of transactions, so an epoch that is read after it is not stale because a server lags behind. Rejects with
 * CoordinatorUnavailable.
 */
export async function judgeCoordinator(coordinator: Pick<Coordinator, "read" | "write">, known: KnownCluster): Promise<CoordinatorVerdict> {
  const barrier = await coordinator.write([{ kind: "check", path: "/", version: -1 }]);
  if (barrier.kind === "unknown")
    throw new CoordinatorUnavailable("cannot tell whether this ZooKeeper is the one we know", { cause: barrier.error });
  try {
    const clusterId = await readClusterId(coordinator);
    const node = await coordinator.read(controllerEpochPath);
    const controllerEpoch = node === null ? null : { epoch: decodeControllerEpoch(controllerEpochPath, node.data), version: node.version };
    return judge(known, { clusterId, controllerEpoch });
  } catch (error) {
    if (error instanceof MalformedZnode) return { kind: "unreadable", reason: error.message };
    throw error;
  }
}

/** For a human: what is wrong with the coordinator, and what to do. */
export function faultOf(verdict: Exclude<CoordinatorVerdict, { kind: "ours" }>, { clusterId, controllerEpoch }: KnownCluster): string {
  switch (verdict.kind) {
    case "empty":
      return (
        `ZooKeeper knows no cluster (${clusterIdPath} is missing), but this broker belongs to cluster ${clusterId}. Either ZooKeeper lost its data: restore it from a copy, or, when there is ` +
        "none, see `ottla cluster recover`. Or this is another ZooKeeper or chroot: correct zookeeper.connect and restart this broker."
      );
    case "unreadable":
      return `${verdict.reason}. Repair the node, or restore ZooKeeper's data from a copy.`;
    case "other":
      return (
        `this ZooKeeper (or chroot) is of cluster ${verdict.clusterId}, but this broker belongs to cluster ${clusterId}. Correct zookeeper.connect and restart this broker, or restore the ` +
        "data of the ZooKeeper that it knows."
      );
    case "older":
      return (
        `ZooKeeper went back in time: this broker has seen controller epoch ${controllerEpoch}, and ${controllerEpochPath} says ${verdict.controllerEpoch < 0 ? "nothing" : verdict.controllerEpoch}. ` +
        "Restore the newest copy of its data; when there is none as new, see `ottla cluster recover`. Or this is another ZooKeeper: correct zookeeper.connect and restart this broker."
      );
  }
}
