import type { MemoryEnsemble } from "../../coordinator-client/memory-coordinator.ts";
import { encodeClusterId } from "../../coordinator-client/znodes/cluster-id.ts";
import { clusterIdPath } from "../../coordinator-client/znodes/paths.ts";

/** Makes the ensemble one of a cluster, as the first broker's start does. */
export function foundCluster(ensemble: MemoryEnsemble, clusterId: string): void {
  const state = ensemble.backup();
  const operations = [
    { kind: "create", path: "/cluster", data: Buffer.alloc(0), mode: "persistent" },
    { kind: "create", path: clusterIdPath, data: encodeClusterId(clusterId), mode: "persistent" },
  ] as const;
  state.tree.apply(operations, "", state.zxid + 1);
  ensemble.restore({ ...state, zxid: state.zxid + 1 });
}
