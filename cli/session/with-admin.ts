import { Admin } from "../../client/admin/admin.ts";
import { tellingRuntime } from "../output/complaints.ts";
import { tellWaits } from "../output/tell-waits.ts";
import { withCluster } from "./client-session.ts";

/** That no cluster is running should be reported soon; a cluster that elects a controller needs some seconds. */
const operationTimeoutMs = 30_000;

/** Runs what a command does by an administrator of the cluster, and tells what it waits for. `stop` as of `withCluster`. */
export function withAdmin(
  { bootstrap }: { readonly bootstrap: readonly string[] },
  clientId: string,
  work: (admin: Admin, stop: AbortSignal) => Promise<void>,
): Promise<void> {
  return withCluster(bootstrap, async (signal) => {
    await using admin = tellWaits(new Admin({ bootstrap, clientId, operationTimeoutMs, signal, runtime: tellingRuntime }));
    await work(admin, signal);
  });
}
