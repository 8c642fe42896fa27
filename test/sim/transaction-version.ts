import type { MemoryCoordinator } from "../../coordinator-client/memory-coordinator.ts";
import { withFeatureLevels } from "../../coordinator-client/znodes/feature.ts";
import { featurePath } from "../../coordinator-client/znodes/paths.ts";
import type { Trace } from "./trace.ts";

/** As an operator's tool writes it: whatever the controller is doing. */
export function setTransactionVersion(operator: MemoryCoordinator, version: number, trace: Trace): void {
  const set = async () => {
    await operator.connected();
    const node = await operator.read(featurePath);
    if (node === null) return;
    const data = withFeatureLevels(featurePath, node.data, new Map([["transaction.version", version]]));
    await operator.write([{ kind: "set", path: featurePath, data, version: node.version }]);
    trace.line(`transaction.version is ${version} from now on`);
  };
  // the coordinator may be down
  set().catch((error: Error) => trace.line(`transaction.version is not set to ${version}: ${error.message}`));
}
