import type { Coordinator } from "../../coordinator-client/coordinator.ts";
import type { KnownCluster } from "../../coordinator-client/known-cluster.ts";
import type { LogDirectories } from "../log/directories/log-directories.ts";
import type { PeerSecret } from "../runtime/peer-port.ts";

/** What is there before anything is put together: see `Broker.start`. */
export interface Foundation {
  readonly coordinator: Coordinator;
  readonly logs: LogDirectories;
  /** As the data directories have it. */
  readonly known: KnownCluster;
  readonly peerSecret: PeerSecret;
  /** The data directories' ids, as the registration has them. */
  readonly incarnation: string;
}
